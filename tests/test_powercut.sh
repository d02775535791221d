#!/bin/sh
# Power cuts: the vault lies on an ext4 of its own, which is shut down under two writers without writing anything
# more. After its journal's recovery every acknowledged object is there.
# Needs: root, loop devices; POWER_CUTS (default 20)

# In a mount namespace of its own: whoever makes a namespace meanwhile would hold a copy of the mount, and a file system
# that is still mounted somewhere is not recovered but goes on. (Propagation cannot be changed below a chroot.)
for propagation in private unchanged; do
	if [ -z "${POWER_CUT_MOUNTS:-}" ] && unshare --mount --propagation "$propagation" true 2> /dev/null; then
		# shellcheck disable=SC2093 # it does not go on
		POWER_CUT_MOUNTS=own exec unshare --mount --propagation "$propagation" sh "$0"
	fi
done
. "$(dirname "$0")/lib/tokenfs.sh"

setUp()
{
	tfs_setup
	DISK=$DIR/disk
	mkdir "$DISK"
}

tearDown()
{
	[ -z "$DIR" ] || grep -q " $DISK " /proc/self/mountinfo || { tfs_teardown; return; }
	"$TOKENFS" umount --lazy > /dev/null 2>&1
	disk_off
	tfs_teardown
}

disk_on()
{
	must mount -o loop "$DIR/image" "$DISK" && chmod 700 "$DISK"
}

# The daemon may hold files for a moment after its mount has gone.
disk_off()
{
	n=0
	until umount "$DISK" 2> /dev/null || [ $n -ge 100 ]; do
		sleep 0.05
		n=$((n + 1))
	done
	assertFalse 'the disk cannot be unmounted' "grep -q ' $DISK ' /proc/self/mountinfo"
}

test_power_cut_under_two_writers_loses_nothing_acknowledged()
{
	if ! is_root || ! losetup -f > /dev/null 2>&1; then
		skip 'power cuts need root and loop devices'
		return
	fi
	truncate -s 64M "$DIR/image"
	must mkfs.ext4 -q -F "$DIR/image"
	disk_on || return
	# State too: its counters have to survive.
	cat > "$TOKENFS_CONF" <<-END
		vault = $DISK/vault
		state = $DISK/state
		key_file = $DISK/vault.key
		mount = $MNT
		log_target = $LOG
		autostart = no
	END
	VAULT=$DISK/vault
	tfs_start
	tfs_token
	cut=0
	while [ $cut -lt "${POWER_CUTS:-20}" ]; do
		cut=$((cut + 1))
		rm -f "$DIR"/writer.*
		for n in 1 2; do
			"$TOOLS/writer" "$MODULE" "$LABEL" "$PIN" "p$cut-w$n-" "$DIR/ledger.$cut.$n" 60 \
				> "$DIR/writer.$n" 2>&1 &
		done
		until [ -s "$DIR/ledger.$cut.2" ] || [ -s "$DIR/writer.2" ]; do
			sleep 0.02
		done
		sleep "0.$(awk -v c=$cut 'BEGIN { srand(c * 104729); printf "%02d", rand() * 40 }')"
		must "$TOOLS/shutdown_fs" "$DISK"
		# Writing fails from now on: the writers get an error for what is not durable.
		wait
		tfs_kill
		disk_off
		disk_on || return
		tfs_start || return
		if ! must "$TOKENFS" --quiet check ||
			! must "$TOOLS/verifier" "$MODULE" "$LABEL" "$PIN" "$DIR"/ledger.$cut.*; then
			keep="$(realpath "$BUILD/tests")/powercut-vault"
			echo "after cut $cut; the vault is kept in $keep"
			rm -rf "$keep"
			cp -a "$VAULT" "$keep"
			return
		fi
	done
	must "$TOOLS/verifier" "$MODULE" "$LABEL" "$PIN" "$DIR"/ledger.*
	assertTrue 'enough was acknowledged' "[ $(cat "$DIR"/ledger.* | grep -c '^ok') -gt $((cut * 5)) ]"
	tfs_stop
	disk_off
}

. shunit2

#!/bin/sh
# Who sees what: another application, another user, another process of the same user; what is left in memory.
. "$(dirname "$0")/lib/tokenfs.sh"

setUp()
{
	tfs_setup
	tfs_start
	tfs_token
}

test_second_application_without_login_sees_no_private_object()
{
	p11_generate EC:secp256r1 key 01
	# One that stays logged in.
	"$TOOLS/writer" "$MODULE" "$LABEL" "$PIN" w- "$DIR/ledger" 30 > "$DIR/writer" 2>&1 &
	writer=$!
	until [ -s "$DIR/ledger" ] || [ -s "$DIR/writer" ]; do
		sleep 0.02
	done
	must p11 --token-label "$LABEL" --list-objects
	assertContains "$out" 'Public Key Object'
	assertNotContains "$out" 'Private Key Object'
	refused 'Permission denied' ls "$MNT/$LABEL/private"
	kill $writer
	wait $writer 2> /dev/null || :
}

test_same_user_cannot_look_into_the_daemon()
{
	tfs_unlock
	if is_root; then
		# A user of no privilege, who is the daemon's own.
		chmod 755 "$DIR" "$TMPDIR" 2> /dev/null
		mkdir -m 700 "$DIR/user"
		chown 65534:65534 "$DIR/user"
		cat > "$DIR/user/conf" <<-END
			vault = $DIR/user/vault
			state = $DIR/user/state
			key_file = $DIR/user/vault.key
			mount = $DIR/user/mnt
			log_target = $DIR/user/log
		END
		chmod 600 "$DIR/user/conf"
		chown 65534:65534 "$DIR/user/conf"
		cp "$TOKENFS" "$TOOLS/snoop" "$DIR/user"
		chmod 755 "$DIR/user/tokenfs" "$DIR/user/snoop"
		as='setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/'
		if ! $as sh -c ': <> /dev/fuse' 2> /dev/null; then
			skip '/dev/fuse is closed to ordinary users'
			return
		fi
		must $as "$DIR/user/tokenfs" --config "$DIR/user/conf" --quiet init
		must $as "$DIR/user/tokenfs" --config "$DIR/user/conf" mount
		pid=$($as cat "$DIR/user/mnt/.p11/pid" | tr -cd 0-9)
		must $as "$DIR/user/snoop" attach "$pid"
		# Root is another user to this mount.
		refused 'Permission denied' ls "$DIR/user/mnt"
		must $as "$DIR/user/tokenfs" --config "$DIR/user/conf" umount
	else
		must "$TOOLS/snoop" attach "$(tfs_pid)"
	fi
}

# Even of what root can read, nothing is left after the logout.
test_memory_after_logout_holds_no_key_and_no_pin()
{
	skip_sanitized "the sanitizer's memory is too large to be read" && return
	if ! is_root; then
		skip 'only root can try to read the memory of the daemon'
		return
	fi
	head -c 48 /dev/urandom > "$DIR/value"
	must p11_user --write-object "$DIR/value" --type data --private --label secret --application-label app
	must p11_user --read-object --type data --label secret --output-file "$DIR/back"
	assertTrue 'the value is there' "cmp '$DIR/value' '$DIR/back'"
	printf %s "$PIN" > "$DIR/pin"
	# The scan can find something: the path of the vault.
	printf %s "$VAULT" > "$DIR/path"
	must "$TOOLS/snoop" scan "$(tfs_pid)" "$DIR/path"
	assertNotContains "$out" 'found 0 times'
	for what in value pin; do
		must "$TOOLS/snoop" scan "$(tfs_pid)" "$DIR/$what"
		assertContains "$what: $out" "$out" 'found 0 times'
	done
}

# The same while somebody is logged in: keys lie where not even root looks.
test_memory_while_unlocked_holds_no_pin()
{
	skip_sanitized "the sanitizer's memory is too large to be read" && return
	if ! is_root; then
		skip 'only root can try to read the memory of the daemon'
		return
	fi
	tfs_unlock
	printf %s "$PIN" > "$DIR/pin"
	must "$TOOLS/snoop" scan "$(tfs_pid)" "$DIR/pin"
	assertContains "$out" 'found 0 times'
}

# tearDown looks for the markers in vault, state and log.
test_labels_and_values_are_not_readable_on_disk()
{
	label=$(tfs_marker label)
	tfs_marker value > "$DIR/value"
	p11_generate EC:secp256r1 "$label" 01
	must p11_user --write-object "$DIR/value" --type data --label "$label" --application-label "$label"
	must p11_user --write-object "$DIR/value" --type data --private --label "$label" --application-label "$label"
	must p11_user --list-objects
	assertContains "$out" "$label"
	tfs_unlock
	must ls -lR "$MNT"
	tfs_stop
	tfs_secrets
}

test_daemon_reports_its_hardening()
{
	must "$TOKENFS" status
	for part in dumpable core no_new_privs landlock seccomp memory; do
		assertContains "$part: $out" "$out" "$part"
	done
	assertContains "$out" 'no_new_privs   on'
	assertTrue 'no core' "grep -q '^Max core file size  *0 ' /proc/$(tfs_pid)/limits"
}

. shunit2

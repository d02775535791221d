#!/bin/sh
# kill -9: of the daemon under four writers, everything acknowledged is there; of clients, nothing of them remains.
# Needs: CRASH_CYCLES (default 50)
. "$(dirname "$0")/lib/tokenfs.sh"

setUp()
{
	tfs_setup
	# Else the writers start the daemon again.
	tfs_set autostart no
	tfs_start
	tfs_token
}

test_daemon_killed_under_four_writers_loses_nothing_acknowledged()
{
	cycle=0
	while [ $cycle -lt "${CRASH_CYCLES:-50}" ]; do
		cycle=$((cycle + 1))
		rm -f "$DIR"/writer.*
		for n in 1 2 3 4; do
			"$TOOLS/writer" "$MODULE" "$LABEL" "$PIN" "c$cycle-w$n-" "$DIR/ledger.$cycle.$n" 60 \
				> "$DIR/writer.$n" 2>&1 &
		done
		until [ -s "$DIR/ledger.$cycle.4" ] || [ -s "$DIR/writer.4" ]; do
			sleep 0.02
		done
		# Some hundredths of a second, another number each time.
		sleep "0.$(awk -v c=$cycle 'BEGIN { srand(c * 7919); printf "%02d", rand() * 40 }')"
		tfs_kill
		wait
		assertEquals "writers say" '' "$(cat "$DIR"/writer.*)"
		# No repair by hand: it mounts, and it is sound.
		tfs_start || return
		if ! must "$TOKENFS" --quiet check ||
			! must "$TOOLS/verifier" "$MODULE" "$LABEL" "$PIN" "$DIR"/ledger.$cycle.*; then
			keep="$(realpath "$BUILD/tests")/crash-vault"
			echo "after cycle $cycle; the vault is kept in $keep"
			rm -rf "$keep"
			cp -a "$VAULT" "$keep"
			return
		fi
	done
	must "$TOOLS/verifier" "$MODULE" "$LABEL" "$PIN" "$DIR"/ledger.*
	must "$TOKENFS" check --pin "pass:$PIN"
	assertTrue "enough was acknowledged" "[ $(cat "$DIR"/ledger.* | grep -c '^ok') -gt $((cycle * 10)) ]"
}

# "sessions applications fds kilobytes" of the daemon
footprint()
{
	"$TOKENFS" status --json | awk '/"sessions"/ { s = $2 } /"applications"/ { a = $2 } END { printf "%d %d ", s, a }'
	if is_root; then
		printf '%d ' "$(find "/proc/$(tfs_pid)/fd" -mindepth 1 | wc -l)"
	else
		printf '0 '
	fi
	awk '/^VmRSS/ { print $2 }' "/proc/$(tfs_pid)/status"
}

killed_clients() # COUNT
{
	i=0
	while [ $i -lt "$1" ]; do
		i=$((i + 1))
		rm -f "$DIR/ledger"
		"$TOOLS/writer" "$MODULE" "$LABEL" "$PIN" "k$1-$i-" "$DIR/ledger" 60 > /dev/null 2>&1 &
		client=$!
		until [ -s "$DIR/ledger" ] || ! kill -0 $client 2> /dev/null; do
			sleep 0.02
		done
		kill -9 $client || fail 'the writer ended by itself'
		wait $client 2> /dev/null
	done
}

test_clients_killed_leave_no_session_and_memory_does_not_grow()
{
	killed_clients 10
	# shellcheck disable=SC2046
	set -- $(footprint)
	sessions=$1 applications=$2 fds=$3 memory=$4
	killed_clients 30
	# shellcheck disable=SC2046
	set -- $(footprint)
	assertEquals 'sessions' 0 "$1"
	assertEquals 'applications' "$applications" "$2"
	assertTrue "file descriptors: $fds, then $3" "[ $3 -le $((fds + 2)) ]"
	# What is freed stays with a sanitizer for a while.
	[ -n "${TOKENFS_SANITIZE:-}" ] || assertTrue "memory: $memory, then $4 KiB" "[ $4 -le $((memory + 4096)) ]"
	assertEquals 0 "$sessions"
	# Nobody is logged in any more: private objects are not seen.
	must p11 --token-label "$LABEL" --list-objects
	assertNotContains "$out" 'Private Key'
}

test_supervisor_killed_takes_the_daemon_with_it()
{
	daemon=$(tfs_pid)
	supervisor=$(ps -o ppid= -p "$daemon" | tr -d ' ')
	kill -9 "$supervisor"
	ended "$daemon" || fail 'the daemon goes on without its supervisor'
	# What it left is cleared away by the next mount.
	tfs_start
	must cat "$MNT/$LABEL/token"
}

. shunit2

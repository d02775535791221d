#!/bin/sh
# Many processes at once, fork, and what clients see when the daemon stops, dies and comes back.
. "$(dirname "$0")/lib/tokenfs.sh"

setUp()
{
	tfs_setup
	tfs_start
	tfs_token
}

test_processes_eight_at_once_for_twenty_rounds()
{
	must "$TOOLS/procs" "$MODULE" "$LABEL" "$PIN" 8 20
	must p11_user --list-objects
	assertNotContains "$out" 'proc-'
}

test_processes_eight_at_once_without_a_daemon_start_one()
{
	tfs_stop
	must "$TOOLS/procs" "$MODULE" "$LABEL" "$PIN" 8 1
	assertEquals 'a daemon and its supervisor' 2 "$(tfs_processes | wc -l)"
}

test_fork_with_and_without_initialize_in_the_child()
{
	must "$TOOLS/forker" "$MODULE" "$LABEL" "$PIN"
}

# Waits until the prober has written as many lines that begin with WORD.
prober_says() # WORD COUNT
{
	n=0
	until [ "$(grep -c "^$1" "$DIR/prober")" -ge "$2" ]; do
		n=$((n + 1))
		if [ $n -gt 200 ] || ! kill -0 "$prober" 2> /dev/null; then
			fail "the prober does not say '$1': $(cat "$DIR/prober")"
			return 1
		fi
		sleep 0.05
	done
}

prober_start()
{
	p11_generate EC:secp256r1 key 01
	"$TOOLS/prober" "$MODULE" "$LABEL" "$PIN" 60 > "$DIR/prober" 2>&1 &
	prober=$!
	prober_says ready 1
}

# An error came, within two seconds.
failed_in_time()
{
	ms=$(sed -n 's/^failed 0x[0-9a-f]* //p' "$DIR/prober" | tail -n 1)
	assertTrue "failed after ${ms:-?} ms" "[ ${ms:-9999} -le 2000 ]"
}

prober_end()
{
	kill "$prober" 2> /dev/null
	wait "$prober" 2> /dev/null || :
}

test_daemon_killed_under_a_client_is_an_error_and_autostart_brings_it_back()
{
	prober_start
	tfs_kill
	prober_says failed 1 && failed_in_time
	prober_says back 1
	prober_end
}

test_daemon_stopped_under_a_client_is_an_error_within_two_seconds()
{
	prober_start
	kill -STOP "$(tfs_pid)"
	prober_says failed 1 && failed_in_time
	prober_says back 1
	prober_end
}

test_daemon_restarted_under_a_client_is_an_error_until_initialized_again()
{
	tfs_set autostart no
	prober_start
	must "$TOKENFS" umount --lazy
	prober_says failed 1 && failed_in_time
	tfs_start
	prober_says back 1
	prober_end
}

test_processes_of_unmodified_programs_in_parallel()
{
	pids=
	for i in 1 2 3 4 5 6; do
		p11_user --keypairgen --key-type EC:secp256r1 --label "par$i" --id "0$i" > "$DIR/par$i" 2>&1 &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid" || fail "$(cat "$DIR"/par*)"
	done
	assertEquals 6 "$(ls "$MNT/$LABEL/public" | wc -l)"
}

test_threads_of_one_program_in_parallel()
{
	skip_sanitized "pkcs11-tool's own threads race for its buffers" && return
	p11_generate rsa:2048 rsa 01
	must p11 --test-threads IN --test-threads ILGISLT0 --test-threads ILGISLT0
}

. shunit2

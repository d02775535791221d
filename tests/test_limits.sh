#!/bin/sh
# What one program can take from the others: threads, connections, open files; and what it keeps after a lock.
. "$(dirname "$0")/lib/tokenfs.sh"

setUp()
{
	tfs_setup
	tfs_start
	tfs_token
}

test_busy_session_leaves_the_daemon_to_others()
{
	"$TOOLS/crowd" busy "$MODULE" "$LABEL" "$PIN" > "$DIR/crowd" 2>&1 &
	crowd=$!
	until [ -s "$DIR/crowd" ]; do
		kill -0 $crowd 2> /dev/null || break
		sleep 0.05
	done
	assertEquals crowded "$(cat "$DIR/crowd")"
	must timeout 5 cat "$MNT/$LABEL/token"
	must timeout 10 "$TOKENFS" status
	must with_module timeout 10 pkcs11-tool --module "$MODULE" --token-label "$LABEL" --login --pin "$PIN" --list-objects
	kill -9 $crowd
	wait $crowd 2> /dev/null || :
	# Its generation stops; a new one finds a thread.
	p11_generate EC:secp256r1 after 01
}

test_connections_are_bounded()
{
	run "$TOOLS/crowd" connect "$MNT" 1100
	[ "$code" = 2 ] && { skip "$out"; return; }
	assertEquals '1024: Too many open files in system' "$out"
	# They went with their process.
	must "$TOKENFS" status
}

test_open_files_are_bounded()
{
	run "$TOOLS/crowd" open "$MNT/$LABEL/token" 4200
	[ "$code" = 2 ] && { skip "$out"; return; }
	assertEquals '4096: Too many open files in system' "$out"
	must cat "$MNT/$LABEL/token"
}

test_lock_closes_private_files_that_are_open()
{
	p11_generate EC:secp256r1 key 01
	tfs_unlock
	exec 8< "$MNT/$LABEL/private/key.key/attributes" 9< "$MNT/$LABEL/public/key.pub/attributes"
	must "$TOKENFS" lock "$LABEL"
	cat <&8 > "$DIR/read" 2> "$DIR/why"
	assertContains "$(cat "$DIR/why")" 'Permission denied'
	assertEquals '' "$(cat "$DIR/read")"
	# A later unlock is another one.
	tfs_unlock
	cat <&8 > "$DIR/read" 2> "$DIR/why"
	assertContains "$(cat "$DIR/why")" 'Permission denied'
	assertContains "$(cat <&9)" CKO_PUBLIC_KEY
	exec 8<&- 9<&-
	must cat "$MNT/$LABEL/private/key.key/attributes"
}

test_tree_leaves_its_caller_in_the_audit()
{
	echo "$PIN" > "$MNT/$LABEL/login"
	run "$TOKENFS" audit
	assertContains "$out" unlock
	assertContains "$out" "uid $(id -u) pid"
	assertContains "$out" tree
}

. shunit2

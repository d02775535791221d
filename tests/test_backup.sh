#!/bin/sh
# Copies by plain rsync of a vault in use: each is whole, and holds everything acknowledged before it began. Two
# machines; old copies over newer vaults.
# Needs: BACKUP_COPIES (default 20)
. "$(dirname "$0")/lib/tokenfs.sh"

setUp()
{
	tfs_setup
	# The writers leave a thousand retired files a second; a copy takes about a second, so 20 s are grace enough.
	echo 'retire_grace = 20s' >> "$DIR/main/conf"
	tfs_start
	tfs_token
}

acknowledged() # N
{
	cat "$DIR/ledger.$1" 2> /dev/null | grep -c '^ok'
}

writers() # SECONDS: two of them; their ledgers are $DIR/ledger.N
{
	writers=
	for n in 1 2; do
		"$TOOLS/writer" "$MODULE" "$LABEL" "$PIN" "w$n-" "$DIR/ledger.$n" "$1" > "$DIR/writer.$n" 2>&1 &
		writers="$writers $!"
	done
	for n in 1 2; do
		until [ "$(acknowledged "$n")" -gt 5 ] || [ -s "$DIR/writer.$n" ]; do
			sleep 0.05
		done
		assertEquals "writer $n says" '' "$(cat "$DIR/writer.$n")"
	done
}

writers_end()
{
	# shellcheck disable=SC2086
	kill $writers 2> /dev/null
	wait
}

# The copy is opened on another machine, with the key file, without any state.
copy_holds() # NAME LEDGER...
{
	machine=$1
	shift
	must "$TOKENFS" --config "$DIR/$machine/conf" --quiet check
	tfs_use "$machine"
	must "$TOKENFS" mount
	assertContains "$machine" "$(cat "$MNT/$LABEL/token")" 'state = ok'
	must "$TOOLS/verifier" "$MODULE" "$LABEL" "$PIN" "$@"
	tfs_stop
	tfs_use main
}

test_backup_under_load_is_whole_every_time()
{
	writers $((${BACKUP_COPIES:-20} * 30))
	n=0
	while [ $n -lt "${BACKUP_COPIES:-20}" ]; do
		n=$((n + 1))
		tfs_conf copy
		cp "$DIR/main/vault.key" "$DIR/copy/vault.key"
		from1=$(stat -c %s "$DIR/ledger.1") from2=$(stat -c %s "$DIR/ledger.2")
		# Exit code 24, files vanished meanwhile, is rsync's way to say that the vault is in use.
		run rsync -a "$VAULT/" "$DIR/copy/vault/"
		assertTrue "rsync: $out" "[ $code = 0 ] || [ $code = 24 ]"
		cp "$DIR/ledger.1" "$DIR/after.1"
		cp "$DIR/ledger.2" "$DIR/after.2"
		copy_holds copy "$DIR/after.1:$from1" "$DIR/after.2:$from2" || echo "copy $n: $out"
		rm -rf "$DIR/copy"
	done
	# shellcheck disable=SC2086
	kill -0 $writers || fail "a writer ended early: $(cat "$DIR"/writer.*)"
	writers_end
	assertTrue 'there was load' "[ $(acknowledged 1) -gt 100 ]"
	# The original, too, is what its writers were told.
	must "$TOOLS/verifier" "$MODULE" "$LABEL" "$PIN" "$DIR/ledger.1" "$DIR/ledger.2"
}

test_backup_with_rsync_over_an_older_copy_is_whole()
{
	writers 120
	tfs_conf copy
	cp "$DIR/main/vault.key" "$DIR/copy/vault.key"
	for n in 1 2 3 4 5; do
		from1=$(stat -c %s "$DIR/ledger.1") from2=$(stat -c %s "$DIR/ledger.2")
		run rsync -a --delete "$VAULT/" "$DIR/copy/vault/"
		cp "$DIR/ledger.1" "$DIR/after.1"
		cp "$DIR/ledger.2" "$DIR/after.2"
		rm -rf "$DIR/copy/state"
		copy_holds copy "$DIR/after.1:$from1" "$DIR/after.2:$from2"
	done
	writers_end
}

test_two_machines_the_second_goes_on_where_the_copy_ends()
{
	p11_generate EC:secp256r1 first 01
	public=$(cat "$MNT/$LABEL/public/first.pub/public.pem")
	tfs_stop
	tfs_conf other
	cp "$DIR/main/vault.key" "$DIR/other/vault.key"
	must rsync -a "$VAULT/" "$DIR/other/vault/"
	tfs_use other
	tfs_start
	assertEquals "$public" "$(cat "$MNT/$LABEL/public/first.pub/public.pem")"
	p11_sign first 01 ECDSA-SHA256
	openssl_verify first
	p11_generate EC:secp256r1 second 02
	must "$TOKENFS" check --pin "pass:$PIN"
	# And back again: the first machine sees a newer vault.
	tfs_stop
	must rsync -a --delete "$DIR/other/vault/" "$DIR/main/vault/"
	tfs_use main
	tfs_start
	assertContains "$(cat "$MNT/$LABEL/token")" 'state = ok'
	p11_sign second 02 ECDSA-SHA256
	openssl_verify second
}

test_old_backup_over_newer_vault_is_read_only_until_accepted()
{
	p11_generate EC:secp256r1 old 01
	must rsync -a "$VAULT/" "$DIR/backup/"
	p11_generate EC:secp256r1 new 02
	tfs_stop
	must rsync -a --delete "$DIR/backup/" "$VAULT/"
	exits 6 "$TOKENFS" check
	tfs_start
	assertContains "$(cat "$MNT/$LABEL/token")" 'access = read-only'
	must p11 --list-token-slots
	assertContains "$out" 'readonly'
	# What it holds is usable, and cannot be changed.
	p11_sign old 01 ECDSA-SHA256
	openssl_verify old
	run p11_user --keypairgen --key-type EC:secp256r1 --label x --id 03
	assertNotEquals "$out" 0 "$code"
	exits 4 "$TOKENFS" restore-accept "$LABEL" --pin pass:wrong-pin
	must "$TOKENFS" restore-accept "$LABEL" --pin "pass:$PIN"
	assertContains "$(cat "$MNT/$LABEL/token")" 'state = ok'
	p11_generate EC:secp256r1 x 03
	tfs_stop
	must "$TOKENFS" check --pin "pass:$PIN"
}

test_restore_under_a_running_daemon_is_noticed()
{
	p11_generate EC:secp256r1 old 01
	must rsync -a "$VAULT/" "$DIR/backup/"
	p11_generate EC:secp256r1 new 02
	must rsync -a --delete "$DIR/backup/" "$VAULT/"
	must "$TOKENFS" reload
	assertContains "$(cat "$MNT/$LABEL/token")" 'access = read-only'
	assertEquals 'old.pub' "$(ls "$MNT/$LABEL/public")"
}

test_state_that_is_lost_is_rebuilt()
{
	p11_generate EC:secp256r1 key 01
	tfs_stop
	rm -rf "$STATE"
	tfs_start
	p11_sign key 01 ECDSA-SHA256
	openssl_verify key
	tfs_stop
	# Rubbish in place of the index is thrown away as well.
	head -c 8192 /dev/urandom > "$STATE/index.db"
	rm -f "$STATE"/index.db-*
	tfs_start
	p11_sign key 01 ECDSA-SHA256
	openssl_verify key
}

. shunit2

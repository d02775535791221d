#!/bin/sh
# PINs: what is counted, what outlives a restart, a crash and a restored backup; unlock and login without a PIN.
. "$(dirname "$0")/lib/tokenfs.sh"

setUp()
{
	tfs_setup
	tfs_set pin_tries 4
	tfs_start
	tfs_token
}

wrong_pin()
{
	refused "${1:-CKR_PIN_INCORRECT}" p11 --token-label "$LABEL" --login --pin wrong-pin --list-objects
}

tries_left() # user or so
{
	sed -n "s/^$1-pin-tries-left = \([0-9]*\) of .*/\1/p" "$MNT/$LABEL/token"
}

flags()
{
	must p11 --list-slots
	echo "$out" | sed -n 's/.*token flags *: //p'
}

test_pin_wrong_tries_count_and_a_right_one_clears()
{
	wrong_pin
	wrong_pin
	assertEquals 2 "$(tries_left user)"
	assertContains "$(flags)" 'user PIN count low'
	must p11_user --list-objects
	assertEquals 4 "$(tries_left user)"
	assertNotContains "$(flags)" 'user PIN count low'
}

test_pin_locks_after_the_configured_tries_and_the_so_unblocks()
{
	p11_generate EC:secp256r1 kept 01
	for i in 1 2 3; do wrong_pin; done
	assertContains "$(flags)" 'final user PIN try'
	wrong_pin CKR_PIN
	assertContains "$(flags)" 'user PIN locked'
	# The right PIN does not help any more.
	refused CKR_PIN_LOCKED p11_user --list-objects
	exits 5 "$TOKENFS" unlock "$LABEL" --pin "pass:$PIN"
	PIN=$(tfs_marker pin)
	must p11 --token-label "$LABEL" --login --login-type so --so-pin "$SO_PIN" --init-pin --new-pin "$PIN"
	must p11_user --list-objects
	assertContains 'the objects stay' "$out" 'label:      kept'
	assertEquals 4 "$(tries_left user)"
}

test_pin_lock_outlives_a_restart()
{
	wrong_pin
	wrong_pin
	tfs_stop
	tfs_start
	assertEquals 2 "$(tries_left user)"
	wrong_pin
	wrong_pin CKR_PIN
	tfs_stop
	tfs_start
	refused CKR_PIN_LOCKED p11_user --list-objects
}

# The try is written down before the slow part begins: killing the daemon gives no free tries.
test_pin_try_counts_when_the_daemon_is_killed_meanwhile()
{
	tfs_set autostart no
	for left in 3 2 1 0; do
		p11 --token-label "$LABEL" --login --pin wrong-pin --list-objects > /dev/null 2>&1 &
		client=$!
		n=0
		while [ "$(tries_left user)" != "$left" ] && [ $n -lt 200 ]; do
			n=$((n + 1))
		done
		tfs_kill
		wait $client
		tfs_start
		assertEquals "$left" "$(tries_left user)"
	done
	refused CKR_PIN_LOCKED p11_user --list-objects
}

test_pin_lock_outlives_a_restored_backup()
{
	must rsync -a "$VAULT/" "$DIR/backup/"
	for i in 1 2 3 4; do wrong_pin CKR_PIN; done
	tfs_stop
	rm -rf "$VAULT"
	must rsync -a "$DIR/backup/" "$VAULT/"
	tfs_start
	refused CKR_PIN_LOCKED p11_user --list-objects
}

test_so_pin_wrong_tries_lock_it()
{
	for i in 1 2; do
		refused CKR_PIN p11 --token-label "$LABEL" --login --login-type so --so-pin wrong-so --init-pin \
			--new-pin 123456
	done
	assertEquals 0 "$(tries_left so)"
	refused CKR_PIN_LOCKED p11 --token-label "$LABEL" --login --login-type so --so-pin "$SO_PIN" --init-pin \
		--new-pin 123456
	tfs_stop
	tfs_start
	assertContains "$(flags)" 'SO PIN locked'
	# The user is not concerned.
	must p11_user --list-objects
}

test_pin_change_lets_the_new_one_in_only()
{
	old=$PIN
	PIN=$(tfs_marker pin)
	must p11 --token-label "$LABEL" --login --pin "$old" --change-pin --new-pin "$PIN"
	refused CKR_PIN_INCORRECT p11 --token-label "$LABEL" --login --pin "$old" --list-objects
	must p11_user --list-objects
	tfs_stop
	tfs_start
	must p11_user --list-objects
}

test_pin_lengths_out_of_range_are_refused()
{
	refused CKR_PIN_LEN_RANGE p11 --token-label "$LABEL" --login --pin "$PIN" --change-pin --new-pin 123
	long=$(head -c 256 /dev/zero | tr '\0' x)
	refused CKR_PIN_LEN_RANGE p11 --token-label "$LABEL" --login --pin "$PIN" --change-pin --new-pin "$long"
	must p11_user --list-objects
}

test_unlock_lets_applications_log_in_without_a_pin()
{
	p11_generate EC:secp256r1 key 01
	tfs_unlock
	assertContains "$(flags)" 'PIN pad present'
	must p11 --token-label "$LABEL" --login --list-objects
	assertContains "$out" 'Private Key Object'
	must "$TOKENFS" lock "$LABEL"
	assertNotContains "$(flags)" 'PIN pad present'
	run p11 --token-label "$LABEL" --login --list-objects
	assertNotContains "$out" 'Private Key Object'
}

test_unlock_ends_after_its_time()
{
	must "$TOKENFS" unlock "$LABEL" --pin "pass:$PIN" --timeout 3s
	must ls "$MNT/$LABEL/private"
	n=0
	while ls "$MNT/$LABEL/private" > /dev/null 2>&1 && [ $n -lt 50 ]; do
		sleep 0.1
		n=$((n + 1))
	done
	refused 'Permission denied' ls "$MNT/$LABEL/private"
}

test_unlock_with_a_wrong_pin_counts()
{
	exits 4 "$TOKENFS" unlock "$LABEL" --pin pass:wrong-pin
	assertEquals 3 "$(tries_left user)"
	refused 'Permission denied' ls "$MNT/$LABEL/private"
}

test_unlock_ends_with_the_mount()
{
	tfs_unlock
	tfs_stop
	tfs_start
	refused 'Permission denied' ls "$MNT/$LABEL/private"
}

# Without the key file a stolen backup gives nothing to try PINs on: the right one fails like a wrong one.
test_backup_without_the_key_file_opens_with_no_pin()
{
	p11_generate EC:secp256r1 key 01
	tfs_conf thief
	must rsync -a "$VAULT/" "$DIR/thief/vault/"
	head -c 32 /dev/urandom > "$DIR/thief/vault.key"
	chmod 600 "$DIR/thief/vault.key"
	run "$TOKENFS" --config "$DIR/thief/conf" check --pin "pass:$PIN"
	assertNotEquals "$out" 0 "$code"
	rm "$DIR/thief/vault.key"
	run "$TOKENFS" --config "$DIR/thief/conf" mount
	assertNotEquals "$out" 0 "$code"
}

. shunit2

#!/bin/sh
# The mounted tree, reading side: ls, cat, find, grep, diff, tar, rsync and cp give the bytes they should;
# private/ is closed until unlocked; rm -r destroys.
. "$(dirname "$0")/lib/tokenfs.sh"

setUp()
{
	tfs_setup
	tfs_start
	tfs_token
	T=$MNT/$LABEL
}

three_keys()
{
	p11_generate rsa:2048 rsa 01
	p11_generate EC:secp256r1 ec 02
	p11_generate EC:secp384r1 third 03
}

# Every file has exactly the size that ls shows.
sizes_are_exact() # DIRECTORY
{
	find "$1" -type f -size +0 ! -path '*/.p11/*' > "$DIR/files"
	assertTrue 'there are files' "[ -s '$DIR/files' ]"
	while read -r file; do
		size=$(stat -c %s "$file")
		bytes=$(cat "$file" | wc -c)
		[ "$size" = "$bytes" ] || fail "$file: stat says $size bytes, cat gives $bytes"
	done < "$DIR/files"
}

test_listing_shows_token_and_objects()
{
	three_keys
	assertEquals "$LABEL" "$(ls "$MNT")"
	assertEquals 'ec.pub rsa.pub third.pub' "$(ls "$T/public" | tr '\n' ' ' | sed 's/ $//')"
	for file in token mechanisms login last-error public private; do
		assertTrue "$file" "[ -e '$T/$file' ]"
	done
	assertContains "$(cat "$T/token")" "label = \"$LABEL\""
	assertContains "$(cat "$T/mechanisms")" 'CKM_ECDSA'
	assertTrue 'find finds' "[ $(find "$MNT" -name public.pem 2> /dev/null | wc -l) = 3 ]"
}

test_sizes_are_exact_for_every_file()
{
	three_keys
	tfs_unlock
	sizes_are_exact "$MNT"
}

test_public_key_formats_hold_the_same_key()
{
	three_keys
	for name in rsa ec third; do
		key=$T/public/$name.pub
		must openssl pkey -pubin -in "$key/public.pem" -outform DER -out "$DIR/$name.der"
		assertTrue "$name: pem and der differ" "cmp '$DIR/$name.der' '$key/public.der'"
		must ssh-keygen -e -m PKCS8 -f "$key/public.ssh"
		assertEquals "$name.ssh" "$(openssl pkey -pubin -in "$key/public.pem")" \
			"$(openssl pkey -pubin -in "$DIR/out")"
		assertContains "$(cat "$key/public.jwk")" '"kty"'
	done
}

test_grep_finds_by_label_and_attribute()
{
	three_keys
	found=$(grep -rl 'CKA_LABEL = "ec"' "$T/public")
	assertEquals "$T/public/ec.pub/attributes" "$found"
	assertEquals rsa "$(cat "$T/public/rsa.pub/attr/CKA_LABEL")"
	assertEquals ' 01' "$(od -An -tx1 "$T/public/rsa.pub/attr/CKA_ID")"
}

# Five ways of copying, one content.
test_copies_by_every_tool_are_equal()
{
	three_keys
	tfs_unlock
	must cp -a "$T/public" "$DIR/cp"
	must rsync -a "$T/public/" "$DIR/rsync"
	must tar -cf "$DIR/copy.tar" -C "$T" public
	mkdir "$DIR/tar"
	must tar -xf "$DIR/copy.tar" -C "$DIR/tar"
	must python3 -c 'import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2])' "$T/public" "$DIR/python"
	for copy in cp rsync tar/public python; do
		must diff -r "$T/public" "$DIR/$copy"
		assertEquals "$(find "$T/public" -type f | wc -l)" "$(find "$DIR/$copy" -type f | wc -l)"
	done
	assertEquals "$(wc -c < "$T/public/rsa.pub/public.der")" "$(wc -c < "$DIR/cp/rsa.pub/public.der")"
	must cp -a "$T/private" "$DIR/private"
	must diff -r "$T/private" "$DIR/private"
}

test_private_is_closed_until_unlocked()
{
	three_keys
	refused 'Permission denied' ls "$T/private"
	refused 'Permission denied' cat "$T/private/ec.key/attributes"
	tfs_unlock
	assertEquals 'ec.key rsa.key third.key' "$(ls "$T/private" | tr '\n' ' ' | sed 's/ $//')"
	must cat "$T/private/ec.key/attributes"
	must "$TOKENFS" lock "$LABEL"
	refused 'Permission denied' ls "$T/private"
	# What was cached of the directory is gone as well.
	refused 'Permission denied' cat "$T/private/ec.key/attributes"
}

test_private_never_shows_the_secret_half()
{
	three_keys
	tfs_unlock
	assertFalse 'a private.pem' "[ -e '$T/private/rsa.key/private.pem' ]"
	assertFalse 'a value' "[ -e '$T/private/ec.key/value' ]"
	for name in CKA_VALUE CKA_PRIVATE_EXPONENT CKA_PRIME_1; do
		assertEquals '' "$(find "$T/private" -name "$name")"
	done
	assertContains "$(cat "$T/private/rsa.key/attributes")" 'CKA_PRIVATE_EXPONENT = <sensitive>'
}

test_login_file_unlocks_and_locks()
{
	p11_generate EC:secp256r1 ec 02
	assertContains "$(cat "$T/login")" 'locked'
	echo "$PIN" > "$T/login" || fail 'echo PIN > login'
	assertContains "$(cat "$T/login")" 'unlocked'
	must ls "$T/private/ec.key"
	echo lock > "$T/login" || fail 'echo lock > login'
	refused 'Permission denied' ls "$T/private"
}

test_login_file_with_a_wrong_pin_is_refused_and_counted()
{
	run sh -c "echo wrong-pin > '$T/login'"
	assertNotEquals 0 "$code"
	assertContains "$(cat "$T/token")" 'user-pin-tries-left = 9 of 10'
	assertTrue 'last-error says why' "[ -s '$T/last-error' ]"
	assertNotContains "$(cat "$T/last-error")" wrong-pin
	refused 'Permission denied' ls "$T/private"
}

test_rm_of_a_directory_destroys_the_object()
{
	three_keys
	tfs_unlock
	must rm -r "$T/public/rsa.pub" "$T/private/rsa.key"
	must p11_user --list-objects
	assertNotContains "$out" 'label:      rsa'
	assertContains "$out" 'label:      ec'
	tfs_stop
	tfs_start
	assertEquals 'ec.pub third.pub' "$(ls "$T/public" | tr '\n' ' ' | sed 's/ $//')"
}

test_rm_of_a_public_object_without_login_is_refused()
{
	three_keys
	run rm -r "$T/public/rsa.pub"
	assertNotEquals "$out" 0 "$code"
	assertTrue 'it is still there' "[ -s '$T/public/rsa.pub/public.pem' ]"
}

test_what_cannot_be_written_says_so()
{
	three_keys
	refused 'denied' sh -c "echo x > '$T/token'"
	refused '' mkdir "$MNT/new"
	refused '' touch "$T/file"
	refused '' mv "$T/token" "$T/other"
	refused '' ln -s /etc/passwd "$T/public/link"
	sizes_are_exact "$T/public"
}

test_p11_lists_no_connection()
{
	p11_generate EC:secp256r1 ec 02
	p11 --token-label "$LABEL" --test-hotplug > /dev/null 2>&1 &
	assertEquals '' "$(ls "$MNT/.p11/conn")"
	wait
}

test_labels_that_are_no_file_names_are_escaped()
{
	p11_generate EC:secp256r1 '../../etc/passwd' 01
	p11_generate EC:secp256r1 '.' 02
	p11_generate EC:secp256r1 'ümlaut ~ 100%' 03
	assertEquals 3 "$(find "$T/public" -mindepth 1 -maxdepth 1 | wc -l)"
	assertEquals 3 "$(find "$T/public" -name public.pem | wc -l)"
	assertEquals '../../etc/passwd' "$(cat "$(grep -rl 'etc/passwd' "$T/public" | head -n 1 | xargs -d '\n' dirname |
		xargs -d '\n' dirname)"/attr/CKA_LABEL 2> /dev/null || cat "$T"/public/*etc*/attr/CKA_LABEL)"
}

test_new_objects_appear_without_delay()
{
	for i in 1 2 3 4 5; do
		p11_generate EC:secp256r1 "key$i" "0$i"
		assertTrue "key$i" "[ -s '$T/public/key$i.pub/public.pem' ]"
	done
}

test_another_user_cannot_enter()
{
	p11_generate EC:secp256r1 ec 02
	if ! is_root; then
		skip 'needs root to become another user'
		return
	fi
	chmod 755 "$DIR" "$DIR/main" "$TMPDIR"
	for path in "$MNT" "$T" "$T/public" "$T/public/ec.pub/public.pem" "$MNT/.p11"; do
		refused 'Permission denied' setpriv --reuid=65534 --regid=65534 --clear-groups ls "$path"
	done
	chmod 700 "$DIR" "$DIR/main"
}

. shunit2

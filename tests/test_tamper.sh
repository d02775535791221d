#!/bin/sh
# Tampering with a vault: every damage is an error that names the file, never a wrong answer, never a crash.
. "$(dirname "$0")/lib/tokenfs.sh"

setUp()
{
	tfs_setup
	tfs_start
	tfs_token
	p11_generate EC:secp256r1 key 01
	TOKEN_DIR=$(dirname "$(find "$VAULT" -name 0-head)")
	SERIAL=$(basename "$TOKEN_DIR")
}

objects()
{
	find "$TOKEN_DIR/objects" -type f | sort
}

# FILE: `check` finds the damage and names the file; then the vault is as it was.
damage_is_named()
{
	exits 6 "$TOKENFS" check --pin "pass:$PIN"
	assertContains "$1" "$out" "$1"
}

private_key_file()
{
	for file in $(objects); do
		# The flag at offset 12 tells private objects.
		[ "$(od -An -j12 -N1 -tu1 "$file" | tr -d ' ')" = 1 ] && echo "$file"
	done | head -n 1
}

flip() # FILE OFFSET: one bit
{
	byte=$(od -An -j"$2" -N1 -tu1 "$1" | tr -d ' ')
	# shellcheck disable=SC2059
	printf "\\$(printf %o $((byte ^ 16)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

test_every_bit_flip_is_found_and_named()
{
	tfs_stop
	must "$TOOLS/tamper" "$VAULT" "$DIR/main/vault.key" "$SERIAL/0-head" flip
	must "$TOOLS/tamper" "$VAULT" "$DIR/main/vault.key" "$SERIAL/1-log/00000001" flip
	for file in $(objects); do
		must "$TOOLS/tamper" "$VAULT" "$DIR/main/vault.key" "${file#"$VAULT/"}" flip
	done
	must "$TOKENFS" check --pin "pass:$PIN"
}

test_every_truncation_is_found_and_named()
{
	tfs_stop
	must "$TOOLS/tamper" "$VAULT" "$DIR/main/vault.key" "$SERIAL/0-head" cut
	must "$TOOLS/tamper" "$VAULT" "$DIR/main/vault.key" "$SERIAL/1-log/00000001" cut
	for file in $(objects); do
		must "$TOOLS/tamper" "$VAULT" "$DIR/main/vault.key" "${file#"$VAULT/"}" cut
	done
	must "$TOKENFS" check --pin "pass:$PIN"
}

# With this machine's state even a log that was cut between two records is found.
test_log_cut_between_records_is_found_by_the_state()
{
	before=$(stat -c %s "$TOKEN_DIR/1-log/00000001")
	p11_generate EC:secp256r1 more 02
	tfs_stop
	truncate -s "$before" "$TOKEN_DIR/1-log/00000001"
	exits 6 "$TOKENFS" check
	tfs_start
	assertContains "$(cat "$MNT/$LABEL/token")" 'access = read-only'
}

test_objects_swapped_renamed_or_missing_are_found()
{
	tfs_stop
	# shellcheck disable=SC2046
	set -- $(objects)
	cp "$1" "$DIR/one"
	cp "$2" "$DIR/two"
	cp "$DIR/two" "$1"
	damage_is_named "$(basename "$1")"
	cp "$DIR/one" "$2"
	damage_is_named "$(basename "$2")"
	cp "$DIR/one" "$1"
	rm "$2"
	damage_is_named "$(basename "$2")"
	mv "$1" "$2"
	damage_is_named "$(basename "$1")"
}

test_object_of_another_token_does_not_open()
{
	LABEL=other SO_PIN=$SO_PIN
	tfs_token
	p11_generate EC:secp256r1 key 01
	tfs_stop
	other=$(find "$VAULT" -name 0-head | grep -v "$SERIAL" | xargs dirname)
	for half in $(objects); do
		theirs=$(find "$other/objects" -type f | head -n 1)
		cp "$half" "$DIR/saved"
		cp "$theirs" "$half"
		damage_is_named "$(basename "$half")"
		cp "$DIR/saved" "$half"
	done
	must "$TOKENFS" check --pin "pass:$PIN"
	cp "$other/0-head" "$TOKEN_DIR/0-head"
	damage_is_named 0-head
}

test_header_of_before_a_pin_change_is_found()
{
	cp "$TOKEN_DIR/0-head" "$DIR/old-head"
	must p11 --token-label "$LABEL" --login --pin "$PIN" --change-pin --new-pin 876543
	tfs_stop
	cp "$DIR/old-head" "$TOKEN_DIR/0-head"
	exits 6 "$TOKENFS" check
	tfs_start
	assertContains "$(cat "$MNT/$LABEL/token")" 'access = read-only'
}

# The daemon answers with an error, goes on, and does not sign with a damaged key.
test_damaged_key_gives_an_error_and_the_daemon_goes_on()
{
	p11_generate EC:secp256r1 whole 02
	tfs_stop
	file=$(private_key_file)
	for offset in 20 60 100 200 300; do
		cp -p "$file" "$DIR/saved"
		flip "$file" $offset
		tfs_start
		head -c 32 /dev/urandom > "$DIR/hash"
		signed=0
		for id in 01 02; do
			rm -f "$DIR/sig"
			run p11_user --sign --id $id --mechanism ECDSA --input-file "$DIR/hash" --output-file "$DIR/sig"
			[ "$code" != 0 ] || signed=$((signed + 1))
		done
		assertTrue "a damaged key signed at offset $offset" "[ $signed -le 1 ]"
		must cat "$MNT/$LABEL/token"
		tfs_stop
		cp -p "$DIR/saved" "$file"
	done
	must "$TOKENFS" check --pin "pass:$PIN"
	tfs_start
	p11_sign key 01 ECDSA-SHA256
	openssl_verify key
}

test_damaged_header_does_not_keep_other_tokens_away()
{
	LABEL=other
	tfs_token
	tfs_stop
	flip "$TOKEN_DIR/0-head" 100
	tfs_start
	must p11_user --list-objects
	must "$TOKENFS" token list
	refused '0-head' "$TOKENFS" check
}

test_loose_modes_are_refused_with_the_chmod_that_mends_them()
{
	tfs_stop
	chmod 755 "$VAULT"
	refused "chmod" "$TOKENFS" mount
	chmod 700 "$VAULT"
	chmod 644 "$DIR/main/vault.key"
	refused "chmod" "$TOKENFS" mount
	chmod 600 "$DIR/main/vault.key"
	chmod 666 "$TOKENFS_CONF"
	refused "chmod" "$TOKENFS" mount
	chmod 600 "$TOKENFS_CONF"
	tfs_start
}

test_links_in_the_vault_are_not_followed()
{
	tfs_stop
	file=$(private_key_file)
	mv "$file" "$DIR/outside"
	ln -s "$DIR/outside" "$file"
	exits 6 "$TOKENFS" check
	rm "$file"
	ln "$DIR/outside" "$file"
	exits 6 "$TOKENFS" check
	assertContains "$out" "$(basename "$file")"
}

. shunit2

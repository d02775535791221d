#!/bin/sh
# RSA of 1024 bits: made on tokens with the compat policy and with `legacy = yes`, and C_GetMechanismInfo says which; a key that
# there is already comes in and signs on any token.
. "$(dirname "$0")/lib/tokenfs.sh"

# LABEL: the sizes that are told for new RSA pairs.
sizes_of()
{
	p11_of "$1" --list-mechanisms | sed -n 's/^ *RSA-PKCS-KEY-PAIR-GEN, keySize={\([0-9]*,[0-9]*\)}.*/\1/p'
}

p11_of() # LABEL ARGUMENT...
{
	label=$1
	shift
	with_module pkcs11-tool --module "$MODULE" --token-label "$label" --login --pin "$PIN" "$@"
}

compat()
{
	must "$TOKENFS" token policy "$1" compat --so-pin "pass:$SO_PIN"
}

test_each_token_tells_and_keeps_its_own_sizes()
{
	tfs_start
	tfs_token
	must "$TOKENFS" token init --label loose --so-pin "pass:$SO_PIN" --pin "pass:$PIN"
	compat loose
	assertEquals '2048,16384' "$(sizes_of "$LABEL")"
	assertEquals '1024,16384' "$(sizes_of loose)"
	assertContains "$(cat "$MNT/$LABEL/mechanisms")" 'CKM_RSA_PKCS_KEY_PAIR_GEN 2048-16384'
	assertContains "$(cat "$MNT/loose/mechanisms")" 'CKM_RSA_PKCS_KEY_PAIR_GEN 1024-16384'
	run p11_of "$LABEL" --keypairgen --key-type rsa:1024 --label short --id 01
	assertContains "$out" CKR_ATTRIBUTE_VALUE_INVALID
	must p11_of loose --keypairgen --key-type rsa:1024 --label short --id 01
	must p11_of "$LABEL" --keypairgen --key-type rsa:2048 --label long --id 02
}

test_legacy_lowers_the_size_on_every_token()
{
	tfs_set legacy yes
	tfs_start
	tfs_token
	assertEquals '1024,16384' "$(sizes_of "$LABEL")"
	must p11_of "$LABEL" --keypairgen --key-type rsa:1024 --label short --id 01
}

test_policy_changes_the_size_at_once()
{
	tfs_start
	tfs_token
	compat "$LABEL"
	assertEquals '1024,16384' "$(sizes_of "$LABEL")"
	must p11_of "$LABEL" --keypairgen --key-type rsa:1024 --label short --id 01
	must "$TOKENFS" token policy "$LABEL" strict --so-pin "pass:$SO_PIN"
	assertEquals '2048,16384' "$(sizes_of "$LABEL")"
	echo text > "$DIR/text"
	must p11_of "$LABEL" --sign --mechanism SHA256-RSA-PKCS --id 01 -i "$DIR/text" -o "$DIR/sig"
}

test_a_short_key_that_there_is_comes_in_and_signs()
{
	tfs_start
	tfs_token
	must openssl genrsa -out "$DIR/key.pem" 1024
	openssl pkcs8 -topk8 -nocrypt -in "$DIR/key.pem" -outform DER -out "$DIR/key.der"
	openssl pkey -in "$DIR/key.pem" -pubout -out "$DIR/pub.pem"
	must p11_of "$LABEL" --write-object "$DIR/key.der" --type privkey --label old --id 03 --usage-sign
	echo text > "$DIR/text"
	must p11_of "$LABEL" --sign --mechanism SHA256-RSA-PKCS --id 03 -i "$DIR/text" -o "$DIR/sig"
	must openssl dgst -sha256 -verify "$DIR/pub.pem" -signature "$DIR/sig" "$DIR/text"
}

. shunit2

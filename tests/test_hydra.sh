#!/bin/sh
# What Ory Hydra's guide does, with the unmodified pkcs11-tool: a token on an empty vault, key pairs, and what Hydra
# reads back of them. Plain OpenSSL verifies.
. "$(dirname "$0")/lib/tokenfs.sh"

# As in the guide: everything by slot 0, then by label; no PIN but these.
hydra_token()
{
	must p11 --slot 0 --init-token --so-pin 0000 --init-pin --pin 1234 --label hydra
	SO_PIN=0000 PIN=1234
}

test_init_token_on_an_empty_vault_as_in_the_guide()
{
	tfs_start
	hydra_token
	must p11 --list-token-slots
	assertContains "$out" 'token label        : hydra'
	assertContains "$out" 'PIN initialized'
	assertContains "$(cat "$MNT/hydra/token")" 'slot = 0'
}

test_init_token_without_vault_or_daemon_makes_both()
{
	hydra_token
	assertTrue 'there is a vault' "[ -e '$VAULT/VAULT' ]"
	assertTrue 'the key file is closed' "[ $(stat -c %a "$DIR/main/vault.key") = 600 ]"
	must p11 --token-label hydra --login --pin 1234 --keypairgen --key-type EC:secp256r1 --label k --id 01
	assertTrue 'the tree is mounted' "[ -s '$MNT/hydra/public/k.pub/public.pem' ]"
}

# Hydra's labels have dots, its ids are text as bytes.
test_key_pairs_sign_and_plain_openssl_verifies()
{
	tfs_start
	hydra_token
	n=0
	for type in rsa:4096 EC:secp256r1 EC:secp521r1; do
		n=$((n + 1))
		must p11 --token-label hydra --login --pin 1234 --keypairgen --key-type "$type" \
			--label "hydra.openid.id-token-$n" --id "3861336232353339653$n"
	done
	p11_sign hydra.openid.id-token-1 38613362323533396531 SHA256-RSA-PKCS
	openssl_verify hydra.openid.id-token-1 sha256
	p11_sign hydra.openid.id-token-1 38613362323533396531 SHA256-RSA-PKCS-PSS
	openssl_verify hydra.openid.id-token-1 sha256 -sigopt rsa_padding_mode:pss
	p11_sign hydra.openid.id-token-2 38613362323533396532 ECDSA-SHA256
	openssl_verify hydra.openid.id-token-2 sha256
	p11_sign hydra.openid.id-token-3 38613362323533396533 ECDSA-SHA512
	openssl_verify hydra.openid.id-token-3 sha512
	# A signature over other data does not verify: the checks above can fail.
	echo more >> "$DIR/data"
	run openssl dgst -sha512 -verify "$MNT/hydra/public/hydra.openid.id-token-3.pub/public.pem" \
		-signature "$DIR/hydra.openid.id-token-3.sig" "$DIR/data"
	assertNotEquals 0 "$code"
}

test_key_types_are_those_asked_for()
{
	tfs_start
	hydra_token
	p11_generate rsa:4096 a 01
	p11_generate EC:secp256r1 b 02
	p11_generate EC:secp521r1 c 03
	for want in 'a:Public-Key: (4096 bit)' 'b:ASN1 OID: prime256v1' 'c:ASN1 OID: secp521r1'; do
		must openssl pkey -pubin -noout -text -in "$MNT/hydra/public/${want%%:*}.pub/public.pem"
		assertContains "$want" "$out" "${want#*:}"
	done
}

test_label_and_id_are_read_back_exactly_and_halves_agree()
{
	skip_sanitized 'pkcs11-tool 0.23 reads freed memory when it writes an EC public key' && return
	tfs_start
	hydra_token
	long=$(od -An -N40 -tx1 /dev/urandom | tr -d ' \n')
	p11_generate EC:secp256r1 'a label with blanks' "$long"
	must p11_user --list-objects
	assertEquals 'both halves have the label' 2 "$(grep -c 'label: *a label with blanks$' "$DIR/out")"
	assertEquals 'both halves have the id' 2 "$(grep -ci "ID: *$long\$" "$DIR/out")"
	must p11_user --read-object --type pubkey --id "$long" --output-file "$DIR/public.der"
	must openssl pkey -pubin -inform DER -in "$DIR/public.der" -out "$DIR/public.pem"
	assertEquals "$(cat "$DIR/public.pem")" "$(cat "$MNT/hydra/public/a label with blanks.pub/public.pem")"
}

test_several_keys_under_one_label_are_told_apart_by_id()
{
	tfs_start
	hydra_token
	for id in 01 02 03; do
		p11_generate EC:secp256r1 same "$id"
	done
	assertEquals 3 "$(ls "$MNT/hydra/public" | wc -l)"
	echo data > "$DIR/data"
	openssl dgst -sha256 -binary -out "$DIR/hash" "$DIR/data"
	must p11_user --sign --id 02 --mechanism ECDSA --signature-format openssl --input-file "$DIR/hash" \
		--output-file "$DIR/sig"
	verified=0
	for key in "$MNT"/hydra/public/*; do
		run openssl dgst -sha256 -verify "$key/public.pem" -signature "$DIR/sig" "$DIR/data"
		[ "$code" != 0 ] || verified=$((verified + 1))
	done
	assertEquals 'exactly one key verifies' 1 "$verified"
}

test_keys_survive_a_restart_of_the_daemon()
{
	tfs_start
	hydra_token
	p11_generate EC:secp256r1 key 01
	before=$(cat "$MNT/hydra/public/key.pub/public.pem")
	tfs_stop
	tfs_start
	assertEquals "$before" "$(cat "$MNT/hydra/public/key.pub/public.pem")"
	p11_sign key 01 ECDSA-SHA256
	openssl_verify key
}

test_a_wrong_pin_gives_nothing()
{
	tfs_start
	hydra_token
	p11_generate EC:secp256r1 key 01
	refused CKR_PIN_INCORRECT p11 --token-label hydra --login --pin 4321 --sign --id 01 --mechanism ECDSA \
		--input-file /dev/null
	must p11 --token-label hydra --list-objects
	assertNotContains "$out" 'Private Key'
}

test_public_keys_are_read_without_login()
{
	skip_sanitized 'pkcs11-tool 0.23 reads freed memory when it writes an EC public key' && return
	tfs_start
	hydra_token
	p11_generate rsa:2048 key 01
	must p11 --token-label hydra --read-object --type pubkey --id 01 --output-file "$DIR/public.der"
	openssl pkey -pubin -inform DER -in "$DIR/public.der" -out "$DIR/public.pem"
	assertEquals "$(cat "$MNT/hydra/public/key.pub/public.pem")" "$(cat "$DIR/public.pem")"
}

test_pkcs11_tools_own_test_passes()
{
	tfs_start
	hydra_token
	p11_generate rsa:2048 rsa 01
	p11_generate EC:secp256r1 ec 02
	must p11 --token-label hydra --login --pin 1234 --test
	assertContains "$out" 'No errors'
}

. shunit2

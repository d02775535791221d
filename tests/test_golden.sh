#!/bin/sh
# Vaults of every format version ever written, as they were frozen: they open on a machine that never saw them, hold
# what they held, and their keys still do their work.
. "$(dirname "$0")/lib/tokenfs.sh"

# A copy of the frozen vault, mounted. Git keeps no modes.
golden_start() # VERSION NAME
{
	GOLDEN=$TOP/tests/golden/$1/$2
	cp -r "$GOLDEN/vault" "$DIR/main/vault"
	[ ! -e "$GOLDEN/vault.key" ] || cp "$GOLDEN/vault.key" "$DIR/main/vault.key"
	chmod -R go= "$DIR/main"
	PIN=$(sed -n 's/^pin //p' "$GOLDEN/PINS")
	SO_PIN=$(sed -n 's/^so-pin //p' "$GOLDEN/PINS")
	LABEL=golden
	must "$TOKENFS" check --pin "pass:$PIN"
	must "$TOKENFS" mount
}

# Every object of EXPECTED, and no other.
golden_objects()
{
	must p11_user --list-objects
	awk '
		function flush() { if (class != "") print class "|" label "|" id; class = label = id = "" }
		/^[A-Z].*[Oo]bject/ { flush() }
		/^Public Key Object/ { class = "pub" }
		/^Private Key Object/ { class = "key" }
		/^Secret Key Object/ { class = "secret" }
		/^Certificate Object/ { class = "cert" }
		/^Data object/ { class = "data" }
		/^  label: / { label = $0; sub(/^  label: */, "", label); gsub(/\047/, "", label) }
		/^  ID: / { id = $0; sub(/^  ID: */, "", id) }
		END { flush() }' "$DIR/out" | sort > "$DIR/found"
	sort "$GOLDEN/EXPECTED" > "$DIR/expected"
	must diff "$DIR/expected" "$DIR/found"
}

golden_signature() # NAME ID MECHANISM OPENSSL-VERIFYING-COMMAND...
{
	name=$1
	must p11_user --sign --id "$2" --mechanism "$3" --signature-format openssl --input-file "$GOLDEN/data" \
		--output-file "$DIR/sig"
	shift 3
	must openssl "$@"
	must cmp "$GOLDEN/$name.pem" "$MNT/golden/public/$name.pub/public.pem"
}

golden_keys()
{
	golden_signature rsa 01 SHA256-RSA-PKCS dgst -sha256 -verify "$GOLDEN/rsa.pem" -signature "$DIR/sig" \
		"$GOLDEN/data"
	golden_signature p-256 02 ECDSA-SHA256 dgst -sha256 -verify "$GOLDEN/p-256.pem" -signature "$DIR/sig" \
		"$GOLDEN/data"
	golden_signature p-384 03 ECDSA-SHA384 dgst -sha384 -verify "$GOLDEN/p-384.pem" -signature "$DIR/sig" \
		"$GOLDEN/data"
	golden_signature ed25519 04 EDDSA pkeyutl -verify -rawin -pubin -inkey "$GOLDEN/ed25519.pem" \
		-sigfile "$DIR/sig" -in "$GOLDEN/data"
	must p11_user --encrypt --id 05 --mechanism AES-CBC-PAD --iv 000102030405060708090a0b0c0d0e0f \
		--input-file "$GOLDEN/data" --output-file "$DIR/aes"
	must cmp "$GOLDEN/aes.aes" "$DIR/aes"
	must p11_user --sign --id 06 --mechanism SHA256-HMAC --input-file "$GOLDEN/data" --output-file "$DIR/hmac"
	must cmp "$GOLDEN/hmac.hmac" "$DIR/hmac"
}

golden_values()
{
	for label in data private-data; do
		must p11_user --read-object --type data --label "$label" --output-file "$DIR/value"
		must cmp "$GOLDEN/data.value" "$DIR/value"
	done
	must p11_user --read-object --type cert --id 07 --output-file "$DIR/cert"
	must cmp "$GOLDEN/cert.der" "$DIR/cert"
}

# Both PINs are those of PINS, and no other.
golden_pins()
{
	exits 4 "$TOKENFS" unlock golden --pin pass:another-user-pin
	must p11 --token-label golden --login --login-type so --so-pin "$SO_PIN" --init-pin --new-pin "$PIN"
	must "$TOKENFS" unlock golden --pin "pass:$PIN"
}

golden_writes()
{
	p11_generate EC:secp256r1 new 77
	p11_sign new 77 ECDSA-SHA256
	openssl_verify new
	must "$TOKENFS" umount
	must "$TOKENFS" check --pin "pass:$PIN"
}

golden_all()
{
	golden_start "$@"
	golden_objects
	golden_keys
	golden_values
	golden_pins
	golden_writes
}

test_a_frozen_vault_of_format_1_opens()
{
	golden_all v1 key-file
}

test_a_frozen_vault_of_format_1_without_key_file_opens()
{
	golden_all v1 no-key-file
}

test_a_frozen_vault_with_the_key_of_another_is_refused()
{
	cp -r "$TOP/tests/golden/v1/key-file/vault" "$DIR/main/vault"
	head -c 32 /dev/urandom > "$DIR/main/vault.key"
	chmod -R go= "$DIR/main"
	refused 'is not that of this vault' "$TOKENFS" check
}

. shunit2

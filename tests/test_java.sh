#!/bin/sh
# What PingIDM's guide does with a PKCS#11 key store: keytool and a Java program through SunPKCS11, unmodified.
. "$(dirname "$0")/lib/tokenfs.sh"

# Java and a sanitizer's run-time library do not go together.
java_runs()
{
	if [ -n "${TOKENFS_SANITIZE:-}" ]; then
		skip 'Java loads no module built with a sanitizer'
		return 1
	fi
}

setUp()
{
	tfs_setup
	tfs_start
	LABEL=openidm
	tfs_token
	cat > "$DIR/java.conf" <<-END
		name = tokenfs
		library = $MODULE
		slot = 0
		attributes(*, CKO_SECRET_KEY, *) = {
		  CKA_PRIVATE = false
		  CKA_EXTRACTABLE = true
		}
		attributes(generate, *, *) = {
		  CKA_TOKEN = true
		}
		attributes(generate, CKO_CERTIFICATE, *) = {
		  CKA_PRIVATE = false
		}
		attributes(generate, CKO_PUBLIC_KEY, *) = {
		  CKA_PRIVATE = false
		}
		attributes(*, CKO_SECRET_KEY, *) = {
		  CKA_PRIVATE = false
		  CKA_EXTRACTABLE = true
		}
	END
	head -c 1000 /dev/urandom > "$DIR/data"
}

kt()
{
	keytool -keystore NONE -storetype PKCS11 -storepass "$PIN" -addprovider SunPKCS11 -providerarg "$DIR/java.conf" "$@"
}

client()
{
	java -cp "$DIR/classes" TokenClient "$DIR/java.conf" "$PIN" "$@"
}

oneTimeSetUp()
{
	CLASSES=$(mktemp -d "${TMPDIR:-/tmp}/tokenfs-classes.XXXXXX")
	javac -d "$CLASSES" tests/tools/TokenClient.java || fail 'javac'
}

oneTimeTearDown()
{
	[ -z "$CLASSES" ] || rm -rf "$CLASSES"
	CLASSES=
}

test_keytool_flow_of_the_guide_then_a_program_uses_the_keys()
{
	java_runs || return 0
	cp -r "$CLASSES" "$DIR/classes"
	for alias in openidm-sym-default openidm-selfservice-key openidm-jwtsessionhmac-key; do
		must kt -genseckey -alias $alias -keyalg HmacSHA256 -keysize 256
	done
	for alias in openidm-localhost selfservice; do
		must kt -genkey -alias $alias -keyalg RSA -keysize 2048 -sigalg SHA256withRSA \
			-dname "CN=$alias, O=tokenfs, C=NO" -validity 365
	done

	must kt -list
	assertContains "$out" 'contains 5 entries'
	for alias in openidm-sym-default openidm-selfservice-key openidm-jwtsessionhmac-key; do
		assertContains "$out" "$alias, SecretKeyEntry"
	done
	for alias in openidm-localhost selfservice; do
		assertContains "$out" "$alias, PrivateKeyEntry"
	done

	# Export, and import into a truststore that has nothing to do with the token.
	must kt -export -alias openidm-localhost -rfc -file "$DIR/localhost.pem"
	must openssl verify -check_ss_sig -CAfile "$DIR/localhost.pem" "$DIR/localhost.pem"
	must keytool -importcert -noprompt -alias openidm-localhost -file "$DIR/localhost.pem" \
		-keystore "$DIR/truststore" -storepass changeit
	must keytool -list -keystore "$DIR/truststore" -storepass changeit
	assertContains "$out" trustedCertEntry
	# The certificate is in the tree as well.
	assertEquals "$(openssl x509 -in "$DIR/localhost.pem" -noout -fingerprint -sha256)" \
		"$(openssl x509 -in "$(grep -l 'openidm-localhost' "$MNT/$LABEL"/public/*.cert/attributes | head -n 1 |
			xargs dirname)/certificate.pem" -noout -fingerprint -sha256)"

	must client list
	assertContains "$out" 'openidm-localhost private'

	must client sign openidm-localhost SHA256withRSA "$DIR/data" "$DIR/sig"
	openssl x509 -in "$DIR/localhost.pem" -noout -pubkey > "$DIR/public.pem"
	must openssl dgst -sha256 -verify "$DIR/public.pem" -signature "$DIR/sig" "$DIR/data"

	must client encoded openidm-jwtsessionhmac-key
	key=$out
	assertEquals '256 bits' 64 "${#key}"
	for bits in 256 512; do
		must client mac openidm-jwtsessionhmac-key HmacSHA$bits "$DIR/data"
		assertContains "HmacSHA$bits" "$(openssl dgst -sha$bits -mac HMAC -macopt "hexkey:$key" "$DIR/data")" "$out"
	done
}

test_aes_key_encrypts_in_the_token_and_decrypts_outside()
{
	java_runs || return 0
	cp -r "$CLASSES" "$DIR/classes"
	must kt -genseckey -alias aes -keyalg AES -keysize 256
	must client gcm aes
	assertEquals 'sealed in the token' "$out"
}

test_ec_key_with_certificate_signs()
{
	java_runs || return 0
	cp -r "$CLASSES" "$DIR/classes"
	must kt -genkeypair -alias ec -keyalg EC -groupname secp256r1 -sigalg SHA256withECDSA -dname CN=ec
	must kt -export -alias ec -rfc -file "$DIR/ec.pem"
	must client sign ec SHA256withECDSA "$DIR/data" "$DIR/sig"
	openssl x509 -in "$DIR/ec.pem" -noout -pubkey > "$DIR/public.pem"
	must openssl dgst -sha256 -verify "$DIR/public.pem" -signature "$DIR/sig" "$DIR/data"
}

test_keytool_with_a_wrong_pin_is_refused()
{
	java_runs || return 0
	right=$PIN
	PIN=wrong-pin
	refused 'load failed' kt -list
	PIN=$right
	assertContains "$(cat "$MNT/$LABEL/token")" 'user-pin-tries-left = 9'
}

test_keytool_deletes_what_it_made()
{
	java_runs || return 0
	must kt -genseckey -alias gone -keyalg HmacSHA256 -keysize 256
	must kt -delete -alias gone
	must kt -list
	assertContains "$out" 'contains 0 entries'
	assertEquals '' "$(ls "$MNT/$LABEL/public")"
}

. shunit2

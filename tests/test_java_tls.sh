#!/bin/sh
# TLS with the token as Java's first provider: the server's key, the key agreement, the master secret, the connection's
# keys and the finished messages are the token's, as far as Java gives them to a PKCS#11 provider.
. "$(dirname "$0")/lib/tokenfs.sh"

setUp()
{
	tfs_setup
	tfs_start
	LABEL=java
	tfs_token
	cat > "$DIR/java.conf" <<-END
		name = tokenfs
		library = $MODULE
		slot = 0
	END
}

oneTimeSetUp()
{
	CLASSES=$(mktemp -d "${TMPDIR:-/tmp}/tokenfs-classes.XXXXXX")
	javac -d "$CLASSES" tests/tools/TlsClient.java || fail 'javac'
}

oneTimeTearDown()
{
	[ -z "$CLASSES" ] || rm -rf "$CLASSES"
	CLASSES=
}

# Java and a sanitizer's run-time library do not go together.
java_runs()
{
	[ -z "${TOKENFS_SANITIZE:-}" ] || { skip 'Java loads no module built with a sanitizer'; return 1; }
}

server_key()
{
	must keytool -keystore NONE -storetype PKCS11 -storepass "$PIN" -addprovider SunPKCS11 -providerarg "$DIR/java.conf" \
		-genkeypair -alias server -keyalg EC -groupname secp256r1 -sigalg SHA256withECDSA -dname CN=localhost
}

handshake() # PROTOCOL SUITE EXTENDED-MASTER-SECRET
{
	must java -cp "$CLASSES" TlsClient "$DIR/java.conf" "$PIN" "$@"
	assertContains "$out" "$1 $2"
}

# Java's own configuration. It reads some of the secrets itself: the extended master secret, the IVs of AEAD suites.
test_every_handshake_works()
{
	java_runs || return 0
	server_key
	handshake TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 true
	handshake TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 false
	handshake TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384 false
	handshake TLSv1.3 TLS_AES_128_GCM_SHA256 true
}

# What is made hidden stays hidden, and the suites that need to read nothing work.
test_suites_without_derived_ivs_work_with_hidden_session_secrets()
{
	java_runs || return 0
	server_key
	printf 'attributes(*, CKO_SECRET_KEY, *) = {\n CKA_SENSITIVE = true\n}\n' >> "$DIR/java.conf"
	handshake TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384 false
	handshake TLSv1.3 TLS_AES_128_GCM_SHA256 true
}

. shunit2

#!/bin/sh
# Key encapsulation, DH, DSA and, with OpenSSL 3.5, the post-quantum algorithms, through the module and the tree; plain
# OpenSSL is the judge.
. "$(dirname "$0")/lib/tokenfs.sh"

kem()
{
	with_module "$TOOLS/kem" "$MODULE" "$LABEL" "$PIN" "$@"
}

has_post_quantum()
{
	openssl list -kem-algorithms 2> /dev/null | grep -q ML-KEM
}

test_kem_module_secretsAreEqual()
{
	tfs_start
	tfs_token
	must kem
	assertContains 'ECDH' "$out" 'ecdh: works'
	if has_post_quantum; then
		assertContains 'ML-KEM' "$out" 'ml-kem: works'
	else
		assertContains 'ML-KEM' "$out" 'ml-kem: not there'
	fi
}

test_kem_postQuantumKeys_opensslReadsThem()
{
	has_post_quantum || { skip 'this OpenSSL has no post-quantum algorithms'; return; }
	tfs_start
	tfs_token
	head -c 4000 /dev/urandom > "$DIR/data"
	must kem "$DIR/data" "$DIR/sig"
	assertContains 'signs' "$out" 'ml-dsa: works'
	must openssl pkeyutl -verify -pubin -inkey "$MNT/$LABEL/public/post-quantum.pub/public.pem" -rawin -in "$DIR/data" \
		-sigfile "$DIR/sig"
	must openssl pkey -pubin -in "$MNT/$LABEL/public/kem-ml.pub/public.pem" -noout -text
	assertContains 'the type' "$out" 'ML-KEM-768'
	must cat "$MNT/$LABEL/mechanisms"
	assertContains 'is listed' "$out" 'CKM_ML_KEM 800-1568 encapsulate decapsulate'
}

. shunit2

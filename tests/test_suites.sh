#!/bin/sh
# The tests that other projects' programs bring along, on tokens with keys of every kind: OpenSC's pkcs11-tool, GnuTLS' p11tool,
# and a walk through PyKCS11's calls. (Single clients and their ways: test_clients.sh.) What is not installed is skipped.
. "$(dirname "$0")/lib/tokenfs.sh"

start()
{
	tfs_start
	tfs_token
}

populate()
{
	p11_generate rsa:2048 rsa 01
	p11_generate EC:secp256r1 p256 02
	p11_generate EC:secp384r1 p384 03
	p11_generate EC:secp521r1 p521 04
	p11_generate EC:edwards25519 ed25519 05
	must p11_user --keygen --key-type AES:32 --label aes --id 06
}

# ---- pkcs11-tool ----

test_pkcs11_tool_test_passes_with_keys_of_every_kind()
{
	start
	populate
	must p11_user --test
	assertContains "$out" 'No errors'
}

test_pkcs11_tool_test_passes_on_a_compat_token_with_legacy()
{
	tfs_set legacy yes
	start
	must "$TOKENFS" token policy "$LABEL" compat --so-pin "pass:$SO_PIN"
	populate
	must p11_user --test
	assertContains "$out" 'No errors'
}

test_pkcs11_tool_test_ec_passes_on_every_curve_it_knows()
{
	start
	id=70
	for curve in secp256r1 secp384r1 secp521r1; do
		id=$((id + 1))
		must p11_user --keypairgen --key-type EC:$curve --id $id --label pair$id --test-ec
		assertContains "$out" '==> OK'
	done
}

test_pkcs11_tool_test_fork_passes_with_login_and_without()
{
	start
	p11_generate rsa:2048 rsa 01
	must p11 --test-fork
	must p11_user --test-fork
}

# COMMANDS...: pkcs11-tool and a thread for each initialise; one of them is the first. Version 0.23 looks once whether its
# threads have ended, and then only after 30 seconds again: so it gets something to hash when they have. Later versions
# start them after that, and join them.
threads()
{
	count=$#
	for commands; do
		set -- "$@" --test-threads "$commands"
		shift
	done
	rm -f "$DIR/fifo"
	mkfifo "$DIR/fifo"
	: > "$DIR/out"
	# shellcheck disable=SC2016 # for the inner shell
	{
		timeout 3 sh -c 'until [ "$(grep -c "^Test thread . returning" "$1")" = "$2" ]; do sleep 0.1; done' \
			sh "$DIR/out" $count
		timeout 30 sh -c 'echo data > "$1"' sh "$DIR/fifo"
	} > /dev/null 2>&1 &
	feeder=$!
	must p11 "$@" --hash --mechanism SHA256 --input-file "$DIR/fifo" --output-file "$DIR/hash"
	wait $feeder
	assertContains "$out" 'cleanup finished'
	assertEquals "threads that end: $out" $count "$(grep -c '^Test thread . returning' "$DIR/out")"
	assertEquals "errors: $out" '' "$(grep 'returned CKR_\|rv:CKR_\|not available' "$DIR/out" |
		grep -v 'CKR_\(OK\|CRYPTOKI_ALREADY_INITIALIZED\)$')"
	assertEquals "one is the first: $out" 1 "$(grep -c 'C_Initialize.* \(returned \|rv:\)CKR_OK$' "$DIR/out")"
}

test_pkcs11_tool_test_threads_passes_with_each_way_of_initializing()
{
	start
	threads INGISLT0 INGISLT0 INGISLT0
	threads ILGISLT0 ILGISLT0 ILGISLT0
	threads IN IL INGISLT0 ILGI
}

test_pkcs11_tool_makes_a_certificate_request_as_mozilla_does()
{
	start
	must openssl req -x509 -newkey rsa:2048 -nodes -keyout "$DIR/key" -out "$DIR/cert.pem" -subj /CN=moz -days 2
	must openssl x509 -in "$DIR/cert.pem" -outform DER -out "$DIR/cert"
	run p11_user --moz-cert "$DIR/cert"
	assertNotContains "$out" 'error: PKCS11'
}

# A mechanism in the list has a C_GetMechanismInfo, which the tool asks for.
test_pkcs11_tool_lists_the_mechanisms_with_their_sizes()
{
	start
	must p11 --token-label "$LABEL" --list-mechanisms
	assertNotContains "$out" 'error: PKCS11'
	assertEquals "$(head -n 1 "$MNT/$LABEL/mechanisms" | cut -d' ' -f2)" \
		"$(sed -n 's/.*RSA-PKCS-KEY-PAIR-GEN, keySize={\([0-9]*\),\([0-9]*\)}.*/\1-\2/p' "$DIR/out")"
}

# ---- p11tool ----

test_p11tool_test_sign_passes_with_every_key_it_can_test()
{
	have p11tool || return 0
	start
	populate
	mechanisms=$(with_module p11tool --provider "$MODULE" --list-mechanisms "pkcs11:token=$LABEL" 2>&1)
	assertContains "$mechanisms" CKM_RSA_PKCS
	must with_module p11tool --provider "$MODULE" --generate-random 16 "pkcs11:token=$LABEL"
	for key in rsa p256 p384 p521; do # its test signs a hash: nothing for Ed25519
		must env GNUTLS_PIN="$PIN" LD_PRELOAD="${TOKENFS_PRELOAD:-}" p11tool --provider "$MODULE" --login --test-sign \
			"pkcs11:token=$LABEL;object=$key;type=private"
		assertContains "$key: $out" "$out" ok
	done
}

# ---- PyKCS11 ----

test_pykcs11_walks_through_digests_ciphers_signatures_and_objects()
{
	[ -z "${TOKENFS_SANITIZE:-}" ] || {
		skip 'PyKCS11 does not run with a sanitized module'
		return
	}
	have /usr/lib/python3/dist-packages/PyKCS11 || return 0
	start
	cat > "$DIR/walk.py" <<-'END'
		import hashlib, sys
		from PyKCS11 import *

		lib = PyKCS11Lib()
		lib.load(sys.argv[1])
		slot = lib.getSlotList(tokenPresent=True)[0]
		lib.getInfo(), lib.getSlotInfo(slot), lib.getTokenInfo(slot)
		s = lib.openSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
		s.login(sys.argv[2])

		def refused(code, call, *args):
		    try:
		        call(*args)
		    except PyKCS11Error as e:
		        assert e.value == code, (call, e)
		    else:
		        sys.exit("%s is not refused" % call)

		# digests, in one part and several
		for mech, name in ((CKM_SHA_1, "sha1"), (CKM_SHA256, "sha256"), (CKM_SHA384, "sha384"), (CKM_SHA512, "sha512")):
		    for data in (b"a", b"abc", bytes(5000)):
		        assert bytes(s.digest(data, Mechanism(mech))) == hashlib.new(name, data).digest()
		d = s.digestSession(Mechanism(CKM_SHA256)).update(b"a").update(b"bc")
		assert bytes(d.final()) == hashlib.sha256(b"abc").digest()

		# random
		s.seedRandom(b"seed")
		assert len(s.generateRandom(33)) == 33 and bytes(s.generateRandom(16)) != bytes(s.generateRandom(16))

		# ciphers
		aes = s.generateKey([(CKA_CLASS, CKO_SECRET_KEY), (CKA_KEY_TYPE, CKK_AES), (CKA_VALUE_LEN, 32), (CKA_ENCRYPT, CK_TRUE),
		    (CKA_DECRYPT, CK_TRUE), (CKA_TOKEN, CK_FALSE), (CKA_LABEL, "walk")])
		iv = bytes(range(16))
		for mech in (Mechanism(CKM_AES_ECB), Mechanism(CKM_AES_CBC, iv), Mechanism(CKM_AES_CBC_PAD, iv),
		        AES_GCM_Mechanism(iv[:12], b"aad", 128)):
		    assert bytes(s.decrypt(aes, s.encrypt(aes, b"0123456789abcdef", mech), mech)) == b"0123456789abcdef"
		refused(CKR_MECHANISM_PARAM_INVALID, s.encrypt, aes, b"0123456789abcdef", Mechanism(CKM_AES_CBC, b"short"))
		refused(CKR_DATA_LEN_RANGE, s.encrypt, aes, b"0123456789abcdefg", Mechanism(CKM_AES_ECB))
		refused(CKR_KEY_TYPE_INCONSISTENT, s.sign, aes, b"data", Mechanism(CKM_SHA256_RSA_PKCS))

		# signatures
		pub, priv = s.generateKeyPair(
		    [(CKA_MODULUS_BITS, 2048), (CKA_PUBLIC_EXPONENT, (1, 0, 1)), (CKA_VERIFY, CK_TRUE), (CKA_TOKEN, CK_FALSE),
		     (CKA_ENCRYPT, CK_TRUE)],
		    [(CKA_SIGN, CK_TRUE), (CKA_TOKEN, CK_FALSE), (CKA_DECRYPT, CK_TRUE)])
		for mech in (Mechanism(CKM_SHA1_RSA_PKCS), Mechanism(CKM_SHA256_RSA_PKCS), Mechanism(CKM_SHA512_RSA_PKCS),
		        RSA_PSS_Mechanism(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32)):
		    assert s.verify(pub, b"data", s.sign(priv, b"data", mech), mech)
		    assert not s.verify(pub, b"date", s.sign(priv, b"data", mech), mech)
		oaep = RSAOAEPMechanism(CKM_SHA256, CKG_MGF1_SHA256)
		assert bytes(s.decrypt(priv, s.encrypt(pub, b"secret", oaep), oaep)) == b"secret"

		# objects
		assert len(s.findObjects([(CKA_LABEL, "walk")])) == 1
		s.setAttributeValue(aes, [(CKA_LABEL, "walked")])
		assert s.getAttributeValue(aes, [CKA_LABEL, CKA_VALUE_LEN]) == ["walked", 32]
		assert s.getAttributeValue(aes, [CKA_MODULUS]) == [None]
		s.destroyObject(aes)
		refused(CKR_OBJECT_HANDLE_INVALID, s.getAttributeValue, aes, [CKA_LABEL])
		refused(CKR_USER_ALREADY_LOGGED_IN, s.login, sys.argv[2])
		s.logout()
		refused(CKR_USER_NOT_LOGGED_IN, s.logout)
		s.closeSession()
		refused(CKR_SESSION_HANDLE_INVALID, s.logout)
	END
	must /usr/bin/python3 "$DIR/walk.py" "$MODULE" "$PIN"
}

. shunit2

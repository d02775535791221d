#!/bin/sh
# Programs that log in and unlock with a key in a token: Kerberos, PAM, disk encryption; and programs that show what is in
# one, use it from Go, or move keys in. (What speaks TLS: test_tls_clients.sh; what signs: test_signers.sh.) A program that is not
# installed is skipped.
. "$(dirname "$0")/lib/tokenfs.sh"
. "$TOP/tests/lib/clients.sh"

# ---- Kerberos ----

# What PKINIT wants in certificates (RFC 4556): purposes of its own, and Kerberos names.
kerberos_extensions()
{
	cat > "$DIR/krb.ext" <<-END
		[kdc]
		keyUsage = digitalSignature
		extendedKeyUsage = 1.3.6.1.5.2.3.5
		subjectAltName = otherName:1.3.6.1.5.2.2;SEQUENCE:kdc_name
		[user]
		keyUsage = digitalSignature
		extendedKeyUsage = 1.3.6.1.5.2.3.4
		subjectAltName = otherName:1.3.6.1.5.2.2;SEQUENCE:user_name
		[kdc_name]
		realm = EXP:0,GeneralString:TEST
		name = EXP:1,SEQUENCE:kdc_principal
		[kdc_principal]
		type = EXP:0,INTEGER:2
		parts = EXP:1,SEQUENCE:kdc_parts
		[kdc_parts]
		first = GeneralString:krbtgt
		second = GeneralString:TEST
		[user_name]
		realm = EXP:0,GeneralString:TEST
		name = EXP:1,SEQUENCE:user_principal
		[user_principal]
		type = EXP:0,INTEGER:1
		parts = EXP:1,SEQUENCE:user_parts
		[user_parts]
		first = GeneralString:alice
	END
}

kerberos_realm() # PORT
{
	cat > "$DIR/krb5.conf" <<-END
		[libdefaults]
		default_realm = TEST
		dns_lookup_kdc = false
		[realms]
		TEST = {
		    kdc = 127.0.0.1:$1
		    pkinit_anchors = FILE:$DIR/ca.pem
		}
	END
	cat > "$DIR/kdc.conf" <<-END
		[kdcdefaults]
		kdc_listen = 127.0.0.1:$1
		kdc_tcp_listen = ""
		[realms]
		TEST = {
		    database_name = $DIR/principals
		    key_stash_file = $DIR/stash
		    pkinit_identity = FILE:$DIR/kdc.pem,$DIR/kdc.key
		    pkinit_anchors = FILE:$DIR/ca.pem
		}
		[logging]
		kdc = FILE:$DIR/kdc.log
	END
	export KRB5_CONFIG="$DIR/krb5.conf" KRB5_KDC_PROFILE="$DIR/kdc.conf" KRB5CCNAME="FILE:$DIR/tickets"
}

# Of version 1.20 it looks for RSA keys alone.
test_kerberos_gives_a_ticket_for_the_key()
{
	have_plain krb5kdc kdb5_util kadmin.local kinit setsid || return 0
	plugin=$(find /usr/lib -path '*/preauth/pkinit.so' 2> /dev/null)
	have "${plugin:-pkinit.so}" || return 0
	start
	p11_generate rsa:2048 alice 07
	kerberos_extensions
	soft genrsa -out "$DIR/kdc.key" 2048
	soft rsa -in "$DIR/kdc.key" -pubout -out "$DIR/kdc.pub"
	certify kdc kdc -force_pubkey "$DIR/kdc.pub" -extfile "$DIR/krb.ext" -extensions kdc
	certify alice alice -force_pubkey "$(public alice)" -extfile "$DIR/krb.ext" -extensions user
	store_certificate alice 07
	kerberos_realm "$(some_port)"
	must kdb5_util create -s -W -P master
	must kadmin.local -q 'addprinc -randkey +requires_preauth alice'
	timeout 60 krb5kdc -n > "$DIR/kdc" 2>&1 &
	kdc=$!
	appears "$DIR/kdc.log" 'commencing operation' "$DIR/kdc"
	# It asks for the PIN where there is no terminal: on its standard input.
	for pin in 0000 "$PIN"; do
		echo "$pin" | timeout 20 setsid kinit -X "X509_user_identity=PKCS11:module_name=$MODULE:token=$LABEL:certid=07" \
			alice > "$DIR/kinit" 2>&1
		code=$?
		[ "$pin" = "$PIN" ] || assertNotEquals "with a wrong PIN: $(cat "$DIR/kinit");" 0 "$code"
	done
	assertEquals "$(cat "$DIR/kinit" "$DIR/kdc.log");" 0 "$code"
	must klist
	assertContains "$out" krbtgt/TEST@TEST
	assertTrue "$(cat "$DIR/kdc.log")" "grep -q 'ISSUE.*alice@TEST' '$DIR/kdc.log'"
	must kdestroy
	stop $kdc
	unset KRB5_CONFIG KRB5_KDC_PROFILE KRB5CCNAME
}

# ---- PAM ----

test_pam_pkcs11_knows_its_user()
{
	have_plain pamtester pklogin_finder /etc/pam.d || return 0
	is_root || { skip 'pam_pkcs11 trusts what root owns: not root'; return 0; }
	start
	key_pairs
	mkdir "$DIR/pam" "$DIR/cas"
	printf 'auth required pam_pkcs11.so config_file=%s/pam.conf\naccount required pam_permit.so\n' "$DIR" > "$DIR/pam/tokens"
	cp "$DIR/ca.pem" "$DIR/cas"
	soft rehash "$DIR/cas"
	cat > "$DIR/pam.conf" <<-END
		pam_pkcs11 {
		    use_pkcs11_module = tokenfs;
		    pkcs11_module tokenfs {
		        module = $MODULE;
		        slot_num = 0;
		        ca_dir = $DIR/cas;
		        crl_dir = $DIR/cas;
		        cert_policy = ca, signature;
		    }
		    use_mappers = cn;
		    mapper cn {
		        module = internal;
		        mapfile = file://$DIR/users;
		    }
		}
	END
	user=$(id -un)
	over "$DIR/pam" /etc/pam.d || return 0
	for key in rsa ec; do
		echo "$key -> $user" > "$DIR/users"
		for pin in 0000 "$PIN"; do
			echo "$pin" | timeout 20 "$DIR/privately" pamtester tokens "$user" authenticate > "$DIR/pamtester" 2>&1
			code=$?
			[ "$pin" = "$PIN" ] || assertNotEquals "with a wrong PIN: $(cat "$DIR/pamtester");" 0 "$code"
		done
		assertEquals "$(cat "$DIR/pamtester");" 0 "$code"
	done
	echo 'somebody -> else' > "$DIR/users"
	echo "$PIN" | timeout 20 "$DIR/privately" pamtester tokens "$user" authenticate > "$DIR/pamtester" 2>&1
	assertNotEquals "a key of nobody's: $(cat "$DIR/pamtester");" 0 $?
}

# ---- disk encryption ----

# The key slot's passphrase is encrypted for the RSA key; a plugin of cryptsetup has the token decrypt it.
test_systemd_unlocks_a_disk()
{
	plugin=$(find /usr/lib -name libcryptsetup-token-systemd-pkcs11.so 2> /dev/null)
	have_plain systemd-cryptenroll cryptsetup "${plugin:-libcryptsetup-token-systemd-pkcs11.so}" || return 0
	start
	key_pairs
	over_p11_kit || return 0
	disk=$DIR/disk
	truncate -s 32M "$disk"
	printf passphrase > "$DIR/passphrase"
	must cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$disk" "$DIR/passphrase"
	PASSWORD=passphrase PIN=$PIN must "$DIR/privately" systemd-cryptenroll "--pkcs11-token-uri=pkcs11:token=$LABEL;id=%01" \
		"$disk"
	assertContains "$out" 'New PKCS#11 token enrolled as key slot 1'
	must cryptsetup luksDump "$disk"
	assertContains "$out" systemd-pkcs11
	for pin in 0000 "$PIN"; do
		printf %s "$pin" | timeout 20 "$DIR/privately" cryptsetup open --test-passphrase --token-only "$disk" \
			> "$DIR/cryptsetup" 2>&1
		code=$?
		[ "$pin" = "$PIN" ] || assertNotEquals "with a wrong PIN: $(cat "$DIR/cryptsetup");" 0 "$code"
	done
	assertEquals "$(cat "$DIR/cryptsetup");" 0 "$code"
}

# ---- what shows and moves objects ----

test_pkcs11_data_and_dump()
{
	have_plain pkcs11-data pkcs11-dump || return 0
	start
	key_pairs
	printf '#!/bin/sh\necho "%s"\n' "$PIN" > "$DIR/prompt"
	chmod 700 "$DIR/prompt"
	must pkcs11-data --add-provider="$MODULE" --cmd=tokens
	token=$(sed -n "s/.*label='$LABEL'.*id='\(.*\)'/\1/p" "$DIR/out")
	set -- pkcs11-data --add-provider="$MODULE" --prompt-prog="$DIR/prompt" --token="$token"
	must "$@" --cmd=import --application=app --label=note --file="$DIR/data"
	must "$@" --cmd=list
	assertEquals 'A=app, L=note' "$out"
	must "$@" --cmd=export --application=app --label=note --file="$DIR/data.back"
	same_file "$DIR/data" "$DIR/data.back"
	must pkcs11-dump dump "$MODULE" 0 "$PIN"
	assertEquals "$out" 2 "$(grep -c 'CKA_CLASS: CKO_PRIVATE_KEY' "$DIR/out")"
	assertEquals "$out" 1 "$(grep -c 'CKA_CLASS: CKO_DATA' "$DIR/out")"
	must "$@" --cmd=remove --application=app --label=note
	must "$@" --cmd=list
	assertEquals '' "$out"
}

# The Go package that most Go programs use; it keeps no state of its own, so it also saves a digest and goes on with it.
test_go_signs_and_saves_a_digest()
{
	package=/usr/share/gocode/src/github.com/miekg/pkcs11
	have_plain go $package || return 0
	start
	key_pairs
	cp "$TOP/tests/tools/client.go" "$DIR"
	GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$DIR/cache" GOFLAGS='' must go build -o "$DIR/client" "$DIR/client.go"
	must "$DIR/client" "$MODULE" "$PIN" "$DIR/data" "$DIR/sig" "$DIR/digest"
	soft pkeyutl -verify -pubin -inkey "$(public rsa)" -rawin -digest sha256 -in "$DIR/data" -sigfile "$DIR/sig" \
		-pkeyopt rsa_padding_mode:pss
	soft dgst -sha256 -binary -out "$DIR/want" "$DIR/data"
	same_file "$DIR/want" "$DIR/digest"
}

# ---- moving in from SoftHSM ----

# Key pairs leave SoftHSM wrapped by KWP, which it has under another number and fills up with zeros first.
test_softhsm_key_pairs_move_in()
{
	soft=$(find /usr/lib -name libsofthsm2.so 2> /dev/null | head -n 1)
	have_plain softhsm2-util /usr/bin/python3 "${soft:-libsofthsm2.so}" || return 0
	/usr/bin/python3 -c 'import PyKCS11' 2> /dev/null || { skip 'PyKCS11 is not installed'; return 0; }
	start
	mkdir "$DIR/soft"
	echo "directories.tokendir = $DIR/soft" > "$DIR/soft.conf"
	export SOFTHSM2_CONF="$DIR/soft.conf"
	must softhsm2-util --init-token --free --label "$LABEL" --so-pin 12345678 --pin "$PIN"
	cat > "$DIR/move.py" <<-'END'
		import os, sys
		from PyKCS11 import *
		SOFTHSM_KWP, KWP = CKM_AES_KEY_WRAP_PAD, 0x210B
		theirs, ours, label, pin = sys.argv[1:]
		def session(path):
		    lib = PyKCS11Lib()
		    lib.load(path)
		    slot = next(s for s in lib.getSlotList(tokenPresent=True) if lib.getTokenInfo(s).label.strip() == label)
		    s = lib.openSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
		    s.login(pin)
		    return lib, s
		(a, old), (b, new) = session(theirs), session(ours)
		value = os.urandom(32)
		kek = [s.createObject([(CKA_CLASS, CKO_SECRET_KEY), (CKA_KEY_TYPE, CKK_AES), (CKA_VALUE, value), (CKA_TOKEN, False),
		    (CKA_WRAP, True), (CKA_UNWRAP, True)]) for s in (old, new)]
		P256 = bytes.fromhex("06082a8648ce3d030107")
		for name, type, make, public in (("rsa", CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, [(CKA_MODULUS_BITS, 2048),
		        (CKA_PUBLIC_EXPONENT, (1, 0, 1))]), ("ec", CKK_EC, CKM_EC_KEY_PAIR_GEN, [(CKA_EC_PARAMS, P256)])):
		    names = [(CKA_TOKEN, True), (CKA_LABEL, name), (CKA_ID, name.encode())]
		    pair = old.generateKeyPair(names + public + [(CKA_VERIFY, True)], names + [(CKA_PRIVATE, True),
		        (CKA_SENSITIVE, True), (CKA_EXTRACTABLE, True), (CKA_SIGN, True)], mecha=Mechanism(make, None))
		    blob = bytes(old.wrapKey(kek[0], pair[1], Mechanism(SOFTHSM_KWP, None)))
		    key = new.unwrapKey(kek[1], blob, names + [(CKA_CLASS, CKO_PRIVATE_KEY), (CKA_KEY_TYPE, type),
		        (CKA_PRIVATE, True), (CKA_SIGN, True)], Mechanism(KWP, None))
		    how = Mechanism(CKM_SHA256_RSA_PKCS if type == CKK_RSA else CKM_ECDSA, None)
		    data = os.urandom(32)
		    if not old.verify(pair[0], data, new.sign(key, data, how), how):
		        sys.exit(name + " is another key")
	END
	must /usr/bin/python3 "$DIR/move.py" "$soft" "$MODULE" "$LABEL" "$PIN"
	unset SOFTHSM2_CONF
}

. shunit2

#!/bin/sh
# Unmodified clients against the module: OpenSC, GnuTLS, Java, OpenSSL's engine, OpenSSH, NSS, PyKCS11, p11-kit. What they
# make is checked with plain OpenSSL. A client that is not installed is skipped.
. "$(dirname "$0")/lib/tokenfs.sh"

IV=000102030405060708090a0b0c0d0e0f

# A certificate with a new key, made outside: $DIR/NAME.pem, .key, and both as DER.
soft_pair() # NAME OPTION...
{
	name=$1
	shift
	soft req -x509 -nodes -days 3 -subj "/CN=$name" -keyout "$DIR/$name.key" -out "$DIR/$name.pem" "$@"
	soft x509 -in "$DIR/$name.pem" -outform DER -out "$DIR/$name.cert"
	soft pkey -in "$DIR/$name.key" -outform DER -out "$DIR/$name.priv"
	soft pkey -in "$DIR/$name.key" -pubout -outform DER -out "$DIR/$name.pub"
}

start()
{
	tfs_start
	tfs_token
	echo 'a message' > "$DIR/data"
}

# ---- OpenSC's pkcs11-tool ----

test_pkcs11_tool_own_tests()
{
	start
	p11_generate rsa:2048 rsa 01
	must p11_user --test
	assertContains "$out" 'No errors'
	# By itself --test-ec opens a read-only session and then generates a token object.
	must p11_user --keypairgen --key-type EC:secp256r1 --id 78 --label pair --test-ec
	assertContains "$out" '==> OK'
	must p11_user --test-fork
}

test_pkcs11_tool_writes_and_reads_objects_of_every_kind()
{
	start
	soft_pair rsa -newkey rsa:2048
	soft_pair ec -newkey ec -pkeyopt ec_paramgen_curve:P-256
	head -c 32 /dev/urandom > "$DIR/aes"
	for pair in rsa:aa ec:bb; do
		name=${pair%:*} id=${pair#*:}
		must p11_user --write-object "$DIR/$name.priv" --type privkey --label "$name" --id "$id" --usage-sign
		must p11_user --write-object "$DIR/$name.pub" --type pubkey --label "$name" --id "$id"
		must p11_user --write-object "$DIR/$name.cert" --type cert --label "$name" --id "$id"
		must p11 --read-object --type cert --id "$id" --output-file "$DIR/out.cert"
		same_file "$DIR/$name.cert" "$DIR/out.cert"
		must p11 --read-object --type pubkey --id "$id" --output-file "$DIR/out.pub"
		same_file "$DIR/$name.pub" "$DIR/out.pub"
	done
	must p11_user --write-object "$DIR/data" --type data --label note --application-id 1.2.3.4 --private
	must p11_user --read-object --type data --application-id 1.2.3.4 --output-file "$DIR/out.data"
	same_file "$DIR/data" "$DIR/out.data"
	must p11_user --write-object "$DIR/aes" --type secrkey --key-type AES:32 --id cc --extractable
	must p11_user --read-object --type secrkey --id cc --output-file "$DIR/out.aes"
	same_file "$DIR/aes" "$DIR/out.aes"
	p11_sign rsa aa SHA256-RSA-PKCS
	soft dgst -sha256 -verify "$MNT/$LABEL/public/rsa.pub/public.pem" -signature "$DIR/rsa.sig" "$DIR/data"
	p11_sign ec bb ECDSA-SHA384
	soft dgst -sha384 -verify "$MNT/$LABEL/public/ec.pub/public.pem" -signature "$DIR/ec.sig" "$DIR/data"
	must p11_user --delete-object --type privkey --id aa
	refused 'not found' p11_user --sign --id aa --mechanism SHA256-RSA-PKCS --input-file "$DIR/data"
}

test_pkcs11_tool_decrypts_and_derives()
{
	start
	soft_pair rsa -newkey rsa:2048
	must p11_user --write-object "$DIR/rsa.priv" --type privkey --id aa
	soft pkeyutl -encrypt -pubin -keyform DER -inkey "$DIR/rsa.pub" -in "$DIR/data" -out "$DIR/blob"
	must p11_user --decrypt --mechanism RSA-PKCS --id aa --input-file "$DIR/blob" --output-file "$DIR/clear"
	same_file "$DIR/data" "$DIR/clear"
	soft pkeyutl -encrypt -pubin -keyform DER -inkey "$DIR/rsa.pub" -in "$DIR/data" -out "$DIR/blob" \
		-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256
	must p11_user --decrypt --mechanism RSA-PKCS-OAEP --hash-algorithm SHA256 --id aa --input-file "$DIR/blob" \
		--output-file "$DIR/clear"
	same_file "$DIR/data" "$DIR/clear"

	head -c 32 /dev/urandom > "$DIR/aes"
	must p11_user --write-object "$DIR/aes" --type secrkey --key-type AES:32 --id cc
	must p11_user --encrypt --mechanism AES-CBC-PAD --iv $IV --id cc --input-file "$DIR/data" --output-file "$DIR/blob"
	soft enc -d -aes-256-cbc -K "$(od -An -v -tx1 "$DIR/aes" | tr -d ' \n')" -iv $IV -in "$DIR/blob" -out "$DIR/clear"
	same_file "$DIR/data" "$DIR/clear"

	soft_pair peer -newkey ec -pkeyopt ec_paramgen_curve:P-256
	must p11_user --keypairgen --key-type EC:prime256v1 --id dd --label dh --usage-derive
	must p11_user --derive --mechanism ECDH1-DERIVE --id dd --input-file "$DIR/peer.pub" --output-file "$DIR/secret"
	soft pkeyutl -derive -inkey "$DIR/peer.key" -peerkey "$MNT/$LABEL/public/dh.pub/public.pem" -out "$DIR/want"
	same_file "$DIR/want" "$DIR/secret"
}

# The tool asks for CKA_SENSITIVE = false unless it is told otherwise. What a pure wrapping key unwraps may have been
# a sensitive key, so it comes out sensitive all the same.
test_pkcs11_tool_wraps_and_unwraps()
{
	start
	must p11_user --keygen --key-type AES:32 --id 01 --label kek --usage-wrap
	must p11_user --keygen --key-type AES:16 --id 02 --label target --extractable --sensitive
	must p11_user --wrap --mechanism AES-KEY-WRAP --id 01 --application-id 02 --output-file "$DIR/blob"
	must p11_user --unwrap --mechanism AES-KEY-WRAP --id 01 --input-file "$DIR/blob" --key-type AES: \
		--application-id 03 --application-label back
	assertTrue "$out" "grep -q 'Access: *sensitive' '$DIR/out'"
	head -c 32 /dev/zero > "$DIR/blocks"
	for id in 02 03; do
		must p11_user --encrypt --mechanism AES-ECB --id $id --input-file "$DIR/blocks" --output-file "$DIR/blob.$id"
	done
	same_file "$DIR/blob.02" "$DIR/blob.03"
	refused CKR_KEY_NOT_WRAPPABLE p11_user --wrap --mechanism AES-CBC-PAD --iv $IV --id 01 --application-id 02
}

test_pkcs11_tool_changes_and_unblocks_pins()
{
	start
	must p11 --change-pin --pin "$PIN" --new-pin 4321
	refused CKR_PIN_INCORRECT p11 --login --pin "$PIN" --list-objects
	for _ in 1 2 3 4 5 6 7 8 9; do
		refused CKR_PIN_ p11 --login --pin 9999 --list-objects
	done
	refused CKR_PIN_LOCKED p11 --login --pin 4321 --list-objects
	must p11 --login --login-type so --so-pin "$SO_PIN" --init-pin --pin "$PIN"
	must p11_user --list-objects
}

# ---- GnuTLS ----

gnutls()
{
	GNUTLS_PIN=$PIN GNUTLS_SO_PIN=$SO_PIN must with_module "$@" --provider "$MODULE"
}

test_p11tool_generates_writes_trusts_and_deletes()
{
	have p11tool certtool || return 0
	skip_sanitized 'certtool does not come to its end under a sanitizer' && return
	start
	url="pkcs11:token=$LABEL"
	gnutls p11tool --login --generate-rsa --bits 2048 --label rsa --outfile "$DIR/rsa.pub" "$url"
	gnutls p11tool --login --generate-ecc --curve secp256r1 --label ec --outfile "$DIR/ec.pub" "$url"
	gnutls p11tool --login --generate-privkey ed25519 --label ed --outfile "$DIR/ed.pub" "$url"
	for key in rsa ec; do
		gnutls p11tool --login --test-sign "$url;object=$key;type=private"
		assertContains "$out" 'Verifying against public key in the token... ok'
	done
	gnutls p11tool --login --test-sign --sign-params rsa-pss "$url;object=rsa;type=private"
	printf 'cn = token\nexpiration_days = 3\n' > "$DIR/template"
	for key in rsa ec ed; do
		gnutls certtool --generate-self-signed --load-privkey "$url;object=$key;type=private" \
			--template "$DIR/template" --outfile "$DIR/$key.pem"
		soft verify -CAfile "$DIR/$key.pem" "$DIR/$key.pem"
	done

	soft_pair own -newkey rsa:2048
	gnutls p11tool --login --write --load-privkey "$DIR/own.key" --label own --id 0a0b "$url"
	gnutls p11tool --login --write --load-certificate "$DIR/own.pem" --label own --id 0a0b "$url"
	gnutls p11tool --export --outder --outfile "$DIR/out.cert" "$url;object=own;type=cert"
	same_file "$DIR/own.cert" "$DIR/out.cert"
	gnutls p11tool --so-login --write --load-certificate "$DIR/rsa.pem" --mark-trusted --label trusted "$url"
	gnutls p11tool --list-all-trusted "$url"
	assertContains "$out" 'Label: trusted'
	gnutls p11tool --login --batch --delete "$url;object=own"
	gnutls p11tool --login --list-all "$url"
	assertNotContains "$out" 'Label: own'
}

# ---- Java ----

keytool_token()
{
	must keytool -keystore NONE -storetype PKCS11 -storepass "$PIN" -providerClass sun.security.pkcs11.SunPKCS11 \
		-providerArg "$DIR/sun.conf" "$@"
}

# Everything that SunPKCS11 offers to a program, on keys that keytool made.
test_java_program_uses_what_sunpkcs11_offers()
{
	have_plain keytool java || return 0
	start
	cat > "$DIR/sun.conf" <<-END
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
	END
	keytool_token -genseckey -alias secret -keyalg HmacSHA256 -keysize 256
	keytool_token -genkeypair -alias pair -keyalg RSA -keysize 2048 -dname CN=pair
	for type in rsa ec; do
		must keytool -genkeypair -alias outside-$type -keyalg $type -dname "CN=$type" -storetype PKCS12 \
			-keystore "$DIR/outside.p12" -storepass changeit
	done
	must java "$TOP/tests/tools/JavaClient.java" "$DIR/sun.conf" "$PIN" "$DIR/outside.p12"
	assertNotContains "$out" FAILED
}

# ---- OpenSSL's engine ----

# With the engine's configuration and the key NAME.
engine() # NAME COMMAND KEYOPTION ARGUMENT...
{
	key="pkcs11:token=$LABEL;object=$1;type=private;pin-value=$PIN"
	command=$2
	option=$3
	shift 3
	OPENSSL_CONF=$DIR/engine.conf must with_module openssl "$command" -engine pkcs11 -keyform engine "$option" "$key" "$@"
}

test_openssl_engine_signs_decrypts_and_derives()
{
	have "$(openssl version -e | sed 's/.*"\(.*\)"/\1/')/pkcs11.so" || return 0
	start
	cat > "$DIR/engine.conf" <<-END
		openssl_conf = all
		[all]
		engines = engines
		[engines]
		pkcs11 = pkcs11
		[pkcs11]
		engine_id = pkcs11
		MODULE_PATH = $MODULE
		init = 0
		[req]
		distinguished_name = name
		[name]
	END
	p11_generate rsa:2048 rsa 01
	p11_generate EC:secp256r1 ec 02
	for name in rsa ec; do
		engine $name req -key -new -x509 -subj "/CN=$name" -days 3 -out "$DIR/$name.pem"
		soft verify -CAfile "$DIR/$name.pem" "$DIR/$name.pem"
		engine $name dgst -sign -sha256 -out "$DIR/$name.sig" "$DIR/data"
		openssl_verify $name sha256
		engine $name cms -inkey -sign -signer "$DIR/$name.pem" -in "$DIR/data" -out "$DIR/cms"
		soft cms -verify -CAfile "$DIR/$name.pem" -in "$DIR/cms"
	done
	engine rsa dgst -sign -sha384 -sigopt rsa_padding_mode:pss -out "$DIR/rsa.sig" "$DIR/data"
	openssl_verify rsa sha384 -sigopt rsa_padding_mode:pss
	for hash in sha1 sha256; do
		soft pkeyutl -encrypt -pubin -inkey "$MNT/$LABEL/public/rsa.pub/public.pem" -in "$DIR/data" -out "$DIR/blob" \
			-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:$hash
		engine rsa pkeyutl -inkey -decrypt -in "$DIR/blob" -out "$DIR/clear" -pkeyopt rsa_padding_mode:oaep \
			-pkeyopt rsa_oaep_md:$hash
		same_file "$DIR/data" "$DIR/clear"
	done
	soft_pair peer -newkey ec -pkeyopt ec_paramgen_curve:P-256
	soft pkey -in "$DIR/peer.key" -pubout -out "$DIR/peer.pubpem"
	engine ec pkeyutl -inkey -derive -peerkey "$DIR/peer.pubpem" -peerform PEM -out "$DIR/secret"
	soft pkeyutl -derive -inkey "$DIR/peer.key" -peerkey "$MNT/$LABEL/public/ec.pub/public.pem" -out "$DIR/want"
	same_file "$DIR/want" "$DIR/secret"
}

# ---- OpenSSH ----

test_ssh_agent_signs_with_keys_of_the_token()
{
	have_plain ssh-keygen ssh-agent ssh-add || return 0
	start
	n=0
	for type in rsa:2048 EC:secp256r1 EC:secp384r1 EC:secp521r1; do
		n=$((n + 1))
		p11_generate $type k$n 0$n
	done
	must ssh-keygen -D "$MODULE" # without login
	assertEquals "$out" 4 "$(grep -c '^ssh-rsa\|^ecdsa-' "$DIR/out")"
	cp "$DIR/out" "$DIR/keys"
	printf '#!/bin/sh\necho "%s"\n' "$PIN" > "$DIR/askpass"
	chmod 700 "$DIR/askpass"
	eval "$(ssh-agent -a "$DIR/agent" -P "$MODULE")" > "$DIR/out"
	SSH_ASKPASS=$DIR/askpass SSH_ASKPASS_REQUIRE=force must ssh-add -s "$MODULE"
	while read -r type key _; do
		echo "$type $key" > "$DIR/one.pub"
		rm -f "$DIR/data.sig"
		must ssh-keygen -Y sign -n test -f "$DIR/one.pub" "$DIR/data"
		echo "me $type $key" > "$DIR/allowed"
		ssh-keygen -Y verify -n test -f "$DIR/allowed" -I me -s "$DIR/data.sig" < "$DIR/data" > "$DIR/out" 2>&1
		assertEquals "$type: $(cat "$DIR/out")" 0 $?
	done < "$DIR/keys"
	must ssh-add -e "$MODULE"
	must ssh-agent -k
	unset SSH_AUTH_SOCK SSH_AGENT_PID
}

# ---- NSS ----

nss() # COMMAND ARGUMENT...: with the database and the PIN
{
	command=$1
	shift
	must with_module "$command" -d "sql:$DIR/nss" "$@"
}

test_nss_tools_make_import_and_use_keys()
{
	have_plain modutil certutil pk12util || return 0
	start
	mkdir "$DIR/nss"
	echo password > "$DIR/password"
	printf 'NSS Certificate DB:password\n%s:%s\n' "$LABEL" "$PIN" > "$DIR/passwords"
	head -c 2000 /dev/urandom > "$DIR/noise"
	nss certutil -N -f "$DIR/password"
	must modutil -dbdir "sql:$DIR/nss" -force -add tokenfs -libfile "$MODULE"
	# The trust flags stand in NSS' own database.
	nss certutil -S -h "$LABEL" -f "$DIR/passwords" -n ca -s CN=ca -x -t u,u,u -k rsa -g 2048 -z "$DIR/noise" -m 1
	nss certutil -S -h "$LABEL" -f "$DIR/passwords" -n server -s CN=localhost -x -t u,u,u -k ec -q nistp256 \
		-z "$DIR/noise" -m 2
	for name in ca server; do
		nss certutil -L -h "$LABEL" -f "$DIR/passwords" -n "$LABEL:$name" -a
		cp "$DIR/out" "$DIR/$name.pem"
		soft verify -CAfile "$DIR/$name.pem" "$DIR/$name.pem"
	done
	for type in rsa:2048 ec; do
		soft_pair "nss-${type%%:*}" -newkey $type -pkeyopt "$(
			[ $type = ec ] && echo ec_paramgen_curve:P-256 || echo rsa_keygen_pubexp:65537)"
		soft pkcs12 -export -inkey "$DIR/$name.key" -in "$DIR/$name.pem" -name "$name" -out "$DIR/p12" -passout pass:x
		nss pk12util -i "$DIR/p12" -h "$LABEL" -k "$DIR/passwords" -W x
	done
	nss certutil -K -h "$LABEL" -f "$DIR/passwords"
	assertEquals "$out" 4 "$(grep -c '^<' "$DIR/out")"
	nss certutil -R -h "$LABEL" -f "$DIR/passwords" -k rsa -s CN=request -a -o "$DIR/request" -z "$DIR/noise"
	soft req -in "$DIR/request" -verify -noout
	nss certutil -F -h "$LABEL" -f "$DIR/passwords" -n "$LABEL:server"
}

# ---- PyKCS11 ----

# Debian 12's PyKCS11 fails on a mechanism that it has no name for, and wraps by RSA PKCS#1 v1.5 unless told otherwise.
test_pykcs11_lists_mechanisms_and_wraps_as_it_does_by_default()
{
	have_plain /usr/lib/python3/dist-packages/PyKCS11 || return 0
	start
	p11_generate rsa:2048 rsa 01
	cat > "$DIR/client.py" <<-'END'
		import sys
		from PyKCS11 import *
		lib = PyKCS11Lib()
		lib.load(sys.argv[1])
		slot = lib.getSlotList(tokenPresent=True)[0]
		for m in lib.getMechanismList(slot):
		    lib.getMechanismInfo(slot, m)
		s = lib.openSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
		s.login(sys.argv[2])
		pub, priv = s.generateKeyPair(
		    [(CKA_CLASS, CKO_PUBLIC_KEY), (CKA_MODULUS_BITS, 2048), (CKA_PUBLIC_EXPONENT, (1, 0, 1)),
		     (CKA_ENCRYPT, CK_TRUE), (CKA_VERIFY, CK_TRUE), (CKA_WRAP, CK_TRUE)],
		    [(CKA_CLASS, CKO_PRIVATE_KEY), (CKA_DECRYPT, CK_TRUE), (CKA_SIGN, CK_TRUE), (CKA_UNWRAP, CK_TRUE)])
		aes = [(CKA_CLASS, CKO_SECRET_KEY), (CKA_KEY_TYPE, CKK_AES), (CKA_ENCRYPT, CK_TRUE), (CKA_DECRYPT, CK_TRUE),
		       (CKA_EXTRACTABLE, CK_TRUE), (CKA_SENSITIVE, CK_FALSE)]
		key = s.generateKey(aes + [(CKA_VALUE_LEN, 32)])
		back = s.unwrapKey(priv, s.wrapKey(pub, key), aes)
		iv = b"0123456789ab"
		blob = s.encrypt(key, b"message", AES_GCM_Mechanism(iv, b"with it", 128))
		assert bytes(s.decrypt(back, blob, AES_GCM_Mechanism(iv, b"with it", 128))) == b"message"
		try:
		    s.createObject([(CKA_CLASS, CKO_SECRET_KEY), (CKA_KEY_TYPE, CKK_AES), (CKA_VALUE, b"1" * 17)])
		    sys.exit("an AES key of 17 bytes")
		except PyKCS11Error as e:
		    assert e.value == CKR_ATTRIBUTE_VALUE_INVALID, e
		s.logout()
		s.closeSession()
	END
	must /usr/bin/python3 "$DIR/client.py" "$MODULE" "$PIN"
}

# ---- p11-kit ----

test_p11_kit_server_serves_several_clients_at_once()
{
	client=$(find /usr/lib -name p11-kit-client.so 2> /dev/null | head -n 1)
	have_plain p11-kit "${client:-p11-kit-client.so}" || return 0
	start
	p11_generate rsa:2048 rsa 01
	mkdir -m 700 "$DIR/run"
	# Now and then its first answer is a socket that it could not bind, whatever the module.
	for _ in 1 2 3; do
		eval "$(XDG_RUNTIME_DIR=$DIR/run p11-kit server --provider "$MODULE" "pkcs11:token=$LABEL")"
		run pkcs11-tool --module "$client" --list-token-slots
		case $out in *"$LABEL"*) break ;; esac
		kill "$P11_KIT_SERVER_PID"
	done
	pids=
	for n in 1 2 3 4; do
		pkcs11-tool --module "$client" --login --pin "$PIN" --sign --mechanism SHA256-RSA-PKCS --id 01 \
			--input-file "$DIR/data" --output-file "$DIR/rsa.sig.$n" > "$DIR/out.$n" 2>&1 &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086 # a list
	wait $pids
	for n in 1 2 3 4; do
		assertTrue "$(cat "$DIR/out.$n")" "mv '$DIR/rsa.sig.$n' '$DIR/rsa.sig'"
		openssl_verify rsa sha256
	done
	kill "$P11_KIT_SERVER_PID"
	unset P11_KIT_SERVER_ADDRESS P11_KIT_SERVER_PID
}

. shunit2

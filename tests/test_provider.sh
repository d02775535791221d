#!/bin/sh
# OpenSSL 3 with keys in a token, by the package pkcs11-provider: signatures, decryption, agreement, certificates, CMS
# and TLS. Plain OpenSSL, without the provider, is the judge. Skipped where the package is not installed.
# Needs: PROVIDER (another build of it; default: the installed one)
. "$(dirname "$0")/lib/tokenfs.sh"
. "$TOP/tests/lib/clients.sh"

start()
{
	have_plain "$PROVIDER" || return 1
	tfs_start
	tfs_token
	echo 'a message' > "$DIR/data"
	provider_conf
	cat >> "$DIR/provider.conf" <<-END
		pkcs11-module-encode-provider-uri-to-pem = true
		[req]
		distinguished_name = name
		[name]
		[ca]
		basicConstraints = critical,CA:TRUE
	END
}

# openssl with the provider
token()
{
	OPENSSL_CONF=$DIR/provider.conf must openssl "$@"
}

private() # NAME: the URI of the private key
{
	echo "pkcs11:token=$LABEL;object=$1;type=private"
}

public() # NAME: the file of the public key
{
	echo "$MNT/$LABEL/public/$1.pub/public.pem"
}

# NAME [OPTION...]: a self-signed certificate in $DIR/NAME.pem
certificate()
{
	certified=$1
	shift
	token req -x509 -new -key "$(private "$certified")" -subj "/CN=$certified" -days 3 -out "$DIR/$certified.pem" "$@"
	soft verify -CAfile "$DIR/$certified.pem" "$DIR/$certified.pem"
}

# NAME [OPTION...]: signed in the token, verified outside
sign_and_verify()
{
	signer=$1
	shift
	rm -f "$DIR/sig"
	token pkeyutl -sign -inkey "$(private "$signer")" -rawin -in "$DIR/data" -out "$DIR/sig" "$@"
	soft pkeyutl -verify -pubin -inkey "$(public "$signer")" -rawin -in "$DIR/data" -sigfile "$DIR/sig" "$@"
	echo 'another message' > "$DIR/other"
	OPENSSL_CONF=/dev/null refused 'Verification Failure' openssl pkeyutl -verify -pubin -inkey "$(public "$signer")" \
		-rawin -in "$DIR/other" -sigfile "$DIR/sig" "$@"
}

test_provider_signs_opensslVerifies()
{
	start || return 0
	p11_generate rsa:2048 rsa 01
	p11_generate EC:secp256r1 p256 02
	p11_generate EC:secp384r1 p384 03
	p11_generate EC:secp521r1 p521 04
	p11_generate EC:edwards25519 ed25519 05
	for hash in sha256 sha384 sha512; do
		sign_and_verify rsa -digest $hash
		sign_and_verify rsa -digest $hash -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:digest
	done
	sign_and_verify p256 -digest sha256
	sign_and_verify p384 -digest sha384
	sign_and_verify p521 -digest sha512
	sign_and_verify ed25519
	for name in rsa p256 ed25519; do
		token pkey -in "pkcs11:token=$LABEL;object=$name;type=public" -pubin -pubout -out "$DIR/pub.pem"
		soft pkey -pubin -in "$DIR/pub.pem" -outform DER -out "$DIR/pub"
		soft pkey -pubin -in "$(public $name)" -outform DER -out "$DIR/want"
		same_file "$DIR/pub" "$DIR/want"
	done
}

test_provider_wrongPin_isRefused()
{
	start || return 0
	p11_generate EC:secp256r1 key 01
	echo 0000-wrong > "$DIR/pin"
	OPENSSL_CONF=$DIR/provider.conf refused 'Could not' openssl pkeyutl -sign -inkey "$(private key)" -rawin -in "$DIR/data" \
		-out "$DIR/sig"
	assertFalse 'no signature' "[ -s '$DIR/sig' ]"
	echo "$PIN" > "$DIR/pin"
	sign_and_verify key
}

test_provider_decryptsAndAgrees()
{
	start || return 0
	p11_generate rsa:2048 rsa 01
	p11_generate EC:secp256r1 ec 02
	# Unless it is told both of OAEP's hashes, version 1.0 of the provider asks for none, which is no mechanism.
	for padding in pkcs1 'oaep sha1' 'oaep sha256' 'oaep sha384'; do
		hash=${padding#oaep } padding=${padding%% *}
		set -- -pkeyopt "rsa_padding_mode:$padding"
		[ "$padding" = pkcs1 ] || set -- "$@" -pkeyopt "rsa_oaep_md:$hash" -pkeyopt "rsa_mgf1_md:$hash"
		soft pkeyutl -encrypt -pubin -inkey "$(public rsa)" -in "$DIR/data" -out "$DIR/blob" "$@"
		token pkeyutl -decrypt -inkey "$(private rsa)" -in "$DIR/blob" -out "$DIR/clear" "$@"
		same_file "$DIR/data" "$DIR/clear"
	done
	soft genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$DIR/peer.key"
	soft pkey -in "$DIR/peer.key" -pubout -out "$DIR/peer.pub"
	token pkeyutl -derive -inkey "$(private ec)" -peerkey "$DIR/peer.pub" -out "$DIR/secret"
	soft pkeyutl -derive -inkey "$DIR/peer.key" -peerkey "$(public ec)" -out "$DIR/want"
	same_file "$DIR/want" "$DIR/secret"
}

test_provider_generatesKeysInTheToken()
{
	start || return 0
	id=10
	for key in RSA:rsa_keygen_bits:2048 EC:ec_paramgen_curve:P-256 ED25519; do
		type=${key%%:*}
		option=${key#"$type"}
		id=$((id + 1))
		token genpkey -propquery provider=pkcs11 -algorithm "$type" ${option:+-pkeyopt "${option#:}"} \
			-pkeyopt "pkcs11_uri:pkcs11:token=$LABEL;object=made-$type;id=%$id" -out "$DIR/reference.pem"
		assertTrue "no key leaves: $(cat "$DIR/reference.pem")" "grep -q 'PKCS#11 PROVIDER URI' '$DIR/reference.pem'"
		sign_and_verify "made-$type"
		# The file that it writes in the place of a key is a key to OpenSSL.
		token pkeyutl -sign -inkey "$DIR/reference.pem" -rawin -in "$DIR/data" -out "$DIR/sig"
		soft pkeyutl -verify -pubin -inkey "$(public "made-$type")" -rawin -in "$DIR/data" -sigfile "$DIR/sig"
	done
}

# Version 1.0 of the provider knows none of them.
test_provider_postQuantumKeys()
{
	start || return 0
	openssl list -kem-algorithms 2> /dev/null | grep -q ML-KEM || {
		skip 'this OpenSSL has no post-quantum algorithms'
		return 0
	}
	OPENSSL_CONF=$DIR/provider.conf run openssl genpkey -propquery provider=pkcs11 -algorithm ML-DSA-44 -out "$DIR/any.pem"
	case $out in *'inner_evp_generic_fetch:unsupported'*)
		skip 'this version of pkcs11-provider has no post-quantum algorithms'
		return 0
		;;
	esac
	id=20
	for type in ML-DSA-44 ML-DSA-65 ML-DSA-87 ML-KEM-512 ML-KEM-768 ML-KEM-1024; do
		id=$((id + 1))
		token genpkey -propquery provider=pkcs11 -algorithm $type \
			-pkeyopt "pkcs11_uri:pkcs11:token=$LABEL;object=$type;id=%$id" -out "$DIR/reference.pem"
		soft pkey -pubin -in "$(public $type)" -noout -text
		assertContains 'the type' "$out" "$type"
		case $type in
		ML-DSA-*)
			sign_and_verify $type
			certificate $type
			;;
		ML-KEM-*)
			soft pkeyutl -encap -pubin -inkey "$(public $type)" -secret "$DIR/want" -out "$DIR/blob"
			token pkeyutl -decap -inkey "$(private $type)" -in "$DIR/blob" -secret "$DIR/secret"
			same_file "$DIR/want" "$DIR/secret"
			;;
		esac
	done
}

test_provider_makesRequestsCertificatesAndMessages()
{
	start || return 0
	p11_generate rsa:2048 ca 01
	p11_generate EC:secp256r1 user 02
	certificate ca -extensions ca
	token req -new -key "$(private user)" -subj /CN=user -out "$DIR/request"
	soft req -in "$DIR/request" -verify -noout
	token x509 -req -in "$DIR/request" -CA "$DIR/ca.pem" -CAkey "$(private ca)" -days 3 -out "$DIR/user.pem"
	soft verify -CAfile "$DIR/ca.pem" "$DIR/user.pem"
	token cms -sign -inkey "$(private user)" -signer "$DIR/user.pem" -in "$DIR/data" -out "$DIR/cms"
	soft cms -verify -purpose any -CAfile "$DIR/ca.pem" -in "$DIR/cms" -out "$DIR/clear"
	soft cms -encrypt -binary -aes-256-cbc -in "$DIR/data" -out "$DIR/cms" "$DIR/ca.pem"
	token cms -decrypt -inkey "$(private ca)" -recip "$DIR/ca.pem" -in "$DIR/cms" -out "$DIR/clear"
	same_file "$DIR/data" "$DIR/clear"
}

# A TLS server and its client on a socket in the scratch folder; ROLE's key is in the token, the other one's is a file.
# s_server makes no socket whose path is longer than 31 bytes.
# ROLE NAME OPTION...
handshake()
{
	role=$1
	name=$2
	shift 2
	server_conf=/dev/null server_key=$DIR/soft.key server_cert=$DIR/soft.pem
	client_conf=/dev/null client_key=$DIR/soft.key client_cert=$DIR/soft.pem
	eval "${role}_conf=\$DIR/provider.conf ${role}_key=\$(private $name) ${role}_cert=\$DIR/$name.pem"
	rm -f "$DIR/socket"
	: > "$DIR/client"
	# shellcheck disable=SC2154 # set by eval
	cd "$DIR" || return 1
	OPENSSL_CONF=$server_conf openssl s_server -unix socket -naccept 1 -quiet -key "$server_key" \
		-cert "$server_cert" -CAfile "$client_cert" -Verify 1 -verify_return_error -rev > "$DIR/server" 2>&1 &
	server=$!
	timeout 10 sh -c 'until [ -S "$1" ]; do sleep 0.05; done' sh "$DIR/socket" || fail "no server: $(cat "$DIR/server")"
	# shellcheck disable=SC2154
	{
		echo olleh
		timeout 5 sh -c 'until grep -q hello "$1"; do sleep 0.05; done' sh "$DIR/client"
	} | OPENSSL_CONF=$client_conf timeout 20 openssl s_client -unix socket -brief -key "$client_key" \
		-cert "$client_cert" -CAfile "$server_cert" -verify_return_error "$@" > "$DIR/client" 2>&1
	assertTrue "$role with $name, $*: $(cat "$DIR/client" "$DIR/server")" "grep -q '^hello' '$DIR/client'"
	kill "$server" 2> /dev/null
	wait "$server"
	cd "$TOP" || return 1
}

test_provider_speaksTls()
{
	start || return 0
	p11_generate rsa:2048 rsa 01
	p11_generate EC:secp256r1 ec 02
	p11_generate EC:edwards25519 ed25519 03
	soft req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=soft -days 3 -keyout "$DIR/soft.key" \
		-out "$DIR/soft.pem"
	for name in rsa ec ed25519; do
		certificate $name
		for version in tls1_2 tls1_3; do
			handshake server $name -$version
			handshake client $name -$version
		done
	done
}

# Each process logs in by itself; one that ends takes nobody's login with it.
test_provider_manyProcessesAtOnce()
{
	start || return 0
	p11_generate EC:secp256r1 ec 01
	pids=
	for n in 1 2 3 4 5 6 7 8; do
		OPENSSL_CONF=$DIR/provider.conf openssl pkeyutl -sign -inkey "$(private ec)" -rawin -in "$DIR/data" \
			-out "$DIR/sig.$n" > "$DIR/out.$n" 2>&1 &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid"
		assertEquals 'exit code' 0 $?
	done
	for n in 1 2 3 4 5 6 7 8; do
		soft pkeyutl -verify -pubin -inkey "$(public ec)" -rawin -in "$DIR/data" -sigfile "$DIR/sig.$n"
	done
}

. shunit2

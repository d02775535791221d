# clients.sh - what tests of other people's programs share: keys with certificates, OpenSSL's engine, places that programs
# look at and will not be told, servers that have to be ready
#
# Use:      . "$(dirname "$0")/lib/tokenfs.sh"; . "$TOP/tests/lib/clients.sh"
#           start; key_pairs         a token with the pairs rsa (id 01) and ec (02), certified: $DIR/rsa.pem, $DIR/ec.pem
#           engine_conf              OPENSSL_CONF for the engine pkcs11 with the module and the PIN
#           provider_conf            the same for pkcs11-provider; lines added to $DIR/provider.conf are the provider's too
#           over FILE PLACE...; "$DIR/privately" COMMAND...    sees FILE at PLACE; nobody else does
# shellcheck shell=sh disable=SC2034

ENGINE=$(openssl version -e | sed 's/.*"\(.*\)"/\1/')/pkcs11.so
PROVIDER=${PROVIDER:-$(openssl version -m | sed 's/.*"\(.*\)"/\1/')/pkcs11.so}

start()
{
	tfs_start
	tfs_token
	echo 'a message' > "$DIR/data"
}

public() # NAME: the file of the public key
{
	echo "$MNT/$LABEL/public/$1.pub/public.pem"
}

private() # NAME: the URI of the private key, with the PIN
{
	echo "pkcs11:token=$LABEL;object=$1;type=private;pin-value=$PIN"
}

# A certificate authority outside: $DIR/ca.pem, $DIR/ca.key
authority()
{
	[ -e "$DIR/ca.pem" ] || soft req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=ca -days 3 \
		-addext basicConstraints=critical,CA:TRUE -keyout "$DIR/ca.key" -out "$DIR/ca.pem"
}

# NAME [SUBJECT [OPTION...]]: a certificate for the token's public key of that name, in $DIR/NAME.pem; options of
# `openssl x509` choose another key and extensions.
certify()
{
	name=$1
	subject=${2:-$1}
	shift
	[ $# -eq 0 ] || shift
	authority
	soft req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$DIR/any.key" -subj "/CN=$subject" \
		-out "$DIR/request"
	[ $# -gt 0 ] || set -- -force_pubkey "$(public "$name")"
	soft x509 -req -in "$DIR/request" -CA "$DIR/ca.pem" -CAkey "$DIR/ca.key" -days 3 -out "$DIR/$name.pem" "$@"
}

store_certificate() # NAME ID
{
	soft x509 -in "$DIR/$1.pem" -outform DER -out "$DIR/$1.der"
	must p11_user --write-object "$DIR/$1.der" --type cert --label "$1" --id "$2"
}

key_pairs()
{
	echo 'extendedKeyUsage=codeSigning,clientAuth,serverAuth,emailProtection
keyUsage=digitalSignature,keyEncipherment
subjectAltName=DNS:localhost,IP:127.0.0.1,email:me@example.net' > "$DIR/extensions"
	for key in rsa:2048/rsa/01 EC:secp256r1/ec/02; do
		id=${key##*/}
		name=${key%/*}
		name=${name#*/}
		p11_generate "${key%%/*}" "$name" "$id"
		certify "$name" "$name" -force_pubkey "$(public "$name")" -extfile "$DIR/extensions"
		store_certificate "$name" "$id"
	done
}

# A self-signed certificate for localhost with a key outside: $DIR/server.pem, $DIR/server.key
soft_server()
{
	soft req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=server -days 3 \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$DIR/server.key" -out "$DIR/server.pem"
}

engine_conf()
{
	cat > "$DIR/engine.conf" <<-END
		openssl_conf = all
		[all]
		engines = engines
		[engines]
		pkcs11 = pkcs11
		[pkcs11]
		engine_id = pkcs11
		MODULE_PATH = $MODULE
		PIN = $PIN
		init = 1
	END
}

provider_conf()
{
	echo "$PIN" > "$DIR/pin"
	cat > "$DIR/provider.conf" <<-END
		openssl_conf = all
		[all]
		providers = providers
		[providers]
		default = own
		pkcs11 = pkcs11
		[own]
		activate = 1
		[pkcs11]
		module = $PROVIDER
		pkcs11-module-path = $MODULE
		pkcs11-module-token-pin = file:$DIR/pin
		activate = 1
	END
}

# FILE TEXT [OTHER]: waits until the text stands in the file, twenty seconds at most; OTHER is shown if it does not.
appears()
{
	timeout 20 sh -c 'until grep -q -e "$2" "$1" 2> /dev/null; do sleep 0.05; done' sh "$1" "$2" ||
		fail "no '$2' in: $(tail -n 30 "$1" ${3:+"$3"})"
}

some_port()
{
	echo $((20000 + $(od -An -N2 -tu2 /dev/urandom) % 20000))
}

# NAME TEXT: the output of a TLS client must hold the text, whatever else it says.
says()
{
	assertContains "$1" "$(tr -d '\0' < "$DIR/answer")" "$2"
}

# PORT OPTION...: plain OpenSSL asks a server on this machine for /, and has to trust it; the answer is in $DIR/answer.
ask_server()
{
	port=$1
	shift
	printf 'GET / HTTP/1.0\r\n\r\n' | OPENSSL_CONF=/dev/null timeout 10 openssl s_client -connect "127.0.0.1:$port" \
		"$@" -CAfile "$DIR/ca.pem" -verify_return_error -quiet -ign_eof > "$DIR/answer" 2>&1
}

# A server of plain OpenSSL that wants a client's certificate, until $server is killed; its port is in $port.
start_soft_server()
{
	[ -e "$DIR/server.pem" ] || soft_server
	OPENSSL_CONF=/dev/null timeout 60 openssl s_server -accept 127.0.0.1:0 -cert "$DIR/server.pem" -key "$DIR/server.key" \
		-CAfile "$DIR/ca.pem" -Verify 2 -verify_return_error -www > "$DIR/server.log" 2>&1 &
	server=$!
	appears "$DIR/server.log" '^ACCEPT'
	port=$(sed -n 's/^ACCEPT.*:\([0-9]*\).*/\1/p' "$DIR/server.log" | head -n 1)
}

stop() # PROCESS...
{
	kill "$@"
	wait "$@" 2> /dev/null
	return 0
}

# FILE PLACE ...: "$DIR/privately" COMMAND... runs the command where each file (or folder) stands at its place, which has
# to exist; it sees so alone. Skips where a process may not do that.
over()
{
	as=-m
	is_root || as='-Um --map-current-user --keep-caps'
	# shellcheck disable=SC2086 # options
	unshare $as true 2> /dev/null || {
		skip 'no private mounts for this user'
		return 1
	}
	{
		echo '#!/bin/sh'
		echo "exec unshare $as sh -c '"
		while [ $# -gt 1 ]; do
			echo "mount --bind \"$1\" \"$2\" || exit 1"
			shift 2
		done
		# shellcheck disable=SC2016 # of that shell
		echo 'exec "$@"'"' sh \"\$@\""
	} > "$DIR/privately"
	chmod 700 "$DIR/privately"
}

# The module as the only one that p11-kit knows, for programs that take theirs from there.
over_p11_kit()
{
	have /usr/share/p11-kit/modules || return 1
	mkdir -p "$DIR/modules"
	echo "module: $MODULE" > "$DIR/modules/tokenfs.module"
	over "$DIR/modules" /usr/share/p11-kit/modules
}

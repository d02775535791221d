#!/bin/sh
# More unmodified programs: strongSwan's pki, OpenVPN and nginx. Plain OpenSSL is their judge or the other side. (The ones
# that most people have: test_clients.sh; DNS servers: test_dns.sh.) A program that is not installed is skipped.
. "$(dirname "$0")/lib/tokenfs.sh"
. "$TOP/tests/lib/clients.sh"

# ---- strongSwan ----

# It asks for the PIN where getpass does: there is no terminal here, so on its standard input.
swan() # OUTPUT ARGUMENT...
{
	output=$1
	shift
	echo "$PIN" | STRONGSWAN_CONF=$DIR/strongswan.conf timeout 60 setsid pki "$@" --outform pem > "$output" 2> "$DIR/err"
	assertEquals "pki $* says: $(cat "$DIR/err");" 0 $?
}

test_strongswan_pki_issues_certificates()
{
	plugin=$(find /usr/lib/ipsec/plugins -name libstrongswan-pkcs11.so 2> /dev/null)
	have_plain pki setsid "${plugin:-libstrongswan-pkcs11.so}" || return 0
	start
	echo "libstrongswan { plugins { pkcs11 { modules { tokenfs { path = $MODULE } } } } }" > "$DIR/strongswan.conf"
	soft ecparam -name prime256v1 -genkey -noout -out "$DIR/user.key"
	soft pkey -in "$DIR/user.key" -pubout -out "$DIR/user.pub"
	for key in rsa:2048/41 EC:secp256r1/42 EC:secp384r1/43; do
		id=${key#*/}
		p11_generate "${key%/*}" "k$id" "$id"
		swan "$DIR/pub" --pub --keyid "$id"
		soft pkey -pubin -in "$DIR/pub" -outform DER -out "$DIR/pub.der"
		soft pkey -pubin -in "$(public "k$id")" -outform DER -out "$DIR/want.der"
		same_file "$DIR/want.der" "$DIR/pub.der"
		swan "$DIR/ca.pem" --self --keyid "$id" --type priv --dn "CN=ca $id" --ca --lifetime 3
		soft verify -CAfile "$DIR/ca.pem" "$DIR/ca.pem"
		swan "$DIR/user.pem" --issue --in "$DIR/user.pub" --type pub --cakeyid "$id" --cacert "$DIR/ca.pem" --dn CN=user \
			--lifetime 2
		soft verify -CAfile "$DIR/ca.pem" "$DIR/user.pem"
		swan "$DIR/crl.pem" --signcrl --cakeyid "$id" --cacert "$DIR/ca.pem" --lifetime 1
		soft crl -in "$DIR/crl.pem" -CAfile "$DIR/ca.pem" -noout
		assertContains "$out" 'verify OK'
	done
}

# ---- OpenVPN ----

# The client's key is in the token, which its user has unlocked: OpenVPN, by pkcs11-helper, logs in without a PIN.
test_openvpn_connects_with_an_unlocked_token()
{
	have_plain openvpn || return 0
	openvpn --version | grep -q pkcs11=yes || { skip 'openvpn is built without PKCS#11'; return 0; }
	start
	n=60
	for type in rsa:2048 EC:secp256r1; do
		n=$((n + 1))
		p11_generate $type key$n $n
		certify key$n
		soft x509 -in "$DIR/key$n.pem" -outform DER -out "$DIR/cert"
		must p11_user --write-object "$DIR/cert" --type cert --label key$n --id $n
	done
	soft req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=server -days 3 -keyout "$DIR/server.key" \
		-out "$DIR/server.pem"
	tfs_unlock
	must openvpn --show-pkcs11-ids "$MODULE"
	sed -n 's/^ *Serialized id: *//p' "$DIR/out" > "$DIR/ids"
	assertEquals "$out" 2 "$(wc -l < "$DIR/ids")"
	while read -r id; do
		port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 20000))
		timeout 60 openvpn --dev null --proto tcp-server --local 127.0.0.1 --lport $port --tls-server --ca "$DIR/ca.pem" \
			--cert "$DIR/server.pem" --key "$DIR/server.key" --dh none --verb 3 > "$DIR/server" 2>&1 < /dev/null &
		server=$!
		appears "$DIR/server" 'Listening for incoming TCP'
		timeout 60 openvpn --dev null --proto tcp-client --remote 127.0.0.1 $port --tls-client --nobind \
			--ca "$DIR/server.pem" --pkcs11-providers "$MODULE" --pkcs11-id "$id" --pkcs11-protected-authentication 1 \
			--verb 3 > "$DIR/client" 2>&1 < /dev/null &
		client=$!
		appears "$DIR/client" 'Initialization Sequence Completed' "$DIR/server"
		appears "$DIR/server" 'VERIFY OK: depth=0, CN=key'
		kill $client $server
		wait $client $server
	done < "$DIR/ids"
}

# ---- nginx ----

# The server reads its keys before it makes its workers: each uses them in a process that was forked with the module
# initialised, and makes a connection of its own. Workers of another user would not reach the mount.
test_nginx_serves_tls_from_its_workers()
{
	have_plain nginx "$ENGINE" || return 0
	start
	p11_generate rsa:2048 rsa 01
	p11_generate EC:secp256r1 ec 02
	certify rsa
	certify ec
	engine_conf
	cat > "$DIR/nginx.conf" <<-END
		daemon off;
		user $(id -un);
		worker_processes 3;
		error_log $DIR/error;
		pid $DIR/pid;
		env TOKENFS_CONF;
		events { worker_connections 64; }
		http {
			access_log off;
			client_body_temp_path $DIR/t1;
			proxy_temp_path $DIR/t2;
			fastcgi_temp_path $DIR/t3;
			uwsgi_temp_path $DIR/t4;
			scgi_temp_path $DIR/t5;
			server {
				listen unix:$DIR/socket ssl;
				ssl_protocols TLSv1.2 TLSv1.3;
				ssl_certificate $DIR/rsa.pem;
				ssl_certificate_key "engine:pkcs11:pkcs11:token=$LABEL;object=rsa;type=private";
				ssl_certificate $DIR/ec.pem;
				ssl_certificate_key "engine:pkcs11:pkcs11:token=$LABEL;object=ec;type=private";
				location / { return 200 "worker \$pid says hello\n"; }
			}
		}
	END
	OPENSSL_CONF=$DIR/engine.conf timeout 60 nginx -e "$DIR/error" -c "$DIR/nginx.conf" > "$DIR/nginx" 2>&1 &
	server=$!
	timeout 10 sh -c 'until [ -S "$1" ]; do sleep 0.05; done' sh "$DIR/socket" ||
		fail "no server: $(cat "$DIR/nginx" "$DIR/error")"
	for reload in no yes; do
		for options in '-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256' '-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256' \
			'-tls1_3 -sigalgs rsa_pss_rsae_sha256' '-tls1_3 -sigalgs ecdsa_secp256r1_sha256'; do
			# shellcheck disable=SC2086 # options
			printf 'GET / HTTP/1.0\r\n\r\n' | OPENSSL_CONF=/dev/null timeout 10 openssl s_client -unix "$DIR/socket" \
				$options -CAfile "$DIR/ca.pem" -verify_return_error -quiet -ign_eof > "$DIR/answer" 2>&1
			assertContains "reload: $reload, $options: $(cat "$DIR/error")" "$(cat "$DIR/answer")" 'says hello'
		done
		[ $reload = yes ] || { kill -HUP "$(cat "$DIR/pid")"; sleep 1; }
	done
	kill "$(cat "$DIR/pid")"
	wait $server
}

. shunit2

#!/bin/sh
# Programs that speak TLS with a key in a token: wpa_supplicant, curl and stunnel, Apache, GIO, NSS. Plain OpenSSL is the
# other side. (nginx and OpenVPN: test_clients2.sh; Java: test_java_tls.sh.) A program that is not installed is skipped.
. "$(dirname "$0")/lib/tokenfs.sh"
. "$TOP/tests/lib/clients.sh"

# ---- wpa_supplicant ----

# The supplicant's own code, against hostapd's RADIUS server. It loads modules from below /usr/lib alone.
test_wpa_supplicant_authenticates_by_eap_tls()
{
	place=$(find /usr/lib -name p11-kit-client.so 2> /dev/null | head -n 1)
	have_plain eapol_test hostapd "$ENGINE" "${place:-p11-kit-client.so}" || return 0
	start
	key_pairs
	soft_server
	soft pkey -in "$DIR/server.key" -pubout -out "$DIR/server.pub"
	certify radius radius -force_pubkey "$DIR/server.pub"
	over "$MODULE" "$place" || return 0
	port=$(some_port)
	cat > "$DIR/hostapd.conf" <<-END
		interface=lo
		driver=none
		eap_server=1
		eap_user_file=$DIR/users
		ca_cert=$DIR/ca.pem
		server_cert=$DIR/radius.pem
		private_key=$DIR/server.key
		radius_server_clients=$DIR/peers
		radius_server_auth_port=$port
	END
	echo '* TLS' > "$DIR/users"
	echo '127.0.0.1 secret' > "$DIR/peers"
	timeout 60 hostapd "$DIR/hostapd.conf" > "$DIR/hostapd" 2>&1 &
	server=$!
	appears "$DIR/hostapd" AP-ENABLED
	for key in rsa ec; do
		cat > "$DIR/wpa.conf" <<-END
			pkcs11_engine_path=$ENGINE
			pkcs11_module_path=$place
			network={
			    key_mgmt=IEEE8021X
			    eap=TLS
			    identity="alice"
			    ca_cert="$DIR/ca.pem"
			    engine=1
			    engine_id="pkcs11"
			    key_id="pkcs11:token=$LABEL;object=$key;type=private"
			    cert_id="pkcs11:token=$LABEL;object=$key;type=cert"
			    pin="$PIN"
			}
		END
		must timeout 20 "$DIR/privately" eapol_test -c "$DIR/wpa.conf" -a 127.0.0.1 -p "$port" -s secret
		assertContains "$out" 'MPPE keys OK: 1'
	done
	stop $server
}

# ---- curl and stunnel ----

# Both ends in one connection: stunnel has the server's key in the token, curl the client's.
test_curl_reaches_stunnel()
{
	have_plain curl stunnel4 "$ENGINE" || return 0
	curl --engine list | grep -q dynamic || { skip 'curl is built without engines'; return 0; }
	start
	key_pairs
	engine_conf
	cat > "$DIR/web" <<-'END'
		#!/bin/sh
		while read -r line && [ ${#line} -gt 1 ]; do :; done
		printf 'HTTP/1.0 200 OK\r\n\r\nhello\n'
	END
	chmod 700 "$DIR/web"
	port=$(some_port)
	cat > "$DIR/stunnel.conf" <<-END
		foreground = yes
		pid =
		debug = info
		output = $DIR/stunnel.log
		engine = pkcs11
		engineCtrl = MODULE_PATH:$MODULE
		engineCtrl = PIN:$PIN
		[web]
		accept = 127.0.0.1:$port
		exec = $DIR/web
		execArgs = web
		engineId = pkcs11
		cert = $DIR/rsa.pem
		key = pkcs11:token=$LABEL;object=rsa;type=private
		CAfile = $DIR/ca.pem
		verifyChain = yes
	END
	timeout 60 stunnel4 "$DIR/stunnel.conf" > "$DIR/stunnel" 2>&1 &
	server=$!
	appears "$DIR/stunnel.log" 'Configuration successful' "$DIR/stunnel"
	for key in rsa ec; do
		OPENSSL_CONF=$DIR/engine.conf must timeout 20 curl -sS --cacert "$DIR/ca.pem" --engine pkcs11 \
			--cert "$DIR/$key.pem" --key-type ENG --key "pkcs11:token=$LABEL;object=$key;type=private" \
			"https://localhost:$port/"
		assertContains "$out" hello
		appears "$DIR/stunnel.log" "accepted at depth=0: CN *= *$key"
	done
	run curl -sS --cacert "$DIR/ca.pem" "https://localhost:$port/"
	assertNotEquals "without a certificate: $out;" 0 "$code"
	stop $server
}

# ---- Apache ----

# It will not run as root, and where it is started as root its children could not reach the mount.
test_apache_serves_tls()
{
	modules=/usr/lib/apache2/modules
	have_plain apache2 $modules/mod_ssl.so "$ENGINE" || return 0
	as=
	is_root && as='unshare -U --map-user=1000 --map-group=1000'
	$as true 2> /dev/null || { skip 'no user namespaces'; return 0; }
	start
	key_pairs
	engine_conf
	port=$(some_port)
	mkdir "$DIR/web"
	echo 'hello from apache' > "$DIR/web/index.html"
	cat > "$DIR/apache.conf" <<-END
		ServerRoot $DIR
		ServerName localhost
		Listen 127.0.0.1:$port
		PidFile $DIR/pid
		ErrorLog $DIR/error
		Mutex fcntl:$DIR
		LoadModule mpm_event_module $modules/mod_mpm_event.so
		LoadModule authz_core_module $modules/mod_authz_core.so
		LoadModule dir_module $modules/mod_dir.so
		LoadModule ssl_module $modules/mod_ssl.so
		StartServers 2
		SSLCryptoDevice pkcs11
		SSLSessionCache none
		DocumentRoot $DIR/web
		SSLEngine on
		SSLCertificateFile $DIR/rsa.pem
		SSLCertificateKeyFile "pkcs11:token=$LABEL;object=rsa;type=private"
		SSLCertificateFile $DIR/ec.pem
		SSLCertificateKeyFile "pkcs11:token=$LABEL;object=ec;type=private"
	END
	# shellcheck disable=SC2086 # a command or none
	OPENSSL_CONF=$DIR/engine.conf timeout 60 $as apache2 -f "$DIR/apache.conf" -DFOREGROUND > "$DIR/apache" 2>&1 &
	server=$!
	appears "$DIR/error" 'resuming normal operations' "$DIR/apache"
	for options in '-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256' '-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256' \
		'-tls1_3 -sigalgs rsa_pss_rsae_sha256' '-tls1_3 -sigalgs ecdsa_secp256r1_sha256'; do
		# shellcheck disable=SC2086 # options
		ask_server "$port" $options
		says "$options: $(cat "$DIR/error")" 'hello from apache'
	done
	stop $server
}

# ---- GIO ----

# GNOME's programs: GIO, by GnuTLS and p11-kit; it asks for the PIN when it signs.
test_gio_shows_its_certificate()
{
	have_plain /usr/bin/python3 || return 0
	/usr/bin/python3 -c 'from gi.repository import Gio; exit(not Gio.TlsBackend.get_default().supports_tls())' \
		2> /dev/null || { skip 'no GIO with TLS'; return 0; }
	start
	key_pairs
	over_p11_kit || return 0
	cat > "$DIR/client.py" <<-'END'
		import sys
		from gi.repository import Gio
		port, token, key, pin, ca = sys.argv[1:]
		class Talk(Gio.TlsInteraction):
		    def do_ask_password(self, password, cancellable):
		        password.set_value(pin.encode())
		        return Gio.TlsInteractionResult.HANDLED
		uri = f"pkcs11:token={token};object={key};type="
		tls = Gio.TlsClientConnection.new(Gio.SocketClient.new().connect_to_host("127.0.0.1:" + port, 0, None),
		    Gio.NetworkAddress.new("localhost", int(port)))
		tls.set_certificate(Gio.TlsCertificate.new_from_pkcs11_uris(uri + "cert", uri + "private"))
		tls.set_database(Gio.TlsFileDatabase.new(ca))
		tls.set_interaction(Talk())
		tls.handshake(None)
		tls.get_output_stream().write(b"GET / HTTP/1.0\r\n\r\n")
		while page := tls.get_input_stream().read_bytes(65536).get_data():
		    print(page.decode())
	END
	start_soft_server
	for key in rsa ec; do
		must timeout 20 "$DIR/privately" /usr/bin/python3 "$DIR/client.py" "$port" "$LABEL" $key "$PIN" "$DIR/server.pem"
		assertTrue "$out" "grep -q 'Subject: CN *= *$key' '$DIR/out'"
	done
	stop $server
}

# ---- NSS ----

# The library of Firefox and Thunderbird with its own programs: a client, a server, secret keys.
test_nss_speaks_tls()
{
	have_plain certutil modutil tstclnt selfserv symkeyutil || return 0
	start
	key_pairs
	echo "$PIN" > "$DIR/pin"
	mkdir "$DIR/nss"
	must certutil -N -d "sql:$DIR/nss" --empty-password
	must modutil -dbdir "sql:$DIR/nss" -force -add tokenfs -libfile "$MODULE"
	start_soft_server
	for key in rsa ec; do
		must timeout 20 tstclnt -d "sql:$DIR/nss" -Q -o -h 127.0.0.1 -p "$port" -n "$LABEL:$key" -w "$PIN"
		appears "$DIR/server.log" "depth=0 CN *= *$key"
	done
	stop $server

	port=$(some_port)
	timeout 60 selfserv -d "sql:$DIR/nss" -n "$LABEL:rsa" -e "$LABEL:ec" -w "$PIN" -p "$port" -V tls1.2: -v \
		> "$DIR/selfserv" 2>&1 &
	server=$!
	# shellcheck disable=SC2016 # of that shell
	timeout 20 sh -c 'until : | openssl s_client -connect "$1"; do sleep 0.05; done' sh "127.0.0.1:$port" \
		> "$DIR/answer" 2>&1 || fail "no server: $(cat "$DIR/selfserv")"
	for options in '-tls1_2 -cipher AES128-SHA' '-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256' \
		'-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256' '-tls1_3 -sigalgs rsa_pss_rsae_sha256' \
		'-tls1_3 -sigalgs ecdsa_secp256r1_sha256'; do
		# shellcheck disable=SC2086 # options
		ask_server "$port" $options
		says "$options: $(cat "$DIR/selfserv")" '200 OK'
	done
	stop $server

	for type in aes des3 generic; do
		size=32
		[ $type != des3 ] || size=24
		must symkeyutil -d "sql:$DIR/nss" -K -n "a-$type" -t $type -s $size -h "$LABEL" -f "$DIR/pin"
	done
	must symkeyutil -d "sql:$DIR/nss" -L -h "$LABEL" -f "$DIR/pin"
	for line in 'a-aes *32 *256 *aes' 'a-des3 *24 *168 *des3' 'a-generic *32 *256 *generic'; do
		assertTrue "$out" "grep -q '^$line  *<restricted>' '$DIR/out'"
	done
}

. shunit2

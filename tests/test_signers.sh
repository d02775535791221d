#!/bin/sh
# Programs that sign with a key in a token: programs for Windows, UEFI, Java and U-Boot, files for the kernel, mail and
# documents, commits, zones. What they make is checked with plain OpenSSL, or by programs that link it and know no token.
# A program that is not installed is skipped.
. "$(dirname "$0")/lib/tokenfs.sh"
. "$TOP/tests/lib/clients.sh"

# ---- programs ----

# Authenticode: a program for UEFI, made of nothing, is signed by two and each signature checked by the other.
test_osslsigncode_and_sbsign_sign_a_program()
{
	have_plain osslsigncode sbsign sbverify gcc objcopy "$ENGINE" || return 0
	start
	key_pairs
	engine_conf
	echo 'void _start(void) { for (;;) ; }' > "$DIR/program.c"
	must gcc -nostdlib -ffreestanding -fno-asynchronous-unwind-tables -shared -fPIC -Wl,--build-id=none \
		-o "$DIR/program.so" "$DIR/program.c"
	must objcopy -j .text -j .data -j .reloc --target=efi-app-x86_64 "$DIR/program.so" "$DIR/program.efi"
	for key in rsa ec; do
		must osslsigncode sign -pkcs11engine "$ENGINE" -pkcs11module "$MODULE" -certs "$DIR/$key.pem" \
			-key "$(private $key)" -h sha256 -in "$DIR/program.efi" -out "$DIR/one-$key.efi"
		OPENSSL_CONF=$DIR/engine.conf must sbsign --engine pkcs11 --key "$(private $key)" --cert "$DIR/$key.pem" \
			--output "$DIR/two-$key.efi" "$DIR/program.efi"
		for signed in one two; do
			OPENSSL_CONF=/dev/null must osslsigncode verify -CAfile "$DIR/ca.pem" -in "$DIR/$signed-$key.efi"
			assertContains "$out" 'Signature verification: ok'
			OPENSSL_CONF=/dev/null must sbverify --cert "$DIR/$key.pem" "$DIR/$signed-$key.efi"
		done
	done
	refused 'verification failed' sbverify --cert "$DIR/ec.pem" "$DIR/one-rsa.efi"
}

# JDK: each signed file names what it covers, and the signature over that is a CMS message.
test_jarsigner_signs_a_jar()
{
	have_plain jarsigner jar || return 0
	start
	key_pairs
	printf 'name = test\nlibrary = %s\n' "$MODULE" > "$DIR/java.conf"
	must jar --create --file "$DIR/plain.jar" -C "$DIR" data
	for key in rsa ec; do
		must jarsigner -keystore NONE -storetype PKCS11 -storepass "$PIN" -providerClass sun.security.pkcs11.SunPKCS11 \
			-providerArg "$DIR/java.conf" -sigfile SIGNED -signedjar "$DIR/$key.jar" "$DIR/plain.jar" $key
		must jarsigner -verify "$DIR/$key.jar"
		assertContains "$out" 'jar verified'
		(cd "$DIR" && rm -rf META-INF && jar --extract --file $key.jar)
		soft cms -verify -binary -inform DER -in "$(find "$DIR/META-INF" -name 'SIGNED.[RE]*')" \
			-content "$DIR/META-INF/SIGNED.SF" -CAfile "$DIR/ca.pem" -purpose any -out /dev/null
	done
}

# U-Boot's images. The key's address is made of the folder and the name.
test_mkimage_signs_a_boot_image()
{
	have_plain mkimage dtc fdtget "$ENGINE" || return 0
	start
	key_pairs
	engine_conf
	cat > "$DIR/image.its" <<-END
		/dts-v1/;
		/ {
			description = "image";
			#address-cells = <1>;
			images {
				kernel-1 {
					data = /incbin/("$DIR/data");
					type = "kernel"; arch = "arm"; os = "linux"; compression = "none";
					load = <0x8000>; entry = <0x8000>;
					signature-1 { algo = "sha256,rsa2048"; key-name-hint = "rsa"; };
				};
			};
			configurations { default = "conf-1"; conf-1 { kernel = "kernel-1"; }; };
		};
	END
	echo '/dts-v1/; / { };' > "$DIR/keys.dts"
	must dtc -O dtb -o "$DIR/keys.dtb" "$DIR/keys.dts"
	OPENSSL_CONF=$DIR/engine.conf MKIMAGE_SIGN_PIN=$PIN must mkimage -f "$DIR/image.its" -N pkcs11 -k "token=$LABEL" \
		-K "$DIR/keys.dtb" -r "$DIR/image.fit"
	must fdtget -t bx "$DIR/image.fit" /images/kernel-1/signature-1 value
	perl -e 'print map { chr hex } split " ", <>' "$DIR/out" > "$DIR/sig"
	soft dgst -sha256 -verify "$(public rsa)" -signature "$DIR/sig" "$DIR/data"
	must fdtget -t x "$DIR/keys.dtb" /signature/key-rsa rsa,modulus
	modulus=$(openssl rsa -pubin -in "$(public rsa)" -noout -modulus | tr A-F a-f)
	assertEquals "${modulus#modulus=}" "Modulus=$(perl -e 'printf "%08x", hex for split " ", <>' "$DIR/out")"
}

# The kernel's integrity measurement: a header of nine bytes, then the signature.
test_evmctl_signs_for_the_kernel()
{
	have_plain evmctl "$ENGINE" || return 0
	start
	key_pairs
	engine_conf
	# -n: no attribute security.ima, which only root may set
	for key in rsa ec; do
		cp "$DIR/data" "$DIR/file"
		OPENSSL_CONF=$DIR/engine.conf EVMCTL_KEY_PASSWORD=$PIN must evmctl ima_sign --sigfile -n --hashalgo sha256 \
			--engine pkcs11 --keyid-from-cert "$DIR/$key.pem" --key "pkcs11:token=$LABEL;object=$key;type=private" "$DIR/file"
		tail -c +10 "$DIR/file.sig" > "$DIR/sig"
		soft dgst -sha256 -verify "$(public $key)" -signature "$DIR/sig" "$DIR/file"
	done
}

# ---- mail and documents ----

nss_database()
{
	echo "$PIN" > "$DIR/pin"
	mkdir "$DIR/nss"
	must certutil -N -d "sql:$DIR/nss" --empty-password
	must modutil -dbdir "sql:$DIR/nss" -force -add tokenfs -libfile "$MODULE"
	must certutil -A -d "sql:$DIR/nss" -n ca -t CT,C,C -i "$DIR/ca.pem"
}

# What Thunderbird does with mail.
test_nss_signs_and_opens_messages()
{
	have_plain certutil modutil cmsutil || return 0
	start
	key_pairs
	nss_database
	for key in rsa ec; do
		must cmsutil -S -d "sql:$DIR/nss" -f "$DIR/pin" -N "$LABEL:$key" -H SHA256 -i "$DIR/data" -o "$DIR/message"
		soft cms -verify -inform DER -in "$DIR/message" -CAfile "$DIR/ca.pem" -out "$DIR/back"
		same_file "$DIR/data" "$DIR/back"
	done
	soft cms -encrypt -binary -aes256 -in "$DIR/data" -outform DER -out "$DIR/message" "$DIR/rsa.pem"
	must cmsutil -D -d "sql:$DIR/nss" -f "$DIR/pin" -i "$DIR/message" -o "$DIR/back"
	same_file "$DIR/data" "$DIR/back"
}

empty_pdf() # FILE
{
	perl -e 'my $pdf = "%PDF-1.7\n";
		my @at;
		for ("/Type/Catalog/Pages 2 0 R", "/Type/Pages/Kids[3 0 R]/Count 1",
			"/Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Resources<<>>") {
			push @at, length $pdf;
			$pdf .= @at . " 0 obj\n<<$_>>\nendobj\n";
		}
		my $table = length $pdf;
		$pdf .= "xref\n0 4\n0000000000 65535 f \n" . join("", map { sprintf "%010d 00000 n \n", $_ } @at);
		print "${pdf}trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n$table\n%%EOF\n"' > "$1"
}

# Poppler signs for Okular and others. It guesses a signature's size, too badly for ECDSA.
test_poppler_signs_a_pdf()
{
	have_plain certutil modutil pdfsig || return 0
	pdfsig -help 2>&1 | grep -q add-signature || { skip 'this pdfsig does not sign'; return 0; }
	start
	key_pairs
	nss_database
	empty_pdf "$DIR/plain.pdf"
	pdfsig -nssdir "sql:$DIR/nss" -nss-pwd "$PIN" -nick "$LABEL:rsa" -kpw "$PIN" -digest SHA256 -add-signature \
		"$DIR/plain.pdf" "$DIR/signed.pdf" > "$DIR/pdfsig" 2>&1
	assertEquals "$(cat "$DIR/pdfsig")" 0 $?
	(cd "$DIR" && pdfsig -nocert -dump signed.pdf && pdfsig -nocert signed.pdf) > "$DIR/pdfsig" 2>&1
	range=$(sed -n 's/.*Signed Ranges: //p' "$DIR/pdfsig" | tr -cs '0-9' ' ')
	# shellcheck disable=SC2086 # four numbers
	set -- $range
	assertEquals "$(cat "$DIR/pdfsig")" 4 $#
	{
		head -c "$2" "$DIR/signed.pdf"
		head -c "$4" "$DIR/signed.pdf" | tail -c +$(($3 + 1))
	} > "$DIR/covered"
	soft cms -verify -binary -inform DER -in "$DIR/signed.pdf.sig0" -content "$DIR/covered" -CAfile "$DIR/ca.pem" \
		-purpose any -out /dev/null
}

# ---- GnuPG ----

# An agent of its own, with a daemon for smart cards that knows the module and a program that knows the PIN.
gpg_home()
{
	export GNUPGHOME="$DIR/gnupg"
	mkdir -m 700 "$GNUPGHOME"
	printf 'providers tokenfs\nprovider-tokenfs-library %s\n' "$MODULE" > "$GNUPGHOME/gnupg-pkcs11-scd.conf"
	cat > "$GNUPGHOME/pinentry" <<-END
		#!/bin/sh
		echo OK
		while read -r line; do
			[ "\${line%% *}" != GETPIN ] || echo "D $PIN"
			echo OK
			[ "\${line%% *}" != BYE ] || exit 0
		done
	END
	chmod 700 "$GNUPGHOME/pinentry"
	printf 'scdaemon-program %s\npinentry-program %s\n' "$(command -v gnupg-pkcs11-scd)" "$GNUPGHOME/pinentry" \
		> "$GNUPGHOME/gpg-agent.conf"
	printf 'disable-crl-checks\ndisable-dirmngr\n' > "$GNUPGHOME/gpgsm.conf"
	soft x509 -in "$DIR/ca.pem" -noout -fingerprint -sha1
	echo "${out#*=} S" > "$GNUPGHOME/trustlist.txt"
}

# The daemon offers RSA keys alone. GnuPG 2.4 asks it for ever about a key that it does not describe as that version wants.
test_gnupg_signs_and_decrypts()
{
	have_plain gpg gpgsm gpg-agent gpg-connect-agent gpgconf gnupg-pkcs11-scd || return 0
	case $(gpg --version) in
	'gpg (GnuPG) 2.2.'*) ;;
	*)
		skip 'gnupg-pkcs11-scd is for GnuPG 2.2'
		return 0
		;;
	esac
	start
	key_pairs
	gpg_home
	gpg-connect-agent 'SCD SERIALNO' 'SCD LEARN' 'SCD GETINFO pid' /bye > "$DIR/learnt" 2>&1
	grip=$(sed -n 's/^S KEYPAIRINFO \([0-9A-F]*\) .*/\1/p' "$DIR/learnt")
	daemon=$(sed -n 's/^D \([0-9]*\)$/\1/p' "$DIR/learnt")
	must gpgsm --batch --import "$DIR/ca.pem" "$DIR/rsa.pem"
	must gpgsm --batch --learn-card
	soft cms -encrypt -binary -aes256 -in "$DIR/data" -outform DER -out "$DIR/message" "$DIR/rsa.pem"
	must gpgsm --batch --decrypt --output "$DIR/back" "$DIR/message"
	same_file "$DIR/data" "$DIR/back"
	must gpgsm --batch -u /CN=rsa --sign --output "$DIR/message" "$DIR/data"
	must gpgsm --batch --verify "$DIR/message"
	assertContains "$out" 'Good signature from "/CN=rsa"'

	printf 'Key-Type: RSA\nKey-Grip: %s\nKey-Usage: sign\nName-Real: Tok En\nExpire-Date: 0\n%%commit\n' "$grip" > "$DIR/key"
	must gpg --batch --gen-key "$DIR/key"
	must gpg --batch -u 'Tok En' --detach-sign --output "$DIR/sig" "$DIR/data"
	must gpg --batch --export --output "$DIR/key.gpg" 'Tok En'
	# Another keyring, which has never heard of a card.
	mkdir -m 700 "$DIR/other"
	must gpg --homedir "$DIR/other" --no-autostart --batch --import "$DIR/key.gpg"
	must gpg --homedir "$DIR/other" --no-autostart --batch --verify "$DIR/sig" "$DIR/data"
	assertContains "$out" 'Good signature from "Tok En"'
	gpgconf --kill all
	[ -z "$daemon" ] || ended "$daemon"
	unset GNUPGHOME
}

# ---- git ----

test_git_signs_commits_and_tags()
{
	have_plain git ssh-agent ssh-add ssh-keygen || return 0
	start
	p11_generate rsa:2048 rsa 01
	p11_generate EC:secp256r1 ec 02
	printf '#!/bin/sh\necho "%s"\n' "$PIN" > "$DIR/askpass"
	chmod 700 "$DIR/askpass"
	eval "$(ssh-agent -s -P "$MODULE")" > /dev/null
	SSH_ASKPASS=$DIR/askpass SSH_ASKPASS_REQUIRE=force must ssh-add -s "$MODULE"
	export GIT_CONFIG_GLOBAL="$DIR/gitconfig" GIT_CONFIG_NOSYSTEM=1
	git config --global user.name me
	git config --global user.email me@example.net
	git config --global gpg.format ssh
	git config --global gpg.ssh.allowedSignersFile "$DIR/signers"
	must git init -q "$DIR/work"
	for key in rsa ec; do
		line=$(cut -d ' ' -f 1,2 "$MNT/$LABEL/public/$key.pub/public.ssh")
		echo "$line" > "$DIR/$key.ssh"
		echo "me@example.net $line" > "$DIR/signers"
		git config --global user.signingKey "$DIR/$key.ssh"
		must git -C "$DIR/work" commit -q --allow-empty -S -m $key
		must git -C "$DIR/work" verify-commit HEAD
		assertContains "$out" 'Good "git" signature for me@example.net'
		must git -C "$DIR/work" tag -s -m $key $key
		must git -C "$DIR/work" verify-tag $key
	done
	eval "$(ssh-agent -k)" > /dev/null
	unset GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM
}

# ---- zones ----

# What a DNSKEY record says of a key (RFC 3110, RFC 6605), from the tree.
dnskey() # rsa|ec|ecdsa FILE
{
	if [ "$1" != rsa ]; then
		openssl pkey -pubin -in "$2" -outform DER | tail -c 64
	else
		printf '\003\001\000\001'
		openssl rsa -pubin -in "$2" -noout -modulus | perl -e 'print pack "H*", <> =~ /=(.*)/'
	fi | base64 -w 0
}

ods() # ARGUMENT...
{
	must ods-hsmutil -c "$DIR/conf.xml" "$@"
}

# OpenDNSSEC keeps its keys by libhsm. It makes keys of 1024 bits too, and by DSA: strict refuses those.
test_opendnssec_makes_uses_and_purges_keys()
{
	have_plain ods-hsmutil || return 0
	start
	cat > "$DIR/conf.xml" <<-END
		<Configuration>
		<RepositoryList>
		<Repository name="tokens">
		<Module>$MODULE</Module><TokenLabel>$LABEL</TokenLabel><PIN>$PIN</PIN><SkipPublicKey/>
		</Repository>
		</RepositoryList>
		</Configuration>
	END
	sed 's/<SkipPublicKey.>//' "$DIR/conf.xml" > "$DIR/public.xml"
	for key in 'rsa 2048 8' 'ecdsa 256 13'; do
		# shellcheck disable=SC2086 # three words
		set -- $key
		must ods-hsmutil -c "$DIR/public.xml" generate tokens "$1" "$2"
		id=$(sed -n 's/.*successful: //p' "$DIR/out")
		ods dnskey "$id" example.net 257 "$3"
		record=${out##* 3 "$3" }
		assertEquals "$(dnskey "$1" "$(public "$id")")" "${record%% *}"
		ods remove "$id"
	done
	for key in 'rsa 1024' 'dsa 1024'; do
		# shellcheck disable=SC2086 # two words
		refused 'generation failed' ods-hsmutil -c "$DIR/conf.xml" generate tokens $key
	done
	ods generate tokens rsa 2048
	run ods-hsmutil -c "$DIR/conf.xml" test tokens
	for key in 'RSA/SHA1' 'RSA/SHA256' 'RSA/SHA512'; do
		assertContains "$out" "Signing ($key) with key... OK"
	done
	for key in '2048-bit RSA' '4096-bit RSA' 'ECDSA Curve P-256' 'ECDSA Curve P-384' ED25519 ED448; do
		assertContains "$out" "Generating $key key... OK"
	done
	ods -f purge tokens
	ods list
	assertContains "$out" '0 keys found'
}

# PowerDNS signs as it answers. Its own key generation ends in a crash with any module: the keys were there before.
test_powerdns_serves_a_signed_zone()
{
	have_plain pdns_server pdnsutil dig dnssec-verify /usr/bin/python3 || return 0
	schema=/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql
	have $schema || return 0
	pdns_server --version 2>&1 | grep -q 'PKCS#11' || { skip 'PowerDNS is built without PKCS#11'; return 0; }
	start
	p11_generate rsa:2048 rsa 01
	p11_generate EC:secp256r1 ec 02
	over_p11_kit || return 0
	cat > "$DIR/pdns.conf" <<-END
		launch=gsqlite3
		gsqlite3-database=$DIR/zones
		gsqlite3-dnssec=yes
	END
	/usr/bin/python3 -c 'import sqlite3, sys
sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())' "$DIR/zones" $schema
	set -- "$DIR/privately" pdnsutil "--config-dir=$DIR"
	must "$@" create-zone example.net ns.example.net
	must "$@" add-record example.net ns A 3600 192.0.2.1
	must "$@" hsm assign example.net rsasha256 ksk tokenfs "$LABEL" "$PIN" rsa
	must "$@" hsm assign example.net ecdsa256 ksk tokenfs "$LABEL" "$PIN" ec
	must "$@" rectify-zone example.net
	must "$@" show-zone example.net
	for key in rsa ec; do
		assertContains "$out" "$(dnskey $key "$(public $key)")"
	done
	port=$(some_port)
	timeout 60 "$DIR/privately" pdns_server "--config-dir=$DIR" --local-address=127.0.0.1 "--local-port=$port" \
		"--socket-dir=$DIR" --allow-axfr-ips=127.0.0.1 --daemon=no --guardian=no > "$DIR/pdns" 2>&1 &
	server=$!
	appears "$DIR/pdns" 'ready to distribute questions'
	dig @127.0.0.1 -p "$port" +tcp +onesoa example.net axfr > "$DIR/zone" 2>&1
	OPENSSL_CONF=/dev/null must dnssec-verify -z -o example.net "$DIR/zone"
	assertContains "$out" 'Zone fully signed'
	for algorithm in RSASHA256 ECDSAP256SHA256; do
		assertContains "$out" "- $algorithm"
	done
	stop $server
}

. shunit2

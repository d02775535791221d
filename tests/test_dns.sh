#!/bin/sh
# DNSSEC with keys in a token: Knot DNS signs a zone that BIND verifies, and BIND, by OpenSSL's pkcs11-provider, one that
# Knot verifies. What is not installed is skipped. (BIND of Debian 12 is built without OpenSSL's engines and knows no
# provider: there it reaches no token at all.)
. "$(dirname "$0")/lib/tokenfs.sh"
. "$TOP/tests/lib/clients.sh"

# A zone that is not signed yet, in $DIR/zones.
start()
{
	tfs_start
	tfs_token
	mkdir "$DIR/zones" "$DIR/signed"
	cat > "$DIR/zones/example.net.zone" <<-'END'
		$ORIGIN example.net.
		$TTL 3600
		@ IN SOA ns hostmaster 1 7200 3600 86400 3600
		@ IN NS ns
		ns IN A 192.0.2.1
		www IN AAAA 2001:db8::1
	END
}

# ALGORITHM SIZE: kzonesign makes a key for signing keys and one for the zone in the token, and signs with them.
sign_by_knot()
{
	rm -rf "$DIR/kasp" "$DIR/signed"
	mkdir "$DIR/kasp" "$DIR/signed"
	cat > "$DIR/knot.conf" <<-END
		server:
		    rundir: "$DIR/kasp"
		database:
		    storage: "$DIR/kasp"
		keystore:
		  - id: token
		    backend: pkcs11
		    config: "pkcs11:token=$LABEL;pin-value=$PIN $MODULE"
		policy:
		  - id: signed
		    keystore: token
		    algorithm: $1
		    ksk-size: $2
		    zsk-size: $2
		zone:
		  - domain: example.net
		    storage: "$DIR/zones"
		    dnssec-signing: on
		    dnssec-policy: signed
	END
	must kzonesign -c "$DIR/knot.conf" -o "$DIR/signed" example.net
}

test_knot_signs_bindVerifies()
{
	have_plain kzonesign dnssec-verify || return 0
	start
	keys=0
	for algorithm in 'rsasha256 2048' 'ecdsap256sha256 256' 'ecdsap384sha384 384' 'ed25519 256'; do
		# shellcheck disable=SC2086 # name and size
		sign_by_knot $algorithm
		must dnssec-verify -o example.net "$DIR/signed/example.net.zone"
		assertContains "$algorithm" "$out" 'Zone fully signed'
		keys=$((keys + 2))
		must p11_user --list-objects --type privkey
		assertEquals "private keys after $algorithm" $keys "$(grep -c '^Private Key Object' "$DIR/out")"
	done
	# The judge sees one changed record.
	sed 's/2001:db8::1/2001:db8::2/' "$DIR/signed/example.net.zone" > "$DIR/changed"
	refused 'example.net' dnssec-verify -o example.net "$DIR/changed"
}

test_bind_signs_and_knot_verifies()
{
	have_plain "$PROVIDER" dnssec-keyfromlabel kzonecheck || return 0
	start
	provider_conf
	cd "$DIR/signed" || return 1
	n=0
	for algorithm in RSASHA256/rsa:2048 ECDSAP256SHA256/EC:secp256r1 ECDSAP384SHA384/EC:secp384r1; do
		rm -f K* dsset* zone*
		for role in ksk zsk; do
			n=$((n + 1))
			p11_generate "${algorithm#*/}" key$n 0$n
			flag=
			[ $role = zsk ] || flag='-f KSK'
			# shellcheck disable=SC2086
			OPENSSL_CONF=$DIR/provider.conf must dnssec-keyfromlabel -a "${algorithm%/*}" \
				-l "pkcs11:token=$LABEL;object=key$n" $flag example.net
		done
		cat "$DIR/zones/example.net.zone" K*.key > zone
		OPENSSL_CONF=$DIR/provider.conf must dnssec-signzone -S -o example.net -N INCREMENT -K . zone
		must kzonecheck -o example.net zone.signed
		must dnssec-verify -o example.net zone.signed
		assertContains "$algorithm" "$out" 'Zone fully signed'
	done
	cd "$TOP" || return 1
}

. shunit2

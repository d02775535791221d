# tokens.sh - tokens that may be spoiled: one of tokenfs per policy, one of SoftHSM
#
# Use:      DIR=scratch folder, BUILD=built products; attack_vault; attack_token LABEL; attack_tokenfs LABEL [OPTION...]
#           attack_softhsm_token && attack_softhsm [OPTION...]; attack_clean
# shellcheck shell=sh disable=SC2034
ATTACK=$BUILD/tests/attack
ATTACK_PIN=user-pin-12345678
ATTACK_SO_PIN=so-pin-12345678

# The calls that end with a mounted vault in $DIR/attacks.
attack_vault()
{
	mkdir -p "$DIR/attacks"
	chmod 700 "$DIR/attacks"
	cat > "$DIR/attacks/conf" <<-END
		vault = $DIR/attacks/vault
		state = $DIR/attacks/state
		key_file = $DIR/attacks/vault.key
		mount = $DIR/attacks/mnt
		log_target = $DIR/attacks/log
	END
	chmod 600 "$DIR/attacks/conf"
	TOKENFS_CONF=$DIR/attacks/conf
	export TOKENFS_CONF
	"$BUILD/tokenfs" init --quiet && "$BUILD/tokenfs" mount
}

attack_token() # LABEL
{
	"$BUILD/tokenfs" token init --quiet --label "$1" --so-pin "pass:$ATTACK_SO_PIN" --pin "pass:$ATTACK_PIN"
}

attack_compat() # LABEL
{
	"$BUILD/tokenfs" token policy "$1" compat --so-pin "pass:$ATTACK_SO_PIN" > /dev/null 2>&1
}

attack_tokenfs() # LABEL OPTION...
{
	label=$1
	shift
	LD_PRELOAD=${TOKENFS_PRELOAD:-} "$ATTACK" --module "$BUILD/tokenfs-pkcs11.so" --label "$label" \
		--pin "$ATTACK_PIN" --so-pin "$ATTACK_SO_PIN" "$@"
}

# False if it is not installed.
attack_softhsm_token()
{
	SOFTHSM=
	for file in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/local/lib/softhsm/libsofthsm2.so; do
		[ -z "$SOFTHSM" ] && [ -e "$file" ] && SOFTHSM=$file
	done
	[ -n "$SOFTHSM" ] && command -v softhsm2-util > /dev/null || return 1
	mkdir -p "$DIR/softhsm/tokens"
	printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n' \
		"$DIR/softhsm/tokens" > "$DIR/softhsm/conf"
	SOFTHSM2_CONF=$DIR/softhsm/conf
	export SOFTHSM2_CONF
	softhsm2-util --init-token --free --label attacked --pin "$ATTACK_PIN" --so-pin "$ATTACK_SO_PIN" > /dev/null
}

attack_softhsm() # OPTION...
{
	"$ATTACK" --module "$SOFTHSM" --label attacked --pin "$ATTACK_PIN" --so-pin "$ATTACK_SO_PIN" "$@"
}

attack_clean()
{
	[ ! -e "$DIR/attacks/conf" ] || "$BUILD/tokenfs" --config "$DIR/attacks/conf" umount --lazy > /dev/null 2>&1
}

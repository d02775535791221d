# tokenfs.sh - the fixture of the shell tests: a scratch folder with a vault of its own per test
#
# Use:      . "$(dirname "$0")/lib/tokenfs.sh"     at the top of a test file, and `. shunit2` at its end
#           tfs_start                              vault and mount; returns when the tree is ready
#           tfs_token                              a token, PINs in $SO_PIN and $PIN, label in $LABEL
#           p11 ARGUMENT...                        pkcs11-tool with the module
# setUp and tearDown are here; a file that wants more defines its own and calls tfs_setup and tfs_teardown.
#
# tearDown fails the test if it leaves a mount or a daemon behind, and if a secret shows up in what lies on
# disk: PINs and object labels made by `tfs_marker` are unlike anything else, and are looked for in vault,
# state and log.
#
# Needs:    BUILD (the folder of the built products; default: build of this tree).
# shellcheck shell=sh disable=SC2034

cd "$(dirname "$0")/.." || exit 1
TOP=$PWD
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
TOKENFS=$BUILD/tokenfs
MODULE=$BUILD/tokenfs-pkcs11.so
. "$TOP/tests/lib/processes.sh"
# Daemons that somebody runs for other things than these tests.
BEFORE=$(processes_of "$TOKENFS" | tr '\n' ' ')
TOOLS=$BUILD/tests/tools
DIR=
SHUNIT_COLOR=none
unset TOKENFS_CONF TOKENFS_MOUNT CREDENTIALS_DIRECTORY

# ---- the scratch folder ----

# A configuration for the machine NAME: its vault, state, key file and mount lie in $DIR/NAME.
tfs_conf()
{
	mkdir -p "$DIR/$1"
	chmod 700 "$DIR/$1"
	cat > "$DIR/$1/conf" <<-END
		vault = $DIR/$1/vault
		state = $DIR/$1/state
		key_file = $DIR/$1/vault.key
		mount = $DIR/$1/mnt
		log_target = $DIR/$1/log
	END
	chmod 600 "$DIR/$1/conf"
}

# From now on commands and module mean the machine NAME.
tfs_use()
{
	TOKENFS_CONF=$DIR/$1/conf
	export TOKENFS_CONF
	VAULT=$DIR/$1/vault
	STATE=$DIR/$1/state
	MNT=$DIR/$1/mnt
	LOG=$DIR/$1/log
}

tfs_set() # KEY VALUE: one more line of the configuration
{
	echo "$1 = $2" >> "$TOKENFS_CONF"
}

tfs_marker() # KIND: text that stands nowhere else; tearDown looks for it
{
	marker=$1-marker-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
	echo "$marker" >> "$DIR/markers"
	echo "$marker"
}

tfs_setup()
{
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/tokenfs-test.XXXXXX") || exit 1
	# The mount table and /proc show paths without links.
	DIR=$(realpath "$DIR")
	: > "$DIR/markers"
	PIN=$(tfs_marker pin)
	SO_PIN=$(tfs_marker so-pin)
	LABEL=hydra
	tfs_conf main
	tfs_use main
	code=0
}

# Processes of this build: the daemon and its supervisor.
tfs_processes()
{
	processes_of "$TOKENFS" "$BEFORE"
}

tfs_mounts()
{
	sed -n "s|^[^ ]* [^ ]* [^ ]* [^ ]* \($DIR/[^ ]*\) .* - fuse.*|\1|p" /proc/self/mountinfo
}

tfs_teardown()
{
	# shunit2 calls it once more at the end.
	[ -n "$DIR" ] && [ -d "$DIR" ] || return 0
	for conf in "$DIR"/*/conf; do
		"$TOKENFS" --config "$conf" umount --lazy > /dev/null 2>&1
	done
	for mount in $(tfs_mounts); do
		fail "$mount is still mounted"
		umount -l "$mount" 2> /dev/null || fusermount3 -u -z "$mount"
	done
	for pid in $(tfs_processes); do
		# An unmounted daemon closes its vault and state.
		ended "$pid" || {
			fail "process $pid of $TOKENFS is still there"
			kill -9 "$pid"
		}
	done
	tfs_secrets
	rm -rf "$DIR"
	assertFalse "$DIR cannot be removed" "[ -e '$DIR' ]"
	DIR=
}

# Markers are lines, so each is a pattern; no line, no pattern.
tfs_secrets()
{
	[ -s "$DIR/markers" ] || return 0
	for place in "$DIR"/*/vault "$DIR"/*/state "$DIR"/*/log "$DIR"/*/vault.key; do
		[ -e "$place" ] || continue
		found=$(grep -rlaF -f "$DIR/markers" "$place")
		[ -z "$found" ] || fail "a PIN or label stands readable in: $found: $(grep -rhoaF -f "$DIR/markers" "$place" |
			sort -u | head -n 3 | tr '\n' ' ')"
	done
}

setUp()
{
	tfs_setup
}

tearDown()
{
	tfs_teardown
}

# ---- daemon and tokens ----

tfs_start()
{
	[ -e "$VAULT/VAULT" ] || must "$TOKENFS" init --quiet
	must "$TOKENFS" mount
}

tfs_stop()
{
	must "$TOKENFS" umount
}

# The daemon that serves the present mount.
tfs_pid()
{
	tr -cd 0-9 < "$MNT/.p11/pid"
}

tfs_token()
{
	must "$TOKENFS" token init --quiet --label "$LABEL" --so-pin "pass:$SO_PIN" --pin "pass:$PIN"
}

tfs_unlock()
{
	must "$TOKENFS" unlock "$LABEL" --pin "pass:$PIN"
}

# Ends the daemon without warning and waits until its supervisor has cleaned up.
tfs_kill()
{
	daemon=$(tfs_pid)
	[ -n "$daemon" ] || { fail 'no daemon to kill'; return; }
	supervisor=$(ps -o ppid= -p "$daemon" | tr -d ' ')
	kill -9 "$daemon"
	ended "$supervisor" || fail 'the supervisor outlives its daemon'
}

# ---- commands ----

# Runs the command; its output is in $out, its exit code in $code. Never in a pipe, which would hide the code.
run()
{
	"$@" > "$DIR/out" 2>&1 < /dev/null
	code=$?
	out=$(tr -d '\0' < "$DIR/out")
	return 0
}

must() # what has to succeed
{
	run "$@"
	assertEquals "$* says: $out;" 0 "$code"
	return "$code"
}

refused() # TEXT COMMAND...: has to fail, saying TEXT
{
	text=$1
	shift
	run "$@"
	assertNotEquals "$* succeeds: $out;" 0 "$code"
	assertContains "$* says" "$out" "$text"
}

exits() # CODE COMMAND...
{
	want=$1
	shift
	run "$@"
	assertEquals "$* says: $out;" "$want" "$code"
}

# An unmodified program that loads a module built with a sanitizer needs its library first.
with_module()
{
	LD_PRELOAD=${TOKENFS_PRELOAD:-} "$@"
}

p11()
{
	with_module pkcs11-tool --module "$MODULE" "$@"
}

p11_user()
{
	p11 --token-label "$LABEL" --login --pin "$PIN" "$@"
}

# KEYTYPE NAME ID: a key pair; the public half is at $MNT/$LABEL/public/NAME.pub
p11_generate()
{
	must p11_user --keypairgen --key-type "$1" --label "$2" --id "$3"
}

# NAME ID MECHANISM: signs $DIR/data with the private key of that id into $DIR/NAME.sig
# (pkcs11-tool does not choose a signing key by its label.)
p11_sign()
{
	[ -e "$DIR/data" ] || head -c 4000 /dev/urandom > "$DIR/data"
	rm -f "$DIR/$1.sig"
	must p11_user --sign --id "$2" --mechanism "$3" --input-file "$DIR/data" --output-file "$DIR/$1.sig" \
		--signature-format openssl
}

# NAME [DIGEST] [OPTION...]: plain OpenSSL verifies, with the public key read from the tree.
openssl_verify()
{
	name=$1
	digest=${2:-sha256}
	shift
	[ $# -eq 0 ] || shift
	must openssl dgst "-$digest" -verify "$MNT/$LABEL/public/$name.pub/public.pem" -signature "$DIR/$name.sig" "$@" \
		"$DIR/data"
}

# ---- other programs ----

# COMMAND...: true if all are there, by name or path; else the rest of the test is skipped.
have()
{
	for client; do
		[ -e "$client" ] || command -v "$client" > /dev/null || {
			skip "$client is not installed"
			return 1
		}
	done
}

# A sanitized module needs its library before everything else, which these bring down.
have_plain()
{
	[ -z "${TOKENFS_SANITIZE:-}" ] || {
		skip "$1 does not run with a sanitized module"
		return 1
	}
	have "$@"
}

soft() # plain OpenSSL, whatever configuration a test has set
{
	OPENSSL_CONF=/dev/null must openssl "$@"
}

same_file() # FILE FILE
{
	assertTrue "$1 and $2 differ" "cmp '$1' '$2'"
}

is_root()
{
	[ "$(id -u)" = 0 ]
}

skip() # WHY: the rest of this test is not run, and says so
{
	echo "skipped: $1"
	startSkipping
}

# True, with the reason said, where a build with a sanitizer is not what the test is about.
skip_sanitized()
{
	[ -n "${TOKENFS_SANITIZE:-}" ] || return 1
	skip "$1"
}

#!/bin/sh
# The command itself: help, usage errors, exit codes, PIN sources, vault key, check, without and with a mount.
# Needs: BUILD (the folder of the built products, default ../build).
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
TOKENFS=$BUILD/tokenfs
TOP=$PWD

# Runs the command; out, err and code are left in variables. Never in a pipe, which would hide the code.
run()
{
	"$TOKENFS" "$@" > "$DIR/out" 2> "$DIR/err" < "${INPUT:-/dev/null}"
	code=$?
	out=$(cat "$DIR/out")
	err=$(cat "$DIR/err")
}

expect()
{
	want=$1
	shift
	run "$@"
	assertEquals "tokenfs $*: $err" "$want" "$code"
}

expect_text()
{
	assertContains "$1" "$1" "$2"
}

setUp()
{
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/tokenfs-command.XXXXXX")
	cat > "$DIR/conf" <<-EOT
		vault = $DIR/vault
		state = $DIR/state
		key_file = $DIR/vault.key
		mount = $DIR/mnt
		log_target = $DIR/log
	EOT
	chmod 600 "$DIR/conf"
	TOKENFS_CONF=$DIR/conf
	export TOKENFS_CONF
	unset TOKENFS_MOUNT CREDENTIALS_DIRECTORY
	INPUT=
}

tearDown()
{
	[ -n "${DIR:-}" ] && [ -d "$DIR" ] || return 0
	if grep -q " $DIR/mnt " /proc/self/mountinfo; then
		"$TOKENFS" umount --lazy
	fi
	assertFalse 'something is still mounted' "grep -q ' $DIR/' /proc/self/mountinfo"
	rm -rf "$DIR"
	DIR=
}

with_token()
{
	"$TOKENFS" init --quiet || fail 'init'
	"$TOKENFS" token init --quiet --label hydra --so-pin pass:so-0000 --pin pass:1234 || fail 'token init'
}

# ---- help ----

# The first column of the list, without what stands for arguments.
list_verbs()
{
	"$TOKENFS" help | sed -n '/^Commands:/,/^$/s/^  \(.\{26\}\) .*/\1/p' | sed 's/ [[A-Z].*//; s/ *$//'
}

test_help_lists_every_command_and_the_man_page_has_them_all()
{
	expect 0 help
	expect_text "$out" 'token change-pin LABEL'
	list_verbs > "$DIR/verbs"
	assertTrue 'at least 18 commands' "[ $(wc -l < "$DIR/verbs") -ge 18 ]"
	while read -r verb; do
		# shellcheck disable=SC2086
		expect 0 help $verb
		expect_text "$out" "Usage: tokenfs $verb"
		# shellcheck disable=SC2086
		run $verb --help
		assertEquals "$verb --help" 0 "$code"
		grep -q "^\.It Cm $verb" "$TOP/docs/man/tokenfs.1" || fail "tokenfs(1) lacks $verb"
	done < "$DIR/verbs"
}

test_help_every_option_is_in_the_man_page()
{
	list_verbs > "$DIR/verbs"
	while read -r verb; do
		# shellcheck disable=SC2086
		"$TOKENFS" help $verb
	done < "$DIR/verbs" > "$DIR/helps"
	sed -n 's/^ *\(-[a-zA-Z], \)\?--\([a-z-]*\).*/\2/p' "$DIR/helps" | sort -u > "$DIR/options"
	assertTrue 'at least 25 options' "[ $(wc -l < "$DIR/options") -ge 25 ]"
	while read -r option; do
		grep -q -- "-$option\\b" "$TOP/docs/man/tokenfs.1" || fail "tokenfs(1) lacks --$option"
	done < "$DIR/options"
}

test_help_of_a_group_lists_its_commands()
{
	expect 0 token --help
	expect_text "$out" 'token list'
	assertNotContains "$out" 'umount'
	expect 0 help vault-key
	expect_text "$out" 'vault-key import'
}

test_version_is_printed()
{
	expect 0 --version
	expect_text "$out" 'tokenfs 0.'
}

test_man_pages_have_no_warnings()
{
	for page in tokenfs.1 tokenfs.conf.5; do
		assertEquals "$page" '' "$(groff -mandoc -ww -Tutf8 "$TOP/docs/man/$page" 2>&1 > /dev/null)"
	done
}

test_completion_follows_the_tables()
{
	expect 0 complete -- token
	expect_text "$out" 'change-pin'
	expect 0 complete -- token policy hydra
	expect_text "$out" 'strict'
	expect_text "$out" 'compat'
	expect 0 complete -- --vault /x unlock
	expect_text "$out" '--timeout'
	assertNotContains "$out" '--so-pin'
}

test_install_and_uninstall_leave_nothing_behind()
{
	"$TOP/scripts/install" install "$BUILD" "$DIR/dest" /usr || fail 'install'
	assertTrue 'the command' "[ -x '$DIR/dest/usr/bin/tokenfs' ]"
	assertTrue 'the module' "[ -f '$DIR/dest/usr/lib/pkcs11/tokenfs-pkcs11.so' ]"
	assertEquals 'module: /usr/lib/pkcs11/tokenfs-pkcs11.so' \
		"$(cat "$DIR/dest/usr/share/p11-kit/modules/tokenfs.module")"
	"$TOP/scripts/install" uninstall "$BUILD" "$DIR/dest" /usr || fail 'uninstall'
	assertEquals '' "$(find "$DIR/dest" ! -type d)"
}

# ---- usage ----

test_usage_mistakes_exit_2_and_say_which()
{
	expect 2
	expect_text "$err" 'Usage:'
	expect 2 frobnicate
	expect_text "$err" "no command 'frobnicate'"
	expect 2 token frobnicate
	expect_text "$err" "no command 'token frobnicate'"
	expect 2 token
	expect 2 status --frob
	expect_text "$err" 'no option --frob'
	expect 2 init --pin pass:1234
	expect_text "$err" 'no option --pin'
	expect 2 status --vault
	expect_text "$err" '--vault needs DIR'
	expect 2 status --json=yes
	expect_text "$err" 'takes no value'
	expect 2 unlock
	expect_text "$err" 'needs LABEL'
	expect 2 unlock a b
	expect_text "$err" "too many: 'b'"
	expect 2 lock
	expect 2 lock x --all
	expect 2 token init
	expect_text "$err" '--label'
	expect 2 token init --label a --label b
	expect_text "$err" 'twice'
	expect 2 token init --label 123456789012345678901234567890123
	expect_text "$err" '32 bytes'
	expect 2 token init --label x --pin pass:1234 --no-pin
	expect 2 unlock x --timeout soon
	expect_text "$err" 's, m, h or d'
}

test_usage_a_pin_mistaken_for_a_source_is_not_repeated()
{
	with_token
	expect 2 token change-pin hydra --pin 87654321 --new-pin pass:1111
	assertNotContains "$err" '87654321'
	expect_text "$err" 'file:PATH, fd:N, env:NAME, cred:NAME or pass:TEXT'
}

test_conf_mistakes_name_file_and_line()
{
	echo 'vualt = /x' >> "$DIR/conf"
	expect 1 status
	expect_text "$err" "$DIR/conf:6"
}

test_global_options_stand_before_or_after_the_verb()
{
	expect 3 --json --mount "$DIR/other" status
	expect_text "$out" "$DIR/other"
	expect 3 status --mount "$DIR/other" --json
	expect_text "$out" "$DIR/other"
	expect_text "$out" '"mounted": false'
}

# ---- nothing there ----

test_without_a_vault_exit_3_and_the_next_step()
{
	for verb in 'mount' 'check' 'token list' 'vault-key export -' 'audit'; do
		# shellcheck disable=SC2086
		expect 3 $verb
		expect_text "$err" 'tokenfs init'
	done
}

test_without_a_mount_exit_3_and_the_next_step()
{
	with_token
	for verb in 'unlock hydra --pin pass:1234' 'lock hydra' 'reload'; do
		# shellcheck disable=SC2086
		expect 3 $verb
		expect_text "$err" 'tokenfs mount'
	done
	expect 3 umount
	expect_text "$err" 'nothing is mounted'
	expect 3 status
	expect_text "$out" "$DIR/vault"
}

# ---- init and the vault's key ----

test_init_makes_a_closed_vault_and_says_where_the_key_is()
{
	expect 0 init
	expect_text "$out" "$DIR/vault.key"
	expect_text "$out" 'KEEP A COPY'
	assertEquals 600 "$(stat -c %a "$DIR/vault.key")"
	assertEquals 700 "$(stat -c %a "$DIR/vault")"
	assertEquals 700 "$(stat -c %a "$DIR/state")"
	before=$(sha256sum "$DIR/vault.key")
	expect 8 init
	expect_text "$err" 'nothing was changed'
	assertEquals "$before" "$(sha256sum "$DIR/vault.key")"
}

test_init_makes_the_folders_above_closed()
{
	expect 0 init --vault "$DIR/a/b/vault" --state "$DIR/a/s/state" --key-file "$DIR/k/vault.key"
	assertEquals 700 "$(stat -c %a "$DIR/a")"
	assertEquals 700 "$(stat -c %a "$DIR/a/b")"
	assertEquals 700 "$(stat -c %a "$DIR/k")"
}

test_init_refuses_key_and_state_inside_of_the_vault()
{
	expect 8 init --key-file "$DIR/vault/key"
	expect_text "$err" 'backups would hold it'
	expect 8 init --state "$DIR/vault"
	ln -s . "$DIR/link"
	expect 8 init --state "$DIR/link/vault/state"
	assertFalse 'something was made' "[ -e '$DIR/vault/VAULT' ]"
	expect 0 init --state "$DIR/vault-state"
}

test_init_refuses_what_is_in_the_way()
{
	echo old > "$DIR/vault.key"
	run init
	assertNotEquals 'an old key is overwritten' 0 "$code"
	assertEquals old "$(cat "$DIR/vault.key")"
	rm "$DIR/vault.key"
	mkdir "$DIR/vault"
	touch "$DIR/vault/something"
	run init
	assertNotEquals 'a folder with files is taken' 0 "$code"
	assertFalse 'a key was made' "[ -e '$DIR/vault.key' ]"
}

test_init_without_key_file_says_what_is_lost()
{
	expect 0 init --no-key-file
	expect_text "$out" 'GUESS ITS PINS'
	assertFalse 'there is a key file' "[ -e '$DIR/vault.key' ]"
	expect 2 token init --label short --so-pin pass:123456789 --pin pass:1234567890
	expect 0 token init --label long --so-pin pass:1234567890 --pin pass:0123456789
}

test_vault_key_export_and_import_bring_the_key_back()
{
	with_token
	expect 2 vault-key export
	expect 0 vault-key export "$DIR/copy"
	assertEquals 600 "$(stat -c %a "$DIR/copy")"
	expect 8 vault-key export -o "$DIR/copy"
	expect_text "$err" 'exists'
	rm "$DIR/vault.key"
	run token list
	assertNotEquals 'opens without its key' 0 "$code"
	sed 's/[0-9a-fA-F]/0/5' "$DIR/copy" > "$DIR/wrong"
	run vault-key import "$DIR/wrong"
	assertNotEquals 'a changed key is taken' 0 "$code"
	assertFalse 'there is a key file' "[ -e '$DIR/vault.key' ]"
	INPUT=$DIR/copy
	expect 0 vault-key import -
	INPUT=
	assertEquals 600 "$(stat -c %a "$DIR/vault.key")"
	expect 0 token list
	expect_text "$out" hydra
}

# ---- tokens ----

test_token_init_list_and_delete_without_a_mount()
{
	with_token
	expect 0 token list
	expect_text "$out" 'hydra'
	expect 0 token list --json
	serial=$(sed -n 's/.*"serial": *"\([^"]*\)".*/\1/p' "$DIR/out")
	expect 8 token init --label hydra --so-pin pass:so-0000 --no-pin
	expect 8 token delete hydra --so-pin pass:so-0000
	expect_text "$err" '--yes'
	expect 4 token delete hydra --yes --so-pin pass:so-wrong
	expect 3 token delete absent --yes --so-pin pass:so-0000
	expect_text "$err" "no token 'absent'"
	expect 0 token delete "$serial" --yes --so-pin pass:so-0000
	expect 0 token list
	assertNotContains "$out" hydra
}

test_token_policy_is_shown_and_set()
{
	with_token
	expect 0 token policy hydra
	assertEquals strict "$out"
	expect 2 token policy hydra loose --so-pin pass:so-0000
	expect_text "$err" 'strict or compat'
	expect 2 token policy hydra --so-pin pass:so-0000
	expect 4 token policy hydra compat --so-pin pass:so-wrong
	expect 3 token policy absent compat --so-pin pass:so-0000
	expect 0 token policy hydra
	assertEquals 'a wrong PIN changes nothing' strict "$out"
	expect 0 token policy hydra compat --so-pin pass:so-0000
	assertEquals '' "$out"
	expect 0 token policy hydra --json
	expect_text "$out" '"policy": "compat"'
	expect 0 token list --json
	assertContains "$(tr -d ' \n' < "$DIR/out")" '"policy":"compat"'
	expect 0 token list
	expect_text "$out" POLICY
	# the user's PIN has not gone, and a token begun anew keeps the policy
	expect 0 token change-pin hydra --pin pass:1234 --new-pin pass:5678
	expect 0 token init --slot 0 --label hydra --yes --so-pin pass:so-0000 --no-pin
	expect 0 token policy hydra
	assertEquals compat "$out"
	expect 0 token policy hydra strict --so-pin pass:so-0000 --json
	expect_text "$out" '"policy": "strict"'
	expect 0 audit
	expect_text "$out" 'policy-compat'
	expect_text "$out" 'policy-strict'
	expect 0 check
}

test_token_policy_is_not_set_on_a_copy_that_is_read_only()
{
	with_token
	"$TOKENFS" mount --read-only || fail mount
	expect 0 token policy hydra
	expect 8 token policy hydra compat --so-pin pass:so-0000
	expect 0 umount
}

test_legacy_mechanisms_are_off_unless_the_configuration_says_otherwise()
{
	with_token
	"$TOKENFS" mount || fail mount
	mount=$(sed -n 's/^mount *= *//p' "$TOKENFS_CONF")
	assertFalse 'MD5 without legacy' "grep -q '^CKM_MD5 ' '$mount/hydra/mechanisms'"
	expect 0 umount
	echo 'legacy = yes' >> "$TOKENFS_CONF"
	"$TOKENFS" mount || fail mount
	assertTrue 'MD5 with legacy' "grep -q '^CKM_MD5' '$mount/hydra/mechanisms'"
	expect 0 umount
}

test_audit_follows_events_as_they_come()
{
	with_token
	expect 3 audit --follow
	"$TOKENFS" mount || fail mount
	"$TOKENFS" audit > "$DIR/before" || fail audit
	last=$(sed -n '$s/ .*//p' "$DIR/before")
	timeout 20 "$TOKENFS" audit --follow --after "$last" --limit 2 > "$DIR/followed" &
	follower=$!
	expect 0 token policy hydra compat --so-pin pass:so-0000
	expect 0 token policy hydra strict --so-pin pass:so-0000
	wait $follower
	assertEquals 'it ends at the limit' 0 $?
	assertEquals 2 "$(wc -l < "$DIR/followed")"
	assertContains "$(cat "$DIR/followed")" policy-compat
	expect 0 umount
}

test_token_label_of_two_is_ambiguous()
{
	with_token
	expect 0 token init --label hydra --so-pin pass:so-1111 --no-pin --yes
	expect 2 token delete hydra --yes --so-pin pass:so-0000
	expect_text "$err" 'slot:0'
	expect_text "$err" 'slot:1'
	expect 0 token delete slot:1 --yes --so-pin pass:so-1111
	expect 0 token delete hydra --yes --so-pin pass:so-0000
}

test_token_init_anew_needs_the_old_so_pin()
{
	with_token
	expect 8 token init --slot 0 --label again --so-pin pass:so-0000 --no-pin
	expect 4 token init --slot 0 --label again --so-pin pass:so-9999 --no-pin --yes
	expect 0 token init --slot 0 --label again --so-pin pass:so-0000 --no-pin --yes
	expect 0 token list
	expect_text "$out" 'again'
	expect_text "$out" 'no PIN'
}

test_pins_are_changed_locked_and_set_anew()
{
	echo 'pin_tries = 4' >> "$DIR/conf"
	with_token
	expect 0 token change-pin hydra --pin pass:1234 --new-pin pass:5678
	expect 4 token change-pin hydra --pin pass:1234 --new-pin pass:9999
	expect_text "$err" 'tries are left'
	expect 4 token change-pin hydra --pin pass:1234 --new-pin pass:9999
	expect 4 token change-pin hydra --pin pass:1234 --new-pin pass:9999
	run token change-pin hydra --pin pass:1234 --new-pin pass:9999
	expect 5 token change-pin hydra --pin pass:5678 --new-pin pass:9999
	expect_text "$err" 'init-pin'
	expect 0 token init-pin hydra --so-pin pass:so-0000 --new-pin pass:4321
	expect 0 token change-pin hydra --pin pass:4321 --new-pin pass:5678
	expect 0 token change-pin hydra --so --so-pin pass:so-0000 --new-pin pass:so-2222
	expect 4 token init-pin hydra --so-pin pass:so-0000 --new-pin pass:4321
	expect 0 token init-pin hydra --so-pin pass:so-2222 --new-pin pass:4321
}

# ---- PIN sources ----

test_pin_sources_each_give_the_pin()
{
	with_token
	(umask 077 && printf '1234\r\nnot this\n' > "$DIR/pin")
	expect 0 token change-pin hydra --pin "file:$DIR/pin" --new-pin pass:1235
	PIN_A=1235
	export PIN_A
	expect 0 token change-pin hydra --pin env:PIN_A --new-pin pass:1236
	mkdir "$DIR/creds"
	printf 1236 > "$DIR/creds/hydra"
	CREDENTIALS_DIRECTORY=$DIR/creds
	export CREDENTIALS_DIRECTORY
	expect 0 token change-pin hydra --pin cred:hydra --new-pin pass:1237
	unset CREDENTIALS_DIRECTORY PIN_A
	echo 1237 > "$DIR/fd"
	exec 7< "$DIR/fd"
	expect 0 token change-pin hydra --pin fd:7 --new-pin pass:1238
	exec 7<&-
	printf '%s\n' 1239 1238 > "$DIR/lines"
	INPUT=$DIR/lines
	expect 0 token change-pin hydra --new-pin stdin --pin stdin
	INPUT=
	expect 0 token change-pin hydra --pin pass:1239 --new-pin pass:1240
}

test_pin_sources_refuse_what_cannot_be_a_pin()
{
	with_token
	printf '1234\n' > "$DIR/open"
	chmod 644 "$DIR/open"
	expect 2 token change-pin hydra --pin "file:$DIR/open" --new-pin pass:1111
	expect_text "$err" "chmod 600 $DIR/open"
	(umask 077 && printf '12\00034\n' > "$DIR/nul" && : > "$DIR/empty" && printf '123\n' > "$DIR/short" &&
		head -c 256 /dev/zero | tr '\0' x > "$DIR/long")
	expect 2 token change-pin hydra --pin "file:$DIR/nul" --new-pin pass:1111
	expect_text "$err" 'NUL'
	for name in empty short long; do
		expect 2 token change-pin hydra --pin "file:$DIR/$name" --new-pin pass:1111
	done
	expect_text "$err" '4 to 255'
	expect 2 token change-pin hydra --pin "file:$DIR/absent" --new-pin pass:1111
	expect 2 token change-pin hydra --pin "file:$DIR" --new-pin pass:1111
	expect 2 token change-pin hydra --pin fd:99 --new-pin pass:1111
	expect 2 token change-pin hydra --pin fd:x --new-pin pass:1111
	expect 2 token change-pin hydra --pin env:TOKENFS_ABSENT --new-pin pass:1111
	expect 2 token change-pin hydra --pin cred:hydra --new-pin pass:1111
	CREDENTIALS_DIRECTORY=$DIR
	export CREDENTIALS_DIRECTORY
	expect 2 token change-pin hydra --pin cred:../x --new-pin pass:1111
	unset CREDENTIALS_DIRECTORY
	expect 2 token change-pin hydra --pin stdin --new-pin pass:1111
	expect 2 token change-pin hydra --pin keychain:x --new-pin pass:1111
	expect 0 token change-pin hydra --pin pass:1234 --new-pin pass:4321
}

test_pin_prompt_without_a_terminal_exits_2()
{
	with_token
	setsid -w "$TOKENFS" token change-pin hydra > "$DIR/out" 2> "$DIR/err" < /dev/null
	assertEquals 2 $?
	expect_text "$(cat "$DIR/err")" 'no terminal'
}

# ---- check ----

test_check_of_a_sound_vault_exits_0_and_changes_nothing()
{
	with_token
	before=$(find "$DIR/vault" "$DIR/state" -type f -exec sha256sum {} + | sort)
	expect 0 check
	expect_text "$out" 'no problem found'
	expect 0 check --pin pass:1234 --token hydra
	expect 0 check --json
	expect_text "$out" '"problems": 0'
	cp -a "$DIR/vault" "$DIR/copy"
	expect 0 check "$DIR/copy"
	(cd "$DIR" && "$TOKENFS" check copy) > /dev/null || fail 'a relative path'
	expect 3 check "$DIR/absent"
	expect 3 check --token absent
	assertEquals "$before" "$(find "$DIR/vault" "$DIR/state" -type f -exec sha256sum {} + | sort)"
}

test_check_of_a_damaged_vault_names_the_file_and_exits_6()
{
	with_token
	cp -a "$DIR/vault" "$DIR/copy"
	head=$(find "$DIR/copy" -name 0-head)
	printf 'X' | dd of="$head" bs=1 seek=40 conv=notrunc status=none
	expect 6 check "$DIR/copy"
	expect_text "$out" '0-head'
	expect 6 check --json "$DIR/copy"
	expect_text "$out" '"file"'
	expect 0 check
}

# ---- with a mount ----

test_mount_status_unlock_lock_umount()
{
	with_token
	expect 0 mount
	expect 7 mount
	expect_text "$err" 'already'
	expect 0 status
	expect_text "$out" "mounted at $DIR/mnt"
	expect_text "$out" 'hydra'
	expect 0 status --json
	expect_text "$out" '"mounted": true'
	expect 4 unlock hydra --pin pass:9999
	expect 0 unlock hydra --pin pass:1234 --timeout 8h
	expect 0 token list
	expect_text "$out" 'unlocked'
	expect 0 lock hydra
	expect 0 lock hydra
	expect_text "$err" 'was not unlocked'
	expect 0 unlock hydra --pin pass:1234
	expect 0 lock --all
	expect 0 reload
	expect 0 check
	expect 0 token change-pin hydra --pin pass:1234 --new-pin pass:5678
	expect 0 audit
	expect_text "$out" 'CKR_PIN_INCORRECT'
	expect 0 audit --json --limit 1
	assertEquals 1 "$(wc -l < "$DIR/out")"
	expect 0 umount
	expect 3 umount
	# Free at once: the daemon has gone.
	expect 0 token list
	expect_text "$out" 'hydra'
}

test_umount_of_a_mount_in_use_exits_7_and_lazy_takes_it()
{
	with_token
	expect 0 mount
	[ -r "$DIR/mnt/hydra/token" ] || { fail "no mounted token"; return; }
	exec 8< "$DIR/mnt/hydra/token"
	expect 7 umount
	expect_text "$err" '--lazy'
	expect 0 umount --lazy
	exec 8<&-
	expect 3 umount
}

test_second_daemon_on_the_same_vault_is_told_who_holds_it()
{
	with_token
	expect 0 mount
	expect 7 token list --mount "$DIR/elsewhere"
	expect_text "$err" 'process'
	mkdir "$DIR/elsewhere"
	expect 7 mount --mount "$DIR/elsewhere"
	assertFalse 'mounted twice' "grep -q ' $DIR/elsewhere ' /proc/self/mountinfo"
}

test_mount_read_only_refuses_changes()
{
	with_token
	expect 0 mount --read-only
	expect 8 token change-pin hydra --pin pass:1234 --new-pin pass:5678
	expect 8 token init --label other --so-pin pass:so-0000 --no-pin
	expect 0 token list
	expect 0 umount
	expect 0 token change-pin hydra --pin pass:1234 --new-pin pass:5678
}

test_mount_foreground_stays_until_umount()
{
	with_token
	"$TOKENFS" mount --foreground --config "$DIR/conf" > "$DIR/fg.out" 2>&1 &
	pid=$!
	until "$TOKENFS" status > /dev/null; do
		kill -0 $pid || break
	done
	expect 0 umount
	wait $pid
	assertEquals "$(cat "$DIR/fg.out")" 0 $?
}

. shunit2

#!/bin/sh
# The module as a library: what it links, what it exports, and that it is quiet where nobody asked for it.
. "$(dirname "$0")/lib/tokenfs.sh"

test_module_links_libc_only()
{
	needed=$(objdump -p "$MODULE" | awk '/NEEDED/ { print $2 }')
	case ${TOKENFS_SANITIZE:-} in
	'') assertEquals 'libc.so.6' "$needed" ;;
	*) assertNotContains "$needed" crypto ;;
	esac
	assertNotContains "$(ldd "$MODULE")" 'not found'
}

test_module_exports_the_functions_of_the_standard_only()
{
	exported=$(nm -D --defined-only "$MODULE" | awk '{ print $3 }')
	assertEquals '' "$(echo "$exported" | grep -v '^C_[A-Z]')"
	# All of 2.40, from the header that applications include.
	names=$(sed -n 's/^_CK_DECLARE_FUNCTION *(\(C_[A-Za-z]*\).*/\1/p' \
		"$(pkg-config --variable=includedir p11-kit-1)/p11-kit-1/p11-kit/pkcs11.h" | head -n 68)
	assertTrue 'the header lists them' "[ $(echo "$names" | wc -l) -ge 60 ]"
	for name in $names; do
		echo "$exported" | grep -qx "$name" || fail "$name is not exported"
	done
}

test_module_needs_no_executable_stack_or_late_binding()
{
	skip_sanitized 'builds with a sanitizer are not hardened' && return
	assertContains "$(readelf -lW "$MODULE")" 'GNU_RELRO'
	assertNotContains "$(readelf -lW "$MODULE" | grep GNU_STACK)" 'RWE'
	assertContains "$(readelf -dW "$MODULE")" 'BIND_NOW'
}

test_module_without_a_vault_shows_a_free_slot_and_starts_nothing()
{
	must p11 --list-slots
	assertContains "$out" 'uninitialized'
	assertEquals '' "$(tfs_processes)"
	assertFalse 'a vault was made' "[ -e '$VAULT' ]"
	tfs_set spare_slot no
	run p11 --list-slots
	assertContains "$out" 'No slots'
}

test_module_is_quiet_on_stderr()
{
	p11 --list-slots > /dev/null 2> "$DIR/err"
	assertEquals '' "$(cat "$DIR/err")"
	tfs_start
	tfs_token
	p11 --token-label "$LABEL" --list-objects > /dev/null 2> "$DIR/err"
	assertNotContains "$(cat "$DIR/err")" tokenfs
}

test_autostart_mounts_a_vault_and_no_forbids_it()
{
	tfs_start
	tfs_token
	tfs_stop
	tfs_set autostart no
	run p11 --token-label "$LABEL" --list-objects
	assertNotEquals "$out" 0 "$code"
	assertEquals '' "$(tfs_processes)"
	sed -i '/autostart/d' "$TOKENFS_CONF"
	must p11 --token-label "$LABEL" --list-objects
	assertTrue 'the tree is there' "[ -s '$MNT/$LABEL/token' ]"
}

# Eight programs that start together start one daemon.
test_autostart_of_many_at_once_starts_one_daemon()
{
	tfs_start
	tfs_token
	tfs_stop
	pids=
	for i in 1 2 3 4 5 6 7 8; do
		p11 --token-label "$LABEL" --list-objects > "$DIR/list$i" 2>&1 &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid" || fail "one failed: $(cat "$DIR"/list*)"
	done
	assertEquals 'a daemon and its supervisor' 2 "$(tfs_processes | wc -l)"
}

test_mount_point_of_somebody_else_gets_no_pin()
{
	tfs_set autostart no
	mkdir -m 700 "$MNT"
	run p11 --token-label "$LABEL" --login --pin "$PIN" --list-objects
	assertNotEquals 0 "$code"
	# A directory that others may write lies above the mount point: it could be swapped under us.
	rmdir "$MNT"
	tfs_start
	tfs_token
	chmod 777 "$DIR/main"
	run p11 --token-label "$LABEL" --login --pin "$PIN" --list-objects
	chmod 700 "$DIR/main"
	assertNotEquals "$out" 0 "$code"
	must p11_user --list-objects
}

# p11-kit loads every module into many programs.
test_module_under_p11_kit_lists_the_token()
{
	tfs_start
	tfs_token
	must with_module p11tool --provider "$MODULE" --list-tokens
	assertContains "$out" "token=$LABEL"
}

. shunit2

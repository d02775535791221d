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
	# And what 3.0 and 3.2 added (pkcs11f.h of the OASIS committee).
	names="$names C_GetInterfaceList C_GetInterface C_LoginUser C_SessionCancel C_EncapsulateKey C_DecapsulateKey
		C_VerifySignatureInit C_VerifySignature C_VerifySignatureUpdate C_VerifySignatureFinal
		C_GetSessionValidationFlags C_AsyncComplete C_AsyncGetID C_AsyncJoin C_WrapKeyAuthenticated
		C_UnwrapKeyAuthenticated"
	for verb in Encrypt Decrypt Sign Verify; do
		names="$names C_Message${verb}Init C_${verb}Message C_${verb}MessageBegin C_${verb}MessageNext C_Message${verb}Final"
	done
	for name in $names; do
		echo "$exported" | grep -qx "$name" || fail "$name is not exported"
	done
}

# A program may have the functions of another module in its global scope, under the same names.
test_module_calls_its_own_functions()
{
	assertEquals '' "$(readelf -rW "$MODULE" | grep -o ' C_[A-Za-z]*')"
}

# The interface of 3.2 by an application that uses all of it.
test_module_serves_an_application_of_3_2()
{
	tfs_start
	tfs_token
	must "$TOOLS/modern" "$MODULE" "$LABEL" "$PIN"
	assertContains "$out" ', 0 failed'
}

# BIND with jemalloc and pkcs11-provider is such an application: libc then allocates by the application's malloc, the
# module by libc's.
test_module_works_where_the_application_has_its_own_malloc()
{
	skip_sanitized 'a sanitizer has the only malloc' && return
	assertEquals 'memory of libc to be freed' '' "$(nm -D --undefined-only "$MODULE" |
		grep -o 'strn*dup\|v*asprintf\|getdelim\|getline\|open_memstream\|scandir')"
	tfs_start
	tfs_token
	must "$TOOLS/deepbind" "$MODULE" "$LABEL" "$PIN"
	assertContains "$out" 'signed'
}

# ---- C_WaitForSlotEvent ----

now()
{
	date +%s%N
}

# FILE COUNT: waits until the file has so many lines.
lines()
{
	for i in $(seq 100); do
		[ "$(wc -l < "$1")" -ge "$2" ] && return 0
		sleep 0.05
	done
	fail "$1 has $(wc -l < "$1") lines, not $2"
}

# FILE LINE RV SLOT DONE: what the line says, and that it came at most a second after what was to wake it was done.
woken()
{
	# shellcheck disable=SC2046
	set -- "$3" "$4" "$5" $(sed -n "$2p" "$1")
	assertEquals 'result' "$1" "$4"
	assertEquals 'slot' "$2" "$5"
	assertTrue 'within a second' "[ $((${6:-0} - $3)) -lt 1000000000 ]"
}

test_wait_ends_when_another_process_makes_a_token()
{
	tfs_start
	"$TOOLS/waiter" "$MODULE" wait 2 > "$DIR/waiter" &
	waiter=$!
	lines "$DIR/waiter" 1
	run timeout 0.5 tail --pid=$waiter -f /dev/null
	assertEquals 'it waits' 124 "$code"
	tfs_token
	done=$(now)
	lines "$DIR/waiter" 3
	# The token, and the free slot that took its place.
	woken "$DIR/waiter" 2 0x0 0 "$done"
	woken "$DIR/waiter" 3 0x0 1 "$done"
	wait $waiter || fail 'the waiter failed'
	must "$TOOLS/waiter" "$MODULE" look
	assertContains 'nothing is new to a new application' "$out" '0x8 '
}

test_wait_of_many_holds_no_thread_of_the_daemon()
{
	tfs_start
	pids=
	for i in $(seq 24); do # more than the daemon has threads
		"$TOOLS/waiter" "$MODULE" wait > "$DIR/waiter$i" &
		pids="$pids $!"
	done
	for i in $(seq 24); do
		lines "$DIR/waiter$i" 1
	done
	tfs_token
	must p11_user --list-objects
	for i in $(seq 24); do
		lines "$DIR/waiter$i" 2
	done
	# shellcheck disable=SC2086
	wait $pids || fail 'one failed'
}

test_wait_ends_with_finalize()
{
	tfs_start
	must "$TOOLS/waiter" "$MODULE" finalize 4
	assertEquals 4 "$(echo "$out" | grep -c '^0x190$')"
	assertTrue "$out" "[ $(echo "$out" | sed -n 's/^waited //p') -lt 500 ]"
}

test_wait_ends_when_the_daemon_is_killed()
{
	tfs_start
	"$TOOLS/waiter" "$MODULE" wait > "$DIR/waiter" &
	waiter=$!
	lines "$DIR/waiter" 1
	sleep 0.2
	kill -9 "$(cat "$MNT/.p11/pid")"
	done=$(now)
	lines "$DIR/waiter" 2
	woken "$DIR/waiter" 2 0x32 999 "$done"
	wait $waiter || fail 'the waiter failed'
}

# Where there is no daemon none is started for waiting; one that comes is noticed.
test_wait_without_a_vault_notices_the_first_token()
{
	"$TOOLS/waiter" "$MODULE" wait > "$DIR/waiter" &
	waiter=$!
	lines "$DIR/waiter" 1
	sleep 0.5
	assertEquals 'nothing was started' '' "$(tfs_processes)"
	must "$TOOLS/waiter" "$MODULE" finalize 2
	assertEquals 2 "$(echo "$out" | grep -c '^0x190$')"
	assertTrue "$out" "[ $(echo "$out" | sed -n 's/^waited //p') -lt 500 ]"
	tfs_start
	tfs_token
	done=$(now)
	lines "$DIR/waiter" 2
	woken "$DIR/waiter" 2 0x0 0 "$done"
	wait $waiter || fail 'the waiter failed'
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

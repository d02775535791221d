#!/bin/sh
# What implementers of PKCS#11 miss, point by point, and what real clients ask; tests/tools/semantics.c has the calls.
. "$(dirname "$0")/lib/tokenfs.sh"

setUp()
{
	tfs_setup
	tfs_start
	tfs_token
}

holds() # CHECK
{
	must "$TOOLS/semantics" "$MODULE" "$LABEL" "$PIN" "$SO_PIN" "$1"
}

test_semantics_01_slots_and_serials_stay()
{
	holds slots-stay
	# a daemon later, too
	before=$("$TOKENFS" token list --json | tr -d ' \n')
	tfs_stop
	tfs_start
	after=$("$TOKENFS" token list --json | tr -d ' \n')
	assertEquals "$(echo "$before" | grep -o '"slot":[0-9]*\|"serial":"[^"]*"')" \
		"$(echo "$after" | grep -o '"slot":[0-9]*\|"serial":"[^"]*"')"
}

test_semantics_01_spare_slot_can_be_turned_off()
{
	tfs_stop
	tfs_set spare_slot no
	tfs_start
	must p11 --list-slots
	assertNotContains "$out" 'uninitialized'
	assertContains "$out" "$LABEL"
}

test_semantics_02_new_tokens_appear()
{
	holds new-token-appears
}

test_semantics_03_init_token()
{
	holds init-token
}

test_semantics_04_login_states()
{
	holds login-states
}

test_semantics_05_what_ends_an_operation()
{
	holds operation-ends
}

test_semantics_06_one_part_or_many()
{
	holds parts-do-not-mix
}

test_semantics_07_exact_codes()
{
	holds exact-codes
}

test_semantics_08_always_authenticate()
{
	holds always-authenticate
}

test_semantics_09_exact_lengths()
{
	holds exact-lengths
}

test_semantics_10_attribute_answers()
{
	holds attribute-answers
	holds attribute-templates
}

test_semantics_11_copy()
{
	holds copy
}

test_semantics_12_initialize_and_threads()
{
	holds initialize
	holds threads
}

test_semantics_13_fork_and_exit()
{
	holds fork-and-exit
}

test_semantics_14_find_is_a_snapshot()
{
	holds find-is-a-snapshot
}

test_semantics_15_token_info()
{
	tfs_stop
	tfs_set pin_tries 3 # so many show every flag
	tfs_start
	holds token-info
}

test_semantics_16_session_objects_never_touch_the_disk()
{
	find "$VAULT" -type f -printf '%p %s %T@\n' | sort > "$DIR/before"
	holds session-objects
	find "$VAULT" -type f -printf '%p %s %T@\n' | sort > "$DIR/after"
	assertEquals 'the vault is as it was' '' "$(diff "$DIR/before" "$DIR/after")"
}

test_semantics_17_quiet_without_a_vault()
{
	tfs_conf empty
	tfs_use empty
	holds quiet
	assertEquals 'it says nothing' '' "$out"
	assertFalse 'no vault was made' "[ -e '$VAULT' ]"
	assertFalse 'nothing is mounted' "[ -e '$MNT/.p11' ]"
}

test_clients_java_templates()
{
	holds java-templates
}

test_clients_public_objects_without_login()
{
	holds public-without-login
}

test_clients_refusals_leave_nothing()
{
	holds refusals-leave-nothing
}

test_mechanism_objects_are_found_by_who_asks()
{
	holds mechanism-objects
}

test_profiles_are_found_by_who_asks()
{
	holds profiles
	must cat "$MNT/$LABEL/token"
	assertContains "$out" 'public-objects = 0'
	assertEquals 'the tree shows none' '' "$(ls "$MNT/$LABEL/public")"
}

test_ledger_value_comes_back()
{
	holds value-comes-back
}

# Sentences of the standard, each by its section.
test_standard_3_6_dates()
{
	holds dates
}

test_standard_4_1_1_edwards_points()
{
	holds edwards-points
}

test_standard_4_6_2_trusted_certificates()
{
	holds trusted-certificates
}

test_standard_4_9_context_login_locked()
{
	tfs_stop
	tfs_set pin_tries 3
	tfs_start
	holds context-login-locked
}

test_standard_5_9_4_message_part_errors()
{
	holds message-part-errors
}

test_standard_5_14_4_message_sign_part_errors()
{
	holds message-sign-part-errors
}

test_standard_5_18_4_what_is_unwrapped()
{
	holds unwrap-defaults
}

test_standard_6_3_curve_representations()
{
	holds curve-representations
}

test_standard_6_14_key_wrap_of_private_keys()
{
	holds key-wrap-private
}

test_standard_6_13_gmac_parameters()
{
	holds gmac-parameters
}

# The client says what it waits for; it goes on when it is so.
test_policy_counts_at_once_and_is_remembered()
{
	trap '' PIPE # a client that fails early does not end the test
	mkfifo "$DIR/says" "$DIR/hears"
	"$TOOLS/semantics" "$MODULE" "$LABEL" "$PIN" "$SO_PIN" policy > "$DIR/says" 2> "$DIR/errors" < "$DIR/hears" &
	client=$!
	exec 3< "$DIR/says" 4> "$DIR/hears"
	for policy in compat strict; do
		read -r wanted <&3
		assertEquals "$policy" "$wanted"
		exits 4 "$TOKENFS" token policy "$LABEL" "$policy" --so-pin pass:wrong-so-pin
		must "$TOKENFS" token policy "$LABEL" "$policy" --so-pin "pass:$SO_PIN"
		must "$TOKENFS" token policy "$LABEL"
		assertEquals "$policy" "$out"
		echo on >&4
	done
	complaints=$(cat <&3)
	wait $client
	assertEquals "the client says: $complaints $(cat "$DIR/errors")" 0 $?
	exec 3<&- 4>&-
	must "$TOKENFS" audit
	assertContains "$out" 'policy-compat'
	assertContains "$out" 'policy-strict'
	must "$TOKENFS" check
}

. shunit2

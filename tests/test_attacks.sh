#!/bin/sh
# The published attacks on the API: none succeeds under the strict policy. What they do to SoftHSM is printed, for the
# record; the full tables come from `make check-attacks`.
. "$(dirname "$0")/lib/tokenfs.sh"
. "$TOP/tests/attacks/tokens.sh"

# "36 leaked" of the last line, "152 attacks: 36 leaked, 29 weak, 65 safe, 19 not offered, 3 untried"
count_of() # VERDICT FILE
{
	sed -n "\$s/.* \([0-9]*\) $1.*/\1/p" "$2"
}

clean_attacks()
{
	attack_clean
	unset SOFTHSM2_CONF
}

test_attacks_under_strict_all_fail()
{
	must attack_vault
	must attack_token strict
	attack_tokenfs strict --strict > "$DIR/strict" 2>&1
	code=$?
	assertEquals "$(grep -E ' (LEAKED|weak|untried) ' "$DIR/strict");" 0 "$code"
	assertEquals 'leaked' 0 "$(count_of leaked "$DIR/strict")"
	assertEquals 'weak' 0 "$(count_of weak "$DIR/strict")"
	assertEquals 'untried' 0 "$(count_of untried "$DIR/strict")"
	assertTrue 'really tried' "[ $(count_of safe "$DIR/strict") -ge 50 ]"
	tail -n 1 "$DIR/strict"
	clean_attacks
}

# A program that finds nothing anywhere proves nothing: where usages may be mixed it has to find the oldest of them.
test_attacks_under_compat_find_keys()
{
	must attack_vault
	must attack_token compat
	if attack_compat compat; then
		attack_tokenfs compat --only wrap-and-decrypt > "$DIR/compat" 2>&1
		assertContains "$(cat "$DIR/compat")" LEAKED
	else
		skip 'no command sets the policy'
	fi
	clean_attacks
}

test_attacks_on_softhsm_are_counted()
{
	skip_sanitized 'SoftHSM is not built with a sanitizer' && return
	if ! attack_softhsm_token; then
		skip 'SoftHSM is not installed'
		return
	fi
	attack_softhsm > "$DIR/softhsm.table" 2>&1
	echo "SoftHSM: $(tail -n 1 "$DIR/softhsm.table")"
	assertNotEquals 'a verdict' '' "$(count_of leaked "$DIR/softhsm.table")"
	clean_attacks
}

. shunit2

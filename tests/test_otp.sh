#!/bin/sh
# One-time passwords through the module: RFC 4226's own values, oathtool as the judge, and a counter that no crash and no
# crowd makes go back.
. "$(dirname "$0")/lib/tokenfs.sh"

SECRET=12345678901234567890

otp()
{
	with_module "$TOOLS/otp" "$MODULE" "$LABEL" "$PIN" "$@"
}

otp_setup()
{
	tfs_start
	tfs_token
	must otp make "$SECRET"
}

# RFC 4226, appendix D
test_otp_readOnlySession_givesThePasswordsOfTheRfc()
{
	otp_setup
	must otp sign 10
	assertEquals '0 755224
1 287082
2 359152
3 969429
4 338314
5 254676
6 287922
7 162583
8 399871
9 520489' "$out"
}

test_otp_lengthsBuffersVerification_areExact()
{
	otp_setup
	must otp check
	assertEquals checked "$out"
}

test_otp_daemonKilled_counterGoesOn()
{
	otp_setup
	must otp sign 3
	tfs_kill
	tfs_start
	must otp sign 1
	assertEquals '3 969429' "$out"
	tfs_stop
	tfs_start
	must otp sign 1
	assertEquals '4 338314' "$out"
	must "$TOKENFS" check
}

test_otp_readOnlyVault_givesNoPassword()
{
	otp_setup
	must otp sign 1
	tfs_stop
	must "$TOKENFS" mount --read-only
	run otp sign 1
	assertNotEquals 'exit code' 0 "$code"
	assertContains 'CKR_TOKEN_WRITE_PROTECTED' "$out" '0xe2'
	assertNotContains "$out" 287082
	tfs_stop
	tfs_start
	must otp sign 1
	assertEquals '1 287082' "$out"
}

test_otp_manySessions_noCounterTwice()
{
	otp_setup
	otp crowd 4 20 > "$DIR/one" 2>&1 &
	first=$!
	otp crowd 4 20 > "$DIR/two" 2>&1 &
	second=$!
	wait "$first" || fail "the first crowd: $(tail -n 3 "$DIR/one")"
	wait "$second" || fail "the second crowd: $(tail -n 3 "$DIR/two")"
	sort -n "$DIR/one" "$DIR/two" | cut -d ' ' -f 1 > "$DIR/counters"
	seq 0 159 > "$DIR/expected"
	cmp "$DIR/counters" "$DIR/expected" || fail 'counters are missing or given out twice'
}

test_otp_passwords_areOathtools()
{
	command -v oathtool > /dev/null || { skip 'oathtool is not there'; return; }
	otp_setup
	must otp sign 40
	echo "$out" | cut -d ' ' -f 2 > "$DIR/passwords"
	oathtool --hotp --counter=0 --window=39 "$(printf %s "$SECRET" | od -An -v -tx1 | tr -d ' \n')" > "$DIR/expected"
	cmp "$DIR/passwords" "$DIR/expected" || fail 'oathtool has other passwords'
}

test_otp_tree_showsTheKeyAndNotItsSecret()
{
	otp_setup
	must otp sign 2
	tfs_unlock
	must cat "$MNT/$LABEL/private/hotp.otp/attributes"
	assertContains "$out" CKA_OTP_COUNTER
	assertNotContains "$out" "$SECRET"
	must od -An -v -tu1 "$MNT/$LABEL/private/hotp.otp/attr/CKA_OTP_COUNTER"
	assertEquals '   0   0   0   0   0   0   0   2' "$out"
	assertFalse 'the value is no file' "[ -e '$MNT/$LABEL/private/hotp.otp/attr/CKA_VALUE' ]"
}

. shunit2

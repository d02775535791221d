#!/bin/sh
# Every mechanism that a token offers, against plain OpenSSL (tests/cross), and published answers (tests/vectors): under the
# strict policy, under compat, and with `legacy = yes`.
# CROSS_ROUNDS: rounds of chance for each mechanism (2); CROSS_SEED: to see a failure again.
. "$(dirname "$0")/lib/tokenfs.sh"

CROSS=$BUILD/tests/cross/cross

# ARGUMENT...: the proofs on the token; what is wrong is shown line by line.
prove()
{
	with_module timeout "${TEST_TIMEOUT:-600}" "$CROSS" ${CROSS_SEED:+-s "$CROSS_SEED"} "$@" > "$DIR/cross" 2>&1
	code=$?
	[ "$code" = 0 ] || { head -n 1 "$DIR/cross"; grep -v ' ok$' "$DIR/cross" | head -n 80; }
	assertEquals 'exit code of the proofs' 0 "$code"
	assertContains "$(tail -n 1 "$DIR/cross")" ' 0 failures'
}

test_every_mechanism_of_a_strict_token_agrees_with_openssl()
{
	tfs_start
	tfs_token
	prove -n "${CROSS_ROUNDS:-2}" "$MODULE" "$LABEL" "$PIN"
}

test_every_mechanism_of_a_compat_token_with_legacy_agrees_with_openssl()
{
	tfs_set legacy yes
	tfs_start
	tfs_token
	must "$TOKENFS" token policy "$LABEL" compat --so-pin "pass:$SO_PIN"
	prove -n "${CROSS_ROUNDS:-2}" "$MODULE" "$LABEL" "$PIN"
	assertContains 'MD5 is not offered' "$(cat "$DIR/cross")" '0x00000210 ok'
	assertContains 'CKM_XOR_BASE_AND_DATA is not offered' "$(cat "$DIR/cross")" '0x00000364 ok'
}

test_published_answers_are_given_by_a_strict_token()
{
	tfs_set legacy yes
	tfs_start
	tfs_token
	prove -k "$MODULE" "$LABEL" "$PIN" "$TOP"/tests/vectors/*.txt
}

# Whatever has a published answer is offered here; what is not, needs a later OpenSSL and is said to.
test_published_answers_are_given_by_a_compat_token_with_legacy_all_of_them()
{
	tfs_set legacy yes
	tfs_start
	tfs_token
	must "$TOKENFS" token policy "$LABEL" compat --so-pin "pass:$SO_PIN"
	prove -k "$MODULE" "$LABEL" "$PIN" "$TOP"/tests/vectors/*.txt
	assertNotContains 'an answer was not asked for' "$(cat "$DIR/cross")" 'not offered'
}

test_a_file_of_answers_of_which_none_is_asked_for_fails()
{
	tfs_start
	tfs_token
	echo 'digest CKM_MD5 in=616263 out=900150983cd24fb0d6963f7d28e17f72' > "$DIR/none"
	exits 1 with_module "$CROSS" -k "$MODULE" "$LABEL" "$PIN" "$DIR/none"
	assertContains "$out" 'none of 1 vectors ran'
}

# A test that cannot fail is none: a wrong answer among the published ones is noticed.
test_a_wrong_answer_is_noticed()
{
	tfs_start
	tfs_token
	echo 'digest CKM_SHA256 in=616263 out=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ae' > "$DIR/wrong"
	exits 1 with_module "$CROSS" -k "$MODULE" "$LABEL" "$PIN" "$DIR/wrong"
	assertContains "$out" 'the hash is another'
}

# Every line, with its last digit changed, or as good where the document refuses it, fails.
test_every_published_answer_is_looked_at()
{
	tfs_set legacy yes
	tfs_start
	tfs_token
	must "$TOKENFS" token policy "$LABEL" compat --so-pin "pass:$SO_PIN"
	mkdir "$DIR/changed"
	for file in "$TOP"/tests/vectors/*.txt; do
		awk '!/^(#|key |openssl |$)/ && !sub(/ bad:yes/, "") {
			last = substr($0, length($0))
			$0 = substr($0, 1, length($0) - 1) (last == "0" ? "1" : "0")
		} { print }' "$file" > "$DIR/changed/${file##*/}"
	done
	exits 1 with_module timeout "${TEST_TIMEOUT:-600}" "$CROSS" -k "$MODULE" "$LABEL" "$PIN" "$DIR"/changed/*.txt
	ran=$(echo "$out" | sed -n 's/.*: \([0-9]*\) vectors ran.*/\1/p' | awk '{ n += $1 } END { print n }')
	failed=$(echo "$out" | sed -n 's/^  \([^ ]*:[0-9]*\): .*/\1/p' | sort -u | wc -l)
	assertEquals 'lines that fail' "$ran" "$failed"
}

. shunit2

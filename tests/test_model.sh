#!/bin/sh
# Random calls by several sessions against a model of the standard (tests/model), then threads that disturb one another.
# MODEL_SECONDS: how long (10, and half of that for the threads); MODEL_SEED: to see a failure again.
. "$(dirname "$0")/lib/tokenfs.sh"

MODEL=$BUILD/tests/model/model

# Logins are cheap while the token is open.
start()
{
	tfs_start
	tfs_token
	tfs_unlock
}

test_random_calls_do_what_the_model_says()
{
	start
	must with_module "$MODEL" ${MODEL_SEED:+-s "$MODEL_SEED"} -t "${MODEL_SECONDS:-10}" -T 0 "$MODULE" "$LABEL" "$PIN" "$SO_PIN"
	assertContains "$out" 'lists of'
	echo "$out"
}

test_threads_do_not_disturb_one_another()
{
	start
	must with_module "$MODEL" ${MODEL_SEED:+-s "$MODEL_SEED"} -t 0 -T "$((${MODEL_SECONDS:-10} / 2))" "$MODULE" "$LABEL" "$PIN" \
		"$SO_PIN"
	assertContains "$out" 'rounds'
	echo "$out"
}

# What a list says is done: a call that the model forbids is not in it, so it is one the model knows.
test_a_list_is_replayed_call_by_call()
{
	start
	printf '%s\n' 'open 0 1 0' 'create 0 1 8' 'op_init 0 1 3' 'op_update 0 5 3' 'op_once 0 3 3' 'op_final 0 3 3' > "$DIR/list"
	must with_module "$MODEL" -r "$DIR/list" "$MODULE" "$LABEL" "$PIN" "$SO_PIN"
	assertContains "$out" 'a call in one part -> 0x90'
	assertContains "$out" 'Final -> 0x91'
}

. shunit2

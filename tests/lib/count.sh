# count.sh - what a log says of its test: each prints "passed failed skipped"
# shellcheck shell=sh

# A test with a failed assertion is one failure.
count_shunit2()
{
	awk '
		/^test_[A-Za-z0-9_]*$/ { name = $1; seen[name] = 1 }
		/^ASSERT:|^shunit2:ERROR/ { bad[name == "" ? "start" : name] = 1 }
		/^skipped: / { skipped++ }
		END {
			for (t in seen) if (!(t in bad)) passed++
			for (t in bad) failed++
			print passed + 0, failed + 0, skipped + 0
		}' "$1"
}

# A unit test says "name: N passed, N failed".
count_unit()
{
	awk '/: [0-9]+ passed, [0-9]+ failed$/ { p += $(NF - 3); f += $(NF - 1) } END { print p + 0, f + 0, 0 }' "$1"
}

# Every line is a violation.
count_layers()
{
	awk 'END { print (NR == 0), (NR > 0), 0 }' "$1"
}

# libFuzzer says at its end how many inputs it ran.
count_fuzz()
{
	awk '/^Done [0-9]+ runs/ && $2 > 100 { done = 1 } END { print done + 0, 1 - done, 0 }' "$1"
}

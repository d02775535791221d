# report.awk - rows and samples in, the table or JSON out
#
# Input: the file `rows` (id|title|unit|target), then samples: round, side, row, value, with tabs between.

function median(list, n,    i, j, t, v) {
	split(list, v, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
			t = v[j]
			v[j] = v[j - 1]
			v[j - 1] = t
		}
	return n % 2 ? v[(n + 1) / 2] + 0 : (v[n / 2] + v[n / 2 + 1]) / 2
}

# The median of a side in a row; "" if there is none.
function middle_of(side, row,    r, n, list) {
	for (r = 1; r <= rounds; r++)
		if ((r, side, row) in value) {
			list = list " " value[r, side, row]
			n++
		}
	return n ? median(list, n) : ""
}

# The median of the ratios of two sides or rows, round by round; "" if there is none.
function ratio(side, row, side2, row2,    r, n, list) {
	for (r = 1; r <= rounds; r++)
		if ((r, side, row) in value && (r, side2, row2) in value && value[r, side2, row2] > 0) {
			list = list " " value[r, side, row] / value[r, side2, row2]
			n++
		}
	return n ? median(list, n) : ""
}

function figure(x) {
	if (x == "")
		return "-"
	return x >= 100 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : sprintf("%.2f", x)
}

function times(x) {
	return x == "" ? "-" : sprintf("%.2f x", x)
}

# What a row reached of its target, and the target in words in `wanted_text`; "" if it has none.
function reached(row, target,    t) {
	wanted_text = ""
	if (split(target, t, ":") < 2)
		return ""
	if (t[1] == "soft" || t[1] == "raw") {
		wanted_text = ">= " t[2] " x " (t[1] == "soft" ? "SoftHSM" : "raw")
		return ratio("tokenfs", row, t[1] == "soft" ? "softhsm" : "raw", row)
	}
	if (t[1] == "over") {
		wanted_text = ">= " t[3] " x one"
		return ratio("tokenfs", row, "tokenfs", t[2])
	}
	wanted_text = (t[1] == "min" ? ">= " : "<= ") t[2]
	return middle_of("tokenfs", row)
}

# "yes", "no", or "" where there is nothing to compare
function met(row, target,    got, t, n) {
	got = reached(row, target)
	n = split(target, t, ":")
	if (got == "" || n < 2)
		return ""
	if (t[1] == "max")
		return got <= t[n] ? "yes" : "no"
	return got >= t[n] ? "yes" : "no"
}

function json_number(x) {
	return x == "" ? "null" : sprintf("%.6g", x)
}

function json_text(s) {
	gsub(/["\\]/, "\\\\&", s)
	return "\"" s "\""
}

function print_json(    i, row, m) {
	printf "{\n  \"tokenfs\": %s,\n  \"softhsm\": %s,\n  \"openssl\": %s,\n", json_text(tokenfs),
		json_text(softhsm), json_text(openssl)
	printf "  \"cpu\": %s,\n  \"cpus\": %d,\n  \"kernel\": %s,\n  \"filesystem\": %s,\n",
		json_text(cpu), cpus, json_text(kernel), json_text(filesystem)
	printf "  \"load_before\": %s,\n  \"load_after\": %s,\n", json_text(load_before), json_text(load_after)
	printf "  \"rounds\": %d,\n  \"seconds\": %s,\n", rounds, seconds
	printf "  \"objects_softhsm\": %d,\n  \"objects_tokenfs\": %d,\n  \"rows\": [", held_softhsm, held_tokenfs
	for (i = 1; i <= n_rows; i++) {
		row = id[i]
		m = met(row, goal[i])
		printf "%s\n    {\"id\": %s, \"title\": %s, \"unit\": %s, ", (i > 1 ? "," : ""), json_text(row),
			json_text(title[i]), json_text(unit[i])
		printf "\"softhsm\": %s, \"raw\": %s, \"tokenfs\": %s, ", json_number(middle_of("softhsm", row)),
			json_number(middle_of("raw", row)), json_number(middle_of("tokenfs", row))
		printf "\"over_softhsm\": %s, \"over_raw\": %s, ",
			json_number(ratio("tokenfs", row, "softhsm", row)),
			json_number(ratio("tokenfs", row, "raw", row))
		printf "\"target\": %s, \"reached\": %s, \"met\": %s}", json_text(wanted_text),
			json_number(reached(row, goal[i])), m == "" ? "null" : m == "yes" ? "true" : "false"
	}
	printf "\n  ]\n}\n"
}

function print_table(    i, row, m, line) {
	line = "| %-42s | %-4s | %10s | %10s | %10s | %9s | %9s | %-16s | %-8s | %-3s |\n"
	printf line, "work", "unit", "SoftHSM", "OpenSSL", "tokenfs", "/SoftHSM", "/OpenSSL", "target", "reached", "met"
	printf "|--------------------------------------------|------|-----------:|-----------:|-----------:|"
	printf "----------:|----------:|------------------|----------|-----|\n"
	for (i = 1; i <= n_rows; i++) {
		row = id[i]
		m = met(row, goal[i])
		printf line, title[i], unit[i], figure(middle_of("softhsm", row)), figure(middle_of("raw", row)),
			figure(middle_of("tokenfs", row)), times(ratio("tokenfs", row, "softhsm", row)),
			times(ratio("tokenfs", row, "raw", row)), wanted_text == "" ? "-" : wanted_text,
			m == "" ? "-" : figure(reached(row, goal[i])), m == "" ? "-" : m
	}
	printf "\n%s; %s; %s\n", tokenfs, softhsm == "" ? "SoftHSM" : "SoftHSM " softhsm, openssl
	printf "%d x %s, kernel %s, %s; %d rounds of %s s; load before %s, after %s\n", cpus, cpu, kernel, filesystem,
		rounds, seconds, load_before, load_after
	if (held_softhsm < large)
		printf "SoftHSM's largest token holds %d objects: filling it further took too long.\n", held_softhsm
	if (held_tokenfs < large)
		printf "tokenfs' largest token holds %d objects: filling it further took too long.\n", held_tokenfs
	if (failures)
		printf "%d measurements FAILED\n", failures
}

FNR == NR {
	if ($0 ~ /^#/)
		next
	n_rows++
	split($0, field, "|")
	id[n_rows] = field[1]
	unit[n_rows] = field[3]
	goal[n_rows] = field[4]
	title[n_rows] = field[2]
	sub(/%SMALL%/, small, title[n_rows])
	sub(/%MIDDLE%/, middle, title[n_rows])
	sub(/%LARGE%/, large, title[n_rows])
	next
}

$4 == "" || $4 == "failed" {
	failures++
	next
}

{
	value[$1, $2, $3] = $4
}

END {
	if (format == "json")
		print_json()
	else
		print_table()
	exit failures > 0
}

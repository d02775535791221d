# lanes.sh - test files side by side, each lane with a copy of the products and a scratch folder of its own
#
# Use:      lanes_open COUNT        makes the lanes 1 to COUNT; LANES is the folder of all
#           lanes_run FILE...       run_one FILE for each, by the first lane that is free; run_one runs what may take
#                                   long by lane_command, and prints by lane_print
#           lanes_processes         what runs of any lane's products
#           lanes_stop              ends what lanes_run has begun
#           lanes_close             removes them
# Needs:    BUILD, SCRATCH. In a lane BUILD is the lane's folder and TMPDIR a folder in SCRATCH.
#
# A test knows its daemons by the path of the command that they run (processes.sh), which an ordinary user sees as well,
# whom a daemon shows neither its environment nor its executable. So each lane has its own copy of the command, and of
# the module, which starts the command that lies beside it.
# shellcheck shell=sh

# The long ones, longest first: begun in this order, the lanes end together.
LONG='tests/test_backup.sh tests/test_crash.sh test_faults tests/test_command.sh tests/test_clients.sh tests/test_clients3.sh
	tests/test_signers.sh tests/test_tree.sh tests/test_semantics.sh tests/test_process.sh tests/test_login.sh test_rpc tests/test_tamper.sh
	tests/test_powercut.sh tests/test_hydra.sh tests/test_cross.sh tests/test_java.sh tests/test_suites.sh test_tamper test_login
	tests/test_module.sh'

# What runs by itself, when all lanes are empty:
#   fuzz        takes all processors for a time that is given
alone()
{
	case $1 in
	fuzz) return 0 ;;
	*) return 1 ;;
	esac
}

lanes_open()
{
	JOBS=$1
	LANES=$(mktemp -d "$BUILD/lanes.XXXXXX") && LANES=$(realpath "$LANES") || return 1
	for lane in $(seq "$JOBS"); do
		mkdir "$LANES/$lane" "$SCRATCH/$lane" && ln -s "$BUILD/tests" "$LANES/$lane/tests" || return 1
		for product in tokenfs tokenfs-pkcs11.so; do
			[ ! -e "$BUILD/$product" ] || cp "$BUILD/$product" "$LANES/$lane" || return 1
		done
	done
}

# LANE FILE...: whoever makes the folder of that name runs the file.
lane()
{
	trap 'kill "$running" 2> /dev/null; wait "$running"; exit 1' TERM
	running=
	BUILD=$LANES/$1
	TMPDIR=$SCRATCH/$1
	export BUILD TMPDIR
	shift
	for file; do
		! mkdir "$LANES/begun-$(basename "$file")" 2> /dev/null || run_one "$file"
	done
}

# COMMAND...: so that its end can be waited for, and brought about.
lane_command()
{
	"$@" &
	running=$!
	wait "$running"
}

# Standard input, in one piece: lanes print by turns.
lane_print()
{
	cat > "$BUILD/print"
	flock "$LANES/printing" cat "$BUILD/print"
}

# COUNT FILE...
lanes_each()
{
	lanes=
	for lane in $(seq "$1"); do
		shift
		lane "$lane" "$@" &
		lanes="$lanes $!"
		set -- x "$@"
	done
	# shellcheck disable=SC2086 # a list
	wait $lanes
}

# In one lane all are run in the order they are given in.
lanes_run()
{
	first=
	others=
	last=
	for file; do
		if alone "$file"; then
			last="$last $file"
		else
			others="$others $file"
		fi
	done
	if [ "$JOBS" -gt 1 ]; then
		for file in $LONG; do
			case " $others " in *" $file "*) first="$first $file" ;; esac
		done
	fi
	# shellcheck disable=SC2086 # lists of names without blanks
	lanes_each "$JOBS" $first $others
	# shellcheck disable=SC2086
	[ -z "$last" ] || lanes_each 1 $last
}

lanes_processes()
{
	for lane in $(seq "$JOBS"); do
		processes_of "$LANES/$lane/tokenfs"
	done
}

lanes_stop()
{
	# shellcheck disable=SC2086 # a list
	kill $lanes 2> /dev/null
	# shellcheck disable=SC2086
	wait $lanes
}

lanes_close()
{
	rm -rf "$LANES"
}

# processes.sh - which processes run a given tokenfs
# shellcheck shell=sh

# Prints the process ids of daemons and supervisors of the command at path $1, but for those in the list $2. They
# hide /proc/PID/exe from an ordinary user, and what the module started has no path in its arguments: of such, all
# of this user's count.
processes_of()
{
	{
		find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' -lname "$1" -printf '%h\n' 2> /dev/null
		grep -lazs "^$1\$" /proc/[0-9]*/cmdline
		for pid in $(pgrep -u "$(id -u)" -x tokenfs); do
			[ -n "$(readlink "/proc/$pid/exe")" ] || grep -lazsx tokenfs "/proc/$pid/cmdline"
		done
	} | sed 's|^/proc/||; s|/.*||' | sort -un | while read -r pid; do
		case " ${2:-} " in *" $pid "*) ;; *) echo "$pid" ;; esac
	done
}

# processes.sh - which processes run a given tokenfs, and when one has ended
# shellcheck shell=sh

# Prints the process ids of daemons and supervisors of the command at path $1, but for those in the list $2. They
# hide /proc/PID/exe from an ordinary user, but not their arguments; a module starts the command that lies beside
# it by its whole path.
processes_of()
{
	{
		find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' -lname "$1" -printf '%h\n' 2> /dev/null
		grep -lazs "^$1\$" /proc/[0-9]*/cmdline
	} | sed 's|^/proc/||; s|/.*||' | sort -un | while read -r pid; do
		case " ${2:-} " in *" $pid "*) ;; *) echo "$pid" ;; esac
	done
}

# PID [SECONDS]: waits until the process has ended, ten seconds at most. One that is dead and was not collected by its
# parent has: where the first process of the system is no real init, that may last.
ended()
{
	polls=$((${2:-10} * 50))
	while { read -r stat < "/proc/$1/stat"; } 2> /dev/null; do
		case ${stat##*) } in [ZX]*) return 0 ;; esac
		[ $polls -gt 0 ] || return 1
		polls=$((polls - 1))
		sleep 0.02
	done
	return 0
}

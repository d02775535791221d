# bash completion for tokenfs(1). What may follow is asked of the command itself, whose tables are the truth.

_tokenfs()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}

	case $prev in
	--vault | --state | --mount)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return ;;
	--config | --key-file | --output | -o)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return ;;
	--pin | --so-pin | --new-pin)
		mapfile -t COMPREPLY < <(compgen -W 'prompt stdin file: fd: env: cred: pass:' -- "$cur")
		compopt -o nospace
		return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$(tokenfs complete -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" \
		2>/dev/null)" -- "$cur")
	# Options only where one was begun.
	if [[ $cur != -* ]]; then
		local kept=() word
		for word in "${COMPREPLY[@]}"; do
			[[ $word == -* ]] || kept+=("$word")
		done
		COMPREPLY=("${kept[@]}")
	fi
}
complete -o default -F _tokenfs tokenfs

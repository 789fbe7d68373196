# Completion of moip's command lines for bash.
_moip() {
	local IFS=$'\n'
	COMPREPLY=($("${COMP_WORDS[0]}" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1))
}
complete -o default -F _moip moip

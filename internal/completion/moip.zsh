#compdef moip
# Completion of moip's command lines for zsh.
local -a candidates
local line
for line in "${(@f)$("${words[1]}" complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
	[[ -n $line ]] && candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
done
if (( $#candidates )); then
	_describe moip candidates
else
	_files
fi

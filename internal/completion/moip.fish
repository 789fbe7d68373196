# Completion of moip's command lines for fish.
function __moip_complete
	set -l words (commandline -opc) (commandline -ct)
	set -l candidates ($words[1] complete $words[2..-1] 2>/dev/null)
	if set -q candidates[1]
		printf '%s\n' $candidates
	else
		__fish_complete_path (commandline -ct)
	end
end
complete -c moip -f -a '(__moip_complete)'

package cli

import "strings"

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Help explains where scripts go.
func (completionCmd) Help() string {
	return `The script completes starproxy and j: commands, flags, files, and the names that the exporter at JUMPSTARTER_HOST exports.

    source <(starproxy completion bash)                                  # ~/.bashrc
    source <(starproxy completion zsh)                                   # ~/.zshrc, after compinit
    starproxy completion fish | source                                   # ~/.config/fish/config.fish`
}

// Run prints the script. Its only task is to hand the words of the command line
// to "starproxy __complete", which answers one candidate a line.
func (c *completionCmd) Run(sys *System) error {
	script := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell]
	sys.out("%s", strings.Trim(script, "\n"))
	return nil
}

const bashCompletion = `
_starproxy() {
    local IFS=$'\n' words=("${COMP_WORDS[@]:1:COMP_CWORD}") name=${COMP_WORDS[0]##*/}
    local found=($(starproxy __complete "$name" "${words[@]}" 2>/dev/null))
    if [[ ${found[0]} == :files ]]; then
        compopt -o filenames
        COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
    else
        COMPREPLY=("${found[@]%%$'\t'*}")
    fi
}
complete -F _starproxy starproxy j
`

const zshCompletion = `
#compdef starproxy j
_starproxy() {
    local -a found pairs
    found=("${(@f)$(starproxy __complete "${words[1]:t}" "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ ${found[1]} == :files ]]; then
        _files
    elif [[ -n ${found[1]} ]]; then
        pairs=("${(@)found//:/\\:}")
        pairs=("${(@)pairs/$'\t'/:}")
        _describe -V command pairs
    fi
}
compdef _starproxy starproxy j
`

const fishCompletion = `
function __starproxy_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l name (basename $words[1])
    set -l found (starproxy __complete $name $words[2..-1] 2>/dev/null)
    if test "$found[1]" = ":files"
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $found
    end
end
complete -c starproxy -f -a '(__starproxy_complete)'
complete -c j -f -a '(__starproxy_complete)'
`

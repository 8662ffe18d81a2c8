package main

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh" default:"bash" help:"The shell: bash or zsh."`
}

// Run prints the script. zsh takes that of bash, by its own emulation.
func (c *completionCmd) Run(a *app) error {
	if c.Shell == "zsh" {
		if _, err := io.WriteString(a.out, zshHead); err != nil {
			return err
		}
	}
	return bashCompletion(a.out, a.parser.Model.Node)
}

const zshHead = `# lucidctl completion for zsh: source <(lucidctl completion zsh), after compinit
autoload -U +X bashcompinit && bashcompinit
`

const bashHead = `# lucidctl completion for bash: source <(lucidctl completion bash)
_lucidctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} path= word i words
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case "$path/$word" in
`

const bashMiddle = `			path=$path/$word ;;
		esac
	done
	case "$path" in
`

const bashTail = `	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _lucidctl lucidctl
`

// bashCompletion writes what can follow each command, from the commands
// themselves.
func bashCompletion(out io.Writer, root *kong.Node) error {
	words := map[string]string{}
	collect(root, "", nil, words)
	var paths []string
	for path := range words {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	var b strings.Builder
	b.WriteString(bashHead)
	fmt.Fprintf(&b, "\t\t%s)\n", strings.Join(paths[1:], "|")) // all but the root
	b.WriteString(bashMiddle)
	for _, path := range paths {
		fmt.Fprintf(&b, "\t\"%s\") words=\"%s\" ;;\n", path, words[path])
	}
	b.WriteString(bashTail)
	_, err := io.WriteString(out, b.String())
	return err
}

// collect notes commands and flags below a command; flags of those above hold
// as well.
func collect(n *kong.Node, path string, flags []string, words map[string]string) {
	for _, flag := range n.Flags {
		if !flag.Hidden {
			flags = append(flags, "--"+flag.Name)
		}
	}
	var list []string
	for _, child := range n.Children {
		list = append(list, child.Name)
	}
	words[path] = strings.Join(append(list, flags...), " ")
	for _, child := range n.Children {
		collect(child, path+"/"+child.Name, flags[:len(flags):len(flags)], words)
	}
}

// Package tour owns the form of docs/tour.md: commands of a shell in console
// blocks, each followed by what it printed. It must never run anything.
package tour

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Command is one command of the page and what the page shows it prints.
type Command struct {
	Line   int // of the page, from 1
	Text   string
	Output string
}

// Page is a parsed page.
type Page struct {
	parts []part
}

// part is a line of prose, or a command with its output.
type part struct {
	prose   string
	command *Command
}

const (
	fenceOpen  = "```console"
	fenceClose = "```"
	prompt     = "$ "
	more       = "> " // goes on with the command of the line before
)

// Parse reads a page. It is an error when a block is not closed, shows output
// before its first command, or when there is no command at all.
func Parse(text string) (Page, error) {
	var (
		p       Page
		current *Command
		inside  bool
		opened  int
		found   bool
	)
	for i, line := range strings.Split(text, "\n") {
		switch {
		case !inside || line == fenceClose:
			if inside = line == fenceOpen; inside {
				opened = i + 1
			}
			current = nil
			p.parts = append(p.parts, part{prose: line})
		case strings.HasPrefix(line, prompt):
			current = &Command{Line: i + 1, Text: strings.TrimPrefix(line, prompt)}
			p.parts = append(p.parts, part{command: current})
			found = true
		case current == nil:
			return Page{}, fmt.Errorf("line %d: output before the block's first command", i+1)
		case strings.HasPrefix(line, more) && current.Output == "":
			current.Text += "\n" + strings.TrimPrefix(line, more)
		default:
			current.Output += line + "\n"
		}
	}
	if inside {
		return Page{}, fmt.Errorf("line %d: the block is never closed", opened)
	}
	if !found {
		return Page{}, errors.New("the page has no command")
	}
	return p, nil
}

// Commands are the page's commands in their order.
func (p Page) Commands() []Command {
	var all []Command
	for _, part := range p.parts {
		if part.command != nil {
			all = append(all, *part.command)
		}
	}
	return all
}

// With gives the page's text with other outputs, one for each command.
func (p Page) With(outputs []string) string {
	var lines []string
	for _, part := range p.parts {
		if part.command == nil {
			lines = append(lines, part.prose)
			continue
		}
		lines = append(lines, prompt+strings.ReplaceAll(part.command.Text, "\n", "\n"+more))
		if out := strings.TrimRight(Readable(outputs[0]), "\n"); out != "" {
			lines = append(lines, out)
		}
		outputs = outputs[1:]
	}
	return strings.Join(lines, "\n")
}

var secret = regexp.MustCompile(`[A-Za-z0-9_-]{10}[A-Za-z0-9_.-]{40,}`)

// width of a line on the page, in bytes.
const width = 118

// Readable shortens what is long and random, and folds long JSON lines after a
// comma or the end of a line within a text, two columns further in.
func Readable(output string) string {
	short := secret.ReplaceAllStringFunc(output, func(s string) string { return s[:10] + "..." })
	var lines []string
	for line := range strings.Lines(short) {
		line = strings.TrimRight(line, "\n\r ")
		for len(line) > width {
			cut := max(strings.LastIndexByte(line[:width], ',')+len(","), strings.LastIndex(line[:width], `\n`)+len(`\n`))
			if cut <= 2 {
				break
			}
			lines = append(lines, line[:cut])
			line = "  " + line[cut:]
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

var (
	field = regexp.MustCompile(`"[a-z_0-9]+":`)
	head  = regexp.MustCompile(`(?m)^[A-Z][A-Z ]*[A-Z]( {2}|$)`)
	ends  = regexp.MustCompile(`(?m)^(exit [0-9]+|HTTP/1.1 [0-9]+)`)
)

// Shape is what stays the same from run to run: the JSON fields, the heads of
// tables, and statuses.
func Shape(output string) map[string]bool {
	shape := map[string]bool{}
	for _, pattern := range []*regexp.Regexp{field, head, ends} {
		for _, match := range pattern.FindAllString(output, -1) {
			shape[strings.Join(strings.Fields(match), " ")] = true
		}
	}
	return shape
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errInterrupted is a signal while a question waits for its answer.
var errInterrupted = errors.New("interrupted; nothing was changed")

// confirm asks before what cannot be undone.
func (a *app) confirm(ctx context.Context, format string, args ...any) error {
	if a.cli.Yes {
		return nil
	}
	if a.cli.NoInput || !a.inIsTerminal {
		return usage("no terminal to ask on: give --yes to go ahead")
	}
	fmt.Fprintf(a.notes, format+" [y/N] ", args...)
	line, err := typedLine(ctx, a.in) // an end of input is a no
	if errors.Is(err, errInterrupted) {
		fmt.Fprintln(a.notes)
		return err
	}
	if word := strings.ToLower(strings.TrimSpace(line)); word != "y" && word != "yes" {
		return fmt.Errorf("not confirmed; nothing was changed")
	}
	return nil
}

// typedLine reads a line without its end. A read of a terminal cannot be called
// off, so after a signal it is left behind: the program ends then.
func typedLine(ctx context.Context, in io.Reader) (string, error) {
	type typed struct {
		text string
		err  error
	}
	lines := make(chan typed, 1)
	go func() {
		text, err := bufio.NewReader(in).ReadString('\n')
		lines <- typed{strings.TrimRight(text, "\r\n"), err}
	}()
	select {
	case line := <-lines:
		return line.text, line.err
	case <-ctx.Done():
		return "", errInterrupted
	}
}

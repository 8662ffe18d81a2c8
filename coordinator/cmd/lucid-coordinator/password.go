package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"lucid.internal/coordinator/cmd/internal/tty"
)

// maxPasswordBytes is above any password that is taken.
const maxPasswordBytes = 4096

// newPassword reads a new secret, which what names as its flag does: password or
// passphrase. It comes from standard input as it stands, or twice from the
// terminal, where it is not shown.
func newPassword(ctx context.Context, what string, fromStdin bool) (string, error) {
	if fromStdin {
		return readLine(os.Stdin)
	}
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", fmt.Errorf("there is no terminal to ask for the %s on (%w); give it by --%s-stdin", what, err, what)
	}
	defer terminal.Close()
	first, err := ask(ctx, terminal, strings.ToUpper(what[:1])+what[1:]+": ")
	if err != nil {
		return "", err
	}
	second, err := ask(ctx, terminal, "Again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", fmt.Errorf("the two %ss differ; nothing was changed", what)
	}
	return first, nil
}

// ask reads a line from the terminal with its echo switched off. The echo comes
// back however that ends, also by a signal.
func ask(ctx context.Context, terminal *os.File, prompt string) (string, error) {
	restore, err := tty.Silence(terminal)
	if err != nil {
		return "", err
	}
	defer restore()
	fmt.Fprint(terminal, prompt)
	defer fmt.Fprintln(terminal)
	type typed struct {
		text string
		err  error
	}
	lines := make(chan typed, 1)
	go func() {
		text, err := readLine(terminal)
		lines <- typed{text, err}
	}()
	select {
	case line := <-lines:
		return line.text, line.err
	case <-ctx.Done(): // a signal
		return "", errors.New("interrupted; nothing was changed")
	}
}

// readLine reads up to the end of the first line, byte by byte so that nothing
// behind it is taken.
func readLine(from io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for {
		n, err := from.Read(one)
		if n == 1 && one[0] == '\n' || errors.Is(err, io.EOF) && len(line) > 0 {
			return string(bytes.TrimSuffix(line, []byte("\r"))), nil
		}
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		if line = append(line, one[:n]...); len(line) > maxPasswordBytes {
			return "", fmt.Errorf("the password is longer than %d bytes", maxPasswordBytes)
		}
	}
}

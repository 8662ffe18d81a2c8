package wallet

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"lucid.internal/coordinator/internal/tron"
)

// Command is a signer outside of this program, such as one that asks a
// hardware module. It is started for each signature, gets one line of JSON,
//
//	{"address": "T...", "transaction_id": "64 digits", "raw_data": "hexadecimal"}
//
// on its standard input, and answers with 130 hexadecimal digits: r, s and v.
// What it signs is checked against the address.
type Command struct {
	of   tron.Address
	argv []string
}

const (
	commandPatience = 30 * time.Second
	maxCommandBytes = 4096
)

// NewCommand splits the command at spaces; no shell reads it.
func NewCommand(of tron.Address, command string) (*Command, error) {
	argv := strings.Fields(command)
	if len(argv) == 0 {
		return nil, fmt.Errorf("the signer's command is empty")
	}
	return &Command{of, argv}, nil
}

// Address is the address that the signer signs for.
func (c *Command) Address() tron.Address { return c.of }

// Sign asks for the signature of the transaction of these raw bytes.
func (c *Command) Sign(ctx context.Context, raw []byte) (s tron.Signature, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandPatience)
	defer cancel()
	id := tron.IDOf(raw)
	question, err := json.Marshal(map[string]string{
		"address": c.of.String(), "transaction_id": id.String(), "raw_data": hex.EncodeToString(raw),
	})
	if err != nil {
		return s, err
	}
	run := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	run.Stdin = bytes.NewReader(append(question, '\n'))
	run.Env = []string{} // our secrets stand in our environment
	run.WaitDelay = time.Second
	answer := limited{end: cancel}
	run.Stdout = &answer
	if err := run.Run(); err != nil {
		return s, fmt.Errorf("signer %s: %w", c.argv[0], err)
	}
	digits, err := hex.DecodeString(strings.TrimSpace(answer.text.String()))
	if err != nil || len(digits) != len(s) {
		return s, fmt.Errorf("signer %s answered with something else than %d hexadecimal digits", c.argv[0], 2*len(s))
	}
	s = tron.Signature(digits)
	if by, err := s.Recover(id); err != nil || by != c.of {
		return tron.Signature{}, fmt.Errorf("signer %s signed with another key than that of %s", c.argv[0], c.of)
	}
	return s, nil
}

// limited keeps what a command writes, and ends a command that writes too much.
// The buffer is a field: embedded, its ReadFrom would go round Write.
type limited struct {
	text bytes.Buffer
	end  func()
}

func (l *limited) Write(p []byte) (int, error) {
	if l.text.Len()+len(p) > maxCommandBytes {
		l.end()
		return 0, fmt.Errorf("it wrote more than %d bytes", maxCommandBytes)
	}
	return l.text.Write(p)
}

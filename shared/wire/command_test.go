package wire

import (
	"encoding/json"
	"strings"
	"testing"
)

func goodCommand() Command {
	return Command{
		V: 1, CommandID: strings.Repeat("ab", 16), Kind: CommandStop, IssuedMs: 1000, ExpiresMs: 61000, Version: 1, MAC: make([]byte, 32),
	}
}

func TestDecodeCommand(t *testing.T) {
	if c, err := DecodeCommand(encoded(t, goodCommand())); err != nil || c.Kind != CommandStop || c.Version != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	for want, change := range map[string]func(*Command){
		"protocol version 2":                  func(c *Command) { c.V = 2 },
		"command_id is not":                   func(c *Command) { c.CommandID = "AB" },
		"kind is missing":                     func(c *Command) { c.Kind = "" },
		"control character":                   func(c *Command) { c.Kind = "st\x00op" },
		"mac has 31 bytes":                    func(c *Command) { c.MAC = c.MAC[1:] },
		"version numbers":                     func(c *Command) { c.Version = 0 },
		"is above 9007199254740992":           func(c *Command) { c.Version = MaxVersion + 1 },
		"valid from 1000 to 1000":             func(c *Command) { c.ExpiresMs = 1000 },
		"valid from -1 to":                    func(c *Command) { c.IssuedMs = -1 },
		"valid from 1000 to 3601001 ms, want": func(c *Command) { c.ExpiresMs = 3601001 },
	} {
		c := goodCommand()
		change(&c)
		if _, err := DecodeCommand(encoded(t, c)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
	if _, err := DecodeCommand([]byte("{")); err == nil {
		t.Error("half a message was read")
	}
}

func TestDecodeCommandResult(t *testing.T) {
	good := CommandResult{V: 1, CommandID: strings.Repeat("0f", 16), Result: CommandRefused, Reason: "repeated"}
	if r, err := DecodeCommandResult(encoded(t, good)); err != nil || *r != good {
		t.Fatalf("%+v, %v", r, err)
	}
	for want, change := range map[string]func(*CommandResult){
		"protocol version 0":     func(r *CommandResult) { r.V = 0 },
		"command_id is not":      func(r *CommandResult) { r.CommandID = "" },
		`result "maybe"`:         func(r *CommandResult) { r.Result = "maybe" },
		"reason holds the":       func(r *CommandResult) { r.Reason = "a\x1bb" },
		"reason has 129 bytes, ": func(r *CommandResult) { r.Reason = strings.Repeat("a", 129) },
	} {
		r := good
		change(&r)
		if _, err := DecodeCommandResult(encoded(t, r)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}

func FuzzDecodeCommand(f *testing.F) {
	raw, err := json.Marshal(goodCommand())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, payload []byte) {
		if c, err := DecodeCommand(payload); err == nil && (len(c.MAC) != 32 || c.ExpiresMs <= c.IssuedMs) {
			t.Errorf("accepted %s", payload)
		}
	})
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

package proof

import (
	"testing"

	"lucid.internal/shared/wire"
)

var commandKey = Key(fixed("command key"))

func fixedCommand(kind wire.CommandKind, version uint64) *wire.Command {
	c := &wire.Command{
		V: wire.ProtocolVersion, CommandID: "00112233445566778899aabbccddeeff", Kind: kind,
		IssuedMs: 1_767_225_600_000, ExpiresMs: 1_767_225_660_000, Version: version,
	}
	SignCommand(commandKey, "node_kitchen-1", c)
	return c
}

func TestCommandMACCoversEveryField(t *testing.T) {
	if !VerifyCommand(commandKey, "node_kitchen-1", fixedCommand(wire.CommandStop, 7)) {
		t.Fatal("a genuine command is refused")
	}
	if VerifyCommand(commandKey, "node_kitchen-2", fixedCommand(wire.CommandStop, 7)) {
		t.Error("a command for another node is taken")
	}
	if VerifyCommand(challengeKey, "node_kitchen-1", fixedCommand(wire.CommandStop, 7)) {
		t.Error("a MAC under another key is taken")
	}
	for name, change := range map[string]func(*wire.Command){
		"id":      func(c *wire.Command) { c.CommandID = "10112233445566778899aabbccddeeff" },
		"kind":    func(c *wire.Command) { c.Kind = wire.CommandStart },
		"issued":  func(c *wire.Command) { c.IssuedMs++ },
		"expires": func(c *wire.Command) { c.ExpiresMs++ },
		"version": func(c *wire.Command) { c.Version++ },
		"mac":     func(c *wire.Command) { c.MAC[0] ^= 1 },
		"no mac":  func(c *wire.Command) { c.MAC = nil },
	} {
		c := fixedCommand(wire.CommandStop, 7)
		change(c)
		if VerifyCommand(commandKey, "node_kitchen-1", c) {
			t.Errorf("a command with another %s is taken", name)
		}
	}
}

package proof

import (
	"testing"

	"lucid.internal/shared/wire"
)

func fixedConfig() *wire.Config {
	c := &wire.Config{
		V: wire.ProtocolVersion, ConfigID: "00112233445566778899aabbccddeeff", Version: 7,
		IssuedMs: 1_767_225_600_000, ExpiresMs: 1_767_225_660_000, SampleIntervalMs: 5000, PublishIntervalMs: 30000,
		Update: &wire.Update{Version: "1.4.0", Ring: "stable", Window: "02:00-04:00"},
	}
	SignConfig(commandKey, "node_kitchen-1", c)
	return c
}

func TestConfigMACCoversEveryField(t *testing.T) {
	if !VerifyConfig(commandKey, "node_kitchen-1", fixedConfig()) {
		t.Fatal("a genuine configuration is refused")
	}
	if VerifyConfig(commandKey, "node_kitchen-2", fixedConfig()) || VerifyConfig(challengeKey, "node_kitchen-1", fixedConfig()) {
		t.Error("a configuration for another node, or under another key, is taken")
	}
	for name, change := range map[string]func(*wire.Config){
		"id":        func(c *wire.Config) { c.ConfigID = "10112233445566778899aabbccddeeff" },
		"version":   func(c *wire.Config) { c.Version++ },
		"issued":    func(c *wire.Config) { c.IssuedMs++ },
		"expires":   func(c *wire.Config) { c.ExpiresMs++ },
		"sample":    func(c *wire.Config) { c.SampleIntervalMs++ },
		"publish":   func(c *wire.Config) { c.PublishIntervalMs++ },
		"no update": func(c *wire.Config) { c.Update = nil },
		"release":   func(c *wire.Config) { c.Update.Version = "1.4.1" },
		"ring":      func(c *wire.Config) { c.Update.Ring = "canary" },
		"window":    func(c *wire.Config) { c.Update.Window = "" },
		"mac":       func(c *wire.Config) { c.MAC[0] ^= 1 },
		"no mac":    func(c *wire.Config) { c.MAC = nil },
	} {
		c := fixedConfig()
		change(c)
		if VerifyConfig(commandKey, "node_kitchen-1", c) {
			t.Errorf("a configuration with another %s is taken", name)
		}
	}
}

package agent

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"lucid.internal/agent/internal/homeassistant"
	"lucid.internal/shared/wire"
)

func TestLoad(t *testing.T) {
	c := Default()
	err := c.Load("agent.toml", `
servers = ["a.example:8883", "b.example:8883"]
sample_interval = "2s"
publish_interval = "2s"
state_dir = "/tmp/state"
spool_dir = "/tmp/spool"
spool_max = "1MiB"
status_file = ""
log_level = "debug"
[home_assistant]
broker = "mqtts://home.local"
user = "pi"
enabled = "false"
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if strings.Join(c.Servers, " ") != "a.example:8883 b.example:8883" || c.SampleInterval != 2*time.Second ||
		c.PublishInterval != 2*time.Second || c.StateDir != "/tmp/state" || c.StatusFile != "" ||
		c.spoolDir() != "/tmp/spool" || c.SpoolMax != 1<<20 || c.LogLevel != slog.LevelDebug {
		t.Errorf("config = %+v", c)
	}
	if c.HomeAssistant != (homeassistant.Settings{Broker: "mqtts://home.local", User: "pi", Off: true}) {
		t.Errorf("home_assistant = %+v", c.HomeAssistant)
	}
}

func TestDefaultIsValid(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestEveryErrorAtOnce(t *testing.T) {
	c := Default()
	loadErr := c.Load("agent.toml", `
servers = [8883]
sample_interval = 10
publish_interval = "soon"
log_level = "loud"
colour = "red"
[section]
"in quotes" = 1
dotted.key = 1
[[list]]
[home_assistant]
broker = "mqtt://home.local"
enabled = "perhaps"
colour = "red"
`)
	for _, want := range []string{
		"agent.toml:2: servers: item 1 is 8883, want a text in quotes",
		"agent.toml:3: sample_interval: 10 is not a text in quotes",
		`agent.toml:4: publish_interval: time: invalid duration "soon"`,
		`agent.toml:5: log_level: "loud" is not one of debug, info, warn, error`,
		"agent.toml:6: colour: no such setting",
		"agent.toml:7: section: no such setting",
		"agent.toml:10: list: no such setting",
		`agent.toml:13: home_assistant.enabled: "perhaps" is not one of true, false`,
		"agent.toml:14: home_assistant.colour: no such setting",
	} {
		if loadErr == nil || !strings.Contains(loadErr.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, loadErr)
		}
	}
	c = Config{Servers: []string{"host", ":1", "ok:1"}, SampleInterval: time.Millisecond, PublishInterval: 2 * time.Hour}
	err := c.Validate()
	for _, want := range []string{
		`servers: "host" is not host:port`, `servers: ":1" is not host:port`,
		"sample_interval: 1ms is below 1s", "publish_interval: 2h0m0s is above 1h0m0s",
		"publish_interval: 2h0m0s holds more than 256 samples", "state_dir: missing",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	c = Default()
	c.HomeAssistant.Broker = "home.local"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "home_assistant.broker: want mqtt://") {
		t.Errorf("error = %v", err)
	}
	if err := c.Load("agent.toml", "\nhome_assistant = \"mqtt://home.local\"\n"); err == nil || !strings.Contains(err.Error(), "agent.toml:2: ") {
		t.Errorf("error = %v, want that it is a section", err)
	}
	c = Default()
	c.PublishInterval = time.Second
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "is below sample_interval") {
		t.Errorf("error = %v", err)
	}
}

func TestSyntaxErrorNamesTheLine(t *testing.T) {
	c := Default()
	if err := c.Load("agent.toml", "servers = []\nsample_interval = \n"); err == nil || !strings.Contains(err.Error(), "agent.toml:2: ") {
		t.Errorf("error = %v, want file and line", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("servers = [\"a:1\"]\nsample_interval = \"1s\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := Default()
		if c.Load("agent.toml", text) == nil && c.Validate() == nil && c.SampleInterval < wire.MinSampleInterval {
			t.Errorf("interval %s was accepted from %q", c.SampleInterval, text)
		}
	})
}

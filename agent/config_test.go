package agent

import (
	"errors"
	"fmt"
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

// What can only be judged when all is known, ranges and what two settings say
// together, is reported with the line of the setting too.
func TestFaultOfRangeNamesItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		text string // of agent.toml
		flag string // key=value, given after it; "": none
		want []string
	}{
		"each with its own": {"servers = [\"here\"]\nsample_interval = \"1ms\"\npublish_interval = \"2h\"\nstate_dir = \"\"\n", "", []string{
			`agent.toml:1: servers: "here" is not host:port`, "agent.toml:2: sample_interval: 1ms is below 1s",
			"agent.toml:3: publish_interval: 2h0m0s is above 1h0m0s", "agent.toml:4: state_dir: missing"}},
		"beside faults of the form": {"colour = \"red\"\nlog_level = 7\nspool_max = \"64 MB\"\nsample_interval = \"10\"\npublish_interval = \"500ms\"\n", "", []string{
			"agent.toml:1: colour: no such setting", "agent.toml:2: log_level: 7 is not a text", `agent.toml:3: spool_max: "64 MB" is not a size such as 64MiB`,
			"agent.toml:4: sample_interval: time: missing unit", "agent.toml:5: publish_interval: 500ms is below sample_interval (10s)"}},
		"the other's, of one not given": {"\nsample_interval = \"2m\"\n", "", []string{"agent.toml:2: publish_interval: 1m0s is below sample_interval (2m0s)"}},
		"none, of a flag":               {"publish_interval = \"1m\"\nsample_interval = \"30s\"\n", "publish_interval=2h", []string{"\npublish_interval: 2h0m0s is above"}},
		"in a section": {"[home_assistant]\nbroker = \"home.local\"\ndiscovery_prefix = \"a/#\"\n", "", []string{
			"agent.toml:2: home_assistant.broker: want mqtt://", `agent.toml:3: home_assistant.discovery_prefix: "a/#"`}},
		"the section's, of one missing": {"\n[home_assistant]\nuser = \"pi\"\n", "", []string{"agent.toml:2: home_assistant.broker: missing"}},
		"dotted keys":                   {"home_assistant.broker = \"home.local\"\na.b.c = 1\n", "", []string{"agent.toml:1: home_assistant.broker: want", "agent.toml:2: a: no such setting"}},
	} {
		t.Run(name, func(t *testing.T) {
			config := Default()
			err := config.Load("agent.toml", c.text)
			if key, value, given := strings.Cut(c.flag, "="); given {
				err = errors.Join(err, config.Set(key, value))
			}
			got := fmt.Sprintf("\n%v", errors.Join(err, config.Validate()))
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("error lacks %q:%s", want, got)
				}
			}
		})
	}
}

// A value that cannot be read is one fault: the setting stays as it was.
func TestUnreadableValueIsNoMissingOne(t *testing.T) {
	c := Default()
	err := c.Load("agent.toml", "state_dir = 5\nservers = [\"a:1\", 2]\ncolour = 7\n")
	want := "agent.toml:1: state_dir: 5 is not a text in quotes\nagent.toml:2: servers: item 2 is 2, want a text in quotes\nagent.toml:3: colour: no such setting"
	if got := errors.Join(err, c.Validate()); got == nil || got.Error() != want {
		t.Errorf("error:\n%v\nwant:\n%s", got, want)
	}
}

// In several files the later one wins, and is where the fault lies.
func TestFaultOfRangeNamesTheLaterFile(t *testing.T) {
	c := Default()
	for _, file := range []string{"a.toml", "b.toml"} {
		if err := c.Load(file, "sample_interval = \"1ms\"\n"); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), "b.toml:1: sample_interval: ") {
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

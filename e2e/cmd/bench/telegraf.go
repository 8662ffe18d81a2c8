package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"lucid.internal/e2e/harness"
)

// telegrafVersion is built from its module, since Debian has no package of it:
// with the three plugins of a pipeline, as its docs/CUSTOMIZATION.md says, so
// that only their dependencies are fetched. The go.mod that asks for it is alone,
// and never tidied: that would take in what all its plugins need.
const (
	telegrafVersion = "v1.37.2"
	telegrafModule  = "github.com/influxdata/telegraf"
	telegrafTags    = "custom,inputs.mqtt_consumer,parsers.json,outputs.postgresql"
)

// telegraf subscribes at a broker and writes what it hears into Postgres.
type telegraf struct {
	cmd *exec.Cmd
	log bytes.Buffer // read after it has ended
}

// buildTelegraf gives the path of a telegraf that is built once, beside the
// other tools. The error says why there is none.
func buildTelegraf(ctx context.Context) (string, error) {
	root, err := harness.Repository()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(root, "bin", "tools", "telegraf-"+telegrafVersion)
	path := filepath.Join(folder, "telegraf")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	log.Print("building telegraf, once ...")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-tags", telegrafTags, "-o", path, telegrafModule+"/cmd/telegraf")
	build.Dir = filepath.Join(root, "tools", "telegraf")
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n") // all but the last tell of downloads
		return "", fmt.Errorf("telegraf %s cannot be built (%w: %.200s)", telegrafVersion, err, lines[len(lines)-1])
	}
	return path, nil
}

// telegrafSettings are those that stored most of several that were tried: other
// sizes of batches, json_v2, xpath_json, two consumers that share the topic, two
// connections to the database. With two of those it would acknowledge to
// Mosquitto what is not stored yet. Its columns are all that json can tell, as
// floating point: a run's name is not among them.
const telegrafSettings = `[agent]
  metric_batch_size = 5000
  metric_buffer_limit = 100000
  flush_interval = "1s"
  omit_hostname = true
  quiet = true
[[inputs.mqtt_consumer]]
  servers = ["tcp://%[1]s"]
  topics = ["lucid/v1/nodes/+/metrics"]
  qos = 1
  persistent_session = true
  client_id = "telegraf"
  max_undelivered_messages = 20000
  name_override = "` + telegrafTable + `"
  data_format = "json"
  json_query = "samples"
  json_time_key = "at_ms"
  json_time_format = "unix_ms"
[[outputs.postgresql]]
  connection = "%[2]s"
`

// telegrafTable is made by telegraf: a column for each number and for the
// topic, without an index.
const telegrafTable = "pipeline"

// telegrafGarbage collects garbage seldom, which saves it a quarter of its time.
// The coordinator sees to that by itself.
const telegrafGarbage = "GOGC=800"

func startTelegraf(path, dir, broker, database string) (*telegraf, error) {
	settings := filepath.Join(dir, "telegraf.conf")
	if err := os.WriteFile(settings, fmt.Appendf(nil, telegrafSettings, broker, database), 0o600); err != nil {
		return nil, err
	}
	t := &telegraf{cmd: exec.Command(path, "--config", settings)}
	t.cmd.Env = append(os.Environ(), telegrafGarbage)
	t.cmd.Stdout, t.cmd.Stderr = &t.log, &t.log
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	return t, nil
}

// stop ends it; what it said is worth telling when something went wrong before.
func (t *telegraf) stop(wrong error) error {
	end(t.cmd)
	if wrong == nil {
		return nil
	}
	return errors.Join(wrong, fmt.Errorf("telegraf said: %s", &t.log))
}

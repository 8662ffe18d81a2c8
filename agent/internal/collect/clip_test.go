package collect

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shirou/gopsutil/v3/disk"

	"lucid.internal/shared/wire"
)

// decoded sends a sample and an inventory the way that the agent does, to
// the checks of the coordinator. What does not pass is lost.
func decoded(t *testing.T, s wire.Sample, i wire.Inventory) (wire.Sample, wire.Inventory) {
	t.Helper()
	s.Seq, s.AtMs = 1, 1_800_000_000_000
	payload, err := json.Marshal(wire.Metrics{V: wire.ProtocolVersion, Run: wire.NewRunID(), Samples: []wire.Sample{s}})
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := wire.DecodeMetrics(payload)
	if err != nil {
		t.Fatalf("the coordinator refuses the sample: %v", err)
	}
	payload, err = json.Marshal(wire.Info{V: wire.ProtocolVersion, Inventory: i})
	if err != nil {
		t.Fatal(err)
	}
	info, err := wire.DecodeInfo(payload)
	if err != nil {
		t.Fatalf("the coordinator refuses the inventory: %v", err)
	}
	return metrics.Samples[0], info.Inventory
}

func TestHostileNamesDoNotMakeAMessageRefused(t *testing.T) {
	for name, mount := range map[string]string{
		"control characters": `/media/a\011b\012c\033[31m`,
		"not UTF-8":          `/media/` + strings.Repeat(`\351`, 100),
		"too long":           `/media/` + strings.Repeat("é", 100),
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, "pi4")
			m.replace("proc/self/mountinfo", " /boot/firmware ", " "+mount+" ")
			write(t, filepath.Join(m.root, "proc/sys/kernel/hostname"), "pi\x1b[2J\xe9"+strings.Repeat("\xff", 60)+"\n")
			write(t, filepath.Join(m.root, "proc/device-tree/model"), "Pi\x00\u0085"+strings.Repeat("x", 200)+"\x00")
			sample, inventory := decoded(t, m.Sample(), m.Inventory())
			if sample.Disk == nil || !strings.HasPrefix(inventory.Hostname, "pi") || !strings.HasPrefix(inventory.Model, "Pi") {
				t.Errorf("disk %v, hostname %q, model %q", sample.Disk, inventory.Hostname, inventory.Model)
			}
		})
	}
}

func TestReasonOfSeveralLinesIsSent(t *testing.T) {
	m := newMachine(t, "pi4")
	m.config.Usage = func(path string) (*disk.UsageStat, error) { return nil, errors.New("input/output error") }
	sample, _ := decoded(t, m.Sample(), m.Inventory())
	if sample.Disk != nil || !strings.Contains(sample.Absent["disk"], "input/output error") {
		t.Errorf("disk %v, absent %q", sample.Disk, sample.Absent["disk"])
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

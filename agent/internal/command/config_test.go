package command

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

func (b *bench) configuration(version uint64, sample, publish time.Duration) *wire.Config {
	c := &wire.Config{
		V: 1, ConfigID: fmt.Sprintf("%032x", version), Version: version, IssuedMs: b.now.UnixMilli(), ExpiresMs: b.now.Add(time.Hour).UnixMilli(),
		SampleIntervalMs: sample.Milliseconds(), PublishIntervalMs: publish.Milliseconds(),
		Update: &wire.Update{Version: "1.4.0", Ring: "stable"},
	}
	proof.SignConfig(key, node, c)
	return c
}

func (b *bench) configure(c *wire.Config) wire.CommandResult {
	b.t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := b.Configure(raw, false)
	if err != nil || r.CommandID != c.ConfigID {
		b.t.Fatalf("%+v, %v", r, err)
	}
	return *r
}

// wantUnchanged: what is refused changes nothing, and says why.
func (b *bench) wantUnchanged(c *wire.Config, reason string) {
	b.t.Helper()
	before := b.Desired()
	if r := b.configure(c); r.Result != wire.CommandRefused || !strings.Contains(r.Reason, reason) {
		b.t.Errorf("version %d gives %+v, want refused: %s", c.Version, r, reason)
	}
	if after := b.Desired(); !reflect.DeepEqual(before, after) {
		b.t.Errorf("%+v became %+v", before, after)
	}
}

func TestConfigurationSurvivesARestart(t *testing.T) {
	b := newBench(t)
	if d := b.Desired(); d != (Desired{}) {
		t.Fatalf("a new agent desires %+v", d)
	}
	first := b.configuration(1, 5*time.Second, 30*time.Second)
	want := Desired{Version: 1, SampleInterval: 5 * time.Second, PublishInterval: 30 * time.Second, Update: &wire.Update{Version: "1.4.0", Ring: "stable"}}
	for range 2 { // it is retained: every connection brings it again
		if r := b.configure(first); r.Result != wire.CommandDone || !reflect.DeepEqual(b.Desired(), want) {
			t.Fatalf("%+v leaves %+v", r, b.Desired())
		}
		b.open(node)
	}
	b.now = b.now.Add(2 * time.Hour)
	if r := b.configure(first); r.Result != wire.CommandDone {
		t.Errorf("what was taken is refused when it comes again later: %+v", r)
	}
	b.configure(b.configuration(2, 0, 0))
	if d := b.Desired(); d.SampleInterval != 0 || d.Version != 2 {
		t.Errorf("its own settings are not back: %+v", d)
	}
	b.open("node_second")
	if d := b.Desired(); d != (Desired{}) {
		t.Errorf("a machine that became another node desires %+v", d)
	}
}

func TestConfigurationIsRefusedAsAWhole(t *testing.T) {
	b := newBench(t)
	b.configure(b.configuration(1, 5*time.Second, 30*time.Second))
	b.wantUnchanged(b.configuration(2, time.Millisecond, 2*time.Hour), "sample_interval: 1ms is below 1s; publish_interval: 2h0m0s is above 1h0m0s")
	b.wantUnchanged(b.configuration(2, time.Millisecond, 2*time.Hour), "sample_interval") // again: the same answer
	b.wantUnchanged(b.configuration(3, 1<<62, -1<<62), "publish_interval")
	b.wantUnchanged(b.configuration(1, time.Minute, time.Minute), "repeated: version 1 is not above 3")
	b.open(node)
	b.wantUnchanged(b.configuration(2, time.Minute, time.Minute), "repeated")

	late := b.configuration(4, time.Minute, time.Minute)
	b.now = b.now.Add(time.Hour)
	b.wantUnchanged(late, "expired")
	forged := b.configuration(5, time.Minute, time.Minute)
	forged.SampleIntervalMs++
	b.wantUnchanged(forged, "MAC")
	if r := b.configure(b.configuration(4, time.Minute, time.Minute)); r.Result != wire.CommandDone {
		t.Errorf("the forgery used up a version: %+v", r)
	}
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	b.wantUnchanged(b.configuration(6, 0, 0), "it cannot be kept")
}

func TestWhatIsNoConfigurationHasNoAnswer(t *testing.T) {
	b := newBench(t)
	for _, payload := range []string{"", "{", `{"v":1}`, strings.Repeat("[", 1000), strings.Repeat(" ", wire.MaxMessageBytes+1)} {
		if r, err := b.Configure([]byte(payload), false); err == nil {
			t.Errorf("%.20q gives %+v", payload, r)
		}
	}
}

// TestPlantedLinkIsRefused: who may write into the state folder for a moment
// must not lead the agent elsewhere.
func TestPlantedLinkIsRefused(t *testing.T) {
	for _, file := range []string{stateFile, configFile} {
		b := newBench(t)
		elsewhere := filepath.Join(t.TempDir(), "elsewhere")
		if err := os.WriteFile(elsewhere, []byte(`{"node_id":"node_test","version":9}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(elsewhere, filepath.Join(b.dir, file)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Config{Dir: b.dir, NodeID: node}); err == nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// What a broker kept under keys that are not in use may be from before a restore:
// it is not taken, not answered, and no sign of what keys the coordinator has.
// Nor is one that is in use, since the coordinator may have others by now.
func TestConfigurationThatABrokerKept(t *testing.T) {
	b := newBench(t)
	lost := proof.Key{8}.Derive()
	b.epochs = append(b.epochs, proof.Epoch{No: 2, Keys: lost})
	kept := b.configuration(1, 5*time.Second, 30*time.Second)
	taken := func(c *wire.Config) bool {
		t.Helper()
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		r, err := b.Configure(raw, true)
		return err == nil && r.Result == wire.CommandDone
	}
	if !taken(kept) || b.used != 0 {
		t.Errorf("under the keys in use: version %d, used %d", b.ConfigVersion(), b.used)
	}
	unseen := b.configuration(2, 7*time.Second, 30*time.Second)
	proof.SignConfig(lost.Command, node, unseen)
	if taken(unseen) || b.ConfigVersion() != 1 || b.used != 0 {
		t.Errorf("under others: version %d, used %d", b.ConfigVersion(), b.used)
	}
	if r := b.configure(unseen); r.Result != wire.CommandDone || b.used != 2 { // the same, said now
		t.Errorf("said now: %+v, used %d", r, b.used)
	}
}

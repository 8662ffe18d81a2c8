package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lucid.internal/agent/internal/coordtest"
)

// TestExamine looks over an enrolled machine whose coordinator runs, then
// damages the identity: the rest is looked at all the same.
func TestExamine(t *testing.T) {
	n := newNetwork(t, nil)
	level := func() map[string]string {
		findings, err := Examine(n.ctx, n.config)
		if err != nil {
			t.Fatal(err)
		}
		levels := make(map[string]string)
		for _, f := range findings {
			levels[f.Check] = string(f.Level)
		}
		return levels
	}
	server := "coordinator " + n.broker.Addr
	if got := level(); got["state folder"] != "ok" || got[server] != "ok" || got["certificate"] != "warning" {
		t.Errorf("%v, want all well but a CA that ends in a day", got)
	}
	n.broker.Close()
	if got := level(); got[server] != "problem" {
		t.Errorf("%v, want that the coordinator is away", got)
	}
	if err := os.WriteFile(filepath.Join(n.config.StateDir, "identity.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := level(); got["identity"] != "problem" || got["clock"] == "" {
		t.Errorf("%v, want a damaged identity among the rest", got)
	}
}

// TestExamineTellsOfADeletedNode asks the machine of a node that the
// coordinator knows no more, while its agent runs and once it has stopped.
func TestExamineTellsOfADeletedNode(t *testing.T) {
	n := newNetworkWith(t, coordtest.BrokerConfig{Password: "of another node"})
	login := func() (f Finding) {
		findings, err := Examine(n.ctx, n.config)
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(findings, func(f Finding) bool { return f.Check == "login" }); i >= 0 {
			f = findings[i]
		}
		return f
	}
	if f := login(); f != (Finding{}) {
		t.Errorf("before any agent ran: %+v", f)
	}
	_, stop := n.start()
	n.reported(func(r *Report) bool { return strings.Contains(r.LastError, "enrol again with a new enroll.toml") })
	if f := login(); f.Level != FindingProblem || !strings.Contains(f.Remedy, "enrol again") {
		t.Errorf("while the agent is refused: %+v", f)
	}
	stop()
	if f := login(); f != (Finding{}) {
		t.Errorf("of an agent that does not run: %+v", f)
	}
}

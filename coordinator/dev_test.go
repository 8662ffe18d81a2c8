package coordinator

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/node"
)

// The agent beside dev is silent about a node that was deleted; dev is not.
func TestDevKnowsThatItsNodeIsGone(t *testing.T) {
	f := newFoundation(t, testConfig(t))
	identity := filepath.Join(t.TempDir(), "identity.json")
	want := func(when string, wanted bool) {
		t.Helper()
		if gone, err := f.NodeGone(t.Context(), identity); err != nil || gone != wanted {
			t.Errorf("%s: gone %v, %v", when, gone, err)
		}
	}
	holds := func(text string) {
		t.Helper()
		if err := os.WriteFile(identity, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want("not enrolled yet", false)
	n, _, err := f.Nodes.Create(t.Context(), ByCLI(), node.New{Name: "local"})
	if err != nil {
		t.Fatal(err)
	}
	holds(`{"v": 1, "node_id": "` + n.ID + `"}`)
	want("a node that is there", false)
	if err := f.Nodes.Delete(t.Context(), ByCLI(), n.ID, nil); err != nil {
		t.Fatal(err)
	}
	want("deleted", true)
	holds(`{"v": 1, "node_id": "node_of_another_database"}`)
	want("never here", true)
	holds("{")
	if _, err := f.NodeGone(t.Context(), identity); err == nil {
		t.Error("a damaged identity is not told of")
	}
}

// An address that is taken comes with what to type instead.
func TestTakenAddressNamesTheWayOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config := Config{DataDir: t.TempDir()}
	config.API.Host, config.API.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	err = CheckFree(config)
	if err == nil || !strings.Contains(err.Error(), "--http") || !strings.Contains(err.Error(), `make run RUN_FLAGS="--http 127.0.0.1:8096 --mqtt 127.0.0.1:8884"`) {
		t.Errorf("error = %v", err)
	}
}

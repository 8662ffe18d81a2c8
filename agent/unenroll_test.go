package agent

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lucid.internal/agent/internal/identity"
	"lucid.internal/shared/wire"
)

// An agent whose identity is taken away while it runs ends, with what tells the
// service manager whether to start it again; one whose file cannot be read goes on.
func TestAgentEndsWithItsIdentity(t *testing.T) {
	giveUp := func(t *testing.T, n *network) {
		if _, err := Unenrol(n.ctx, UnenrolConfig{StateDir: n.config.StateDir, Now: time.Now}); err != nil {
			t.Fatal(err)
		}
	}
	enrolAnew := func(t *testing.T, n *network) {
		file := filepath.Join(t.TempDir(), "enroll.toml")
		write(t, file, n.enrolment.Ticket("another"))
		if _, err := Enrol(n.ctx, EnrolConfig{File: file, StateDir: n.config.StateDir, Root: n.config.Root}); err != nil {
			t.Fatal(err)
		}
	}
	damage := func(t *testing.T, n *network) { write(t, filepath.Join(n.config.StateDir, "identity.json"), "{") }
	for name, c := range map[string]struct {
		happens func(*testing.T, *network)
		want    error // nil: it goes on
	}{
		"given up":      {giveUp, ErrNotEnrolled},
		"enrolled anew": {enrolAnew, identity.ErrReplaced},
		"unreadable":    {damage, nil},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, nil)
			a, err := New(n.config)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- a.Run(n.ctx) }()
			n.next(wire.ChannelInfo)
			c.happens(t, n)
			n.broker.Kick(testNode)
			if c.want == nil {
				n.next(wire.ChannelInfo) // of another connection
				n.cancel()
			}
			if err := <-ended; !errors.Is(err, c.want) || err != nil && !strings.HasPrefix(err.Error(), "node_test is no longer this machine's node") {
				t.Errorf("run: %v, want %v", err, c.want)
			}
		})
	}
}

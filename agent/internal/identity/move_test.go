package identity

import (
	"strings"
	"testing"

	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

func (n *rotation) whereabouts(nodeID, cas string, mqtt ...string) *wire.Whereabouts {
	w := &wire.Whereabouts{MQTT: mqtt, CAPEM: cas}
	n.Sign(func(key []byte) { proof.SignWhereabouts(key, nodeID, w) })
	return w
}

func TestMachineFollowsItsCoordinatorAndTrustsTheCAsThatItIsTold(t *testing.T) {
	n := newRotation(t)
	before, err := Load(n.dir)
	if err != nil {
		t.Fatal(err)
	}
	next := coordtest.NewAuthority(t).PEM
	tried, err := n.ring(t).Move(n.whereabouts(testNode, before.CAPEM+next, "new.example:8883", before.Servers[0]))
	if err != nil || strings.Join(tried, " ") != "new.example:8883 "+strings.Join(before.Servers, " ") {
		t.Fatalf("tries %v, %v", tried, err)
	}
	after, err := Load(n.dir)
	if err != nil || after.CAPEM != before.CAPEM+next || strings.Join(after.Servers, " ") != strings.Join(tried, " ") {
		t.Errorf("on the disk: %+v, %v", after, err)
	}
	if _, err := n.ring(t).Move(n.whereabouts(testNode, next, "new.example:8883")); err != nil {
		t.Fatal(err)
	}
	if after, err := Load(n.dir); err != nil || after.CAPEM != next {
		t.Errorf("the old CA is trusted still: %v", err)
	}
	wantKeys(t, n.dir, n.Root("first"), 1)
}

func TestMovesThatAreNotTheCoordinators(t *testing.T) {
	n, ca := newRotation(t), coordtest.NewAuthority(t).PEM
	r := n.ring(t)
	altered := n.whereabouts(testNode, ca, "a:1")
	altered.MQTT = []string{"evil:1"}
	for name, c := range map[string]struct {
		move *wire.Whereabouts
		want string
	}{
		"none":           {nil, "does not say"},
		"altered":        {altered, "not signed"},
		"for another":    {n.whereabouts("node_other", ca, "a:1"), "not signed"},
		"no certificate": {n.whereabouts(testNode, "pem", "a:1"), "not a PEM certificate"},
		"no port":        {n.whereabouts(testNode, ca, "a"), "missing port"},
		"too many CAs":   {n.whereabouts(testNode, strings.Repeat(ca, 5), "a:1"), "names 5 CAs"},
	} {
		if _, err := r.Move(c.move); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if id, err := Load(n.dir); err != nil || id.Servers[0] != servers[0] || len(id.Servers) != 1 {
		t.Errorf("moved all the same: %+v, %v", id, err)
	}
}

package proof_test

import (
	"errors"
	"testing"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

func TestWhereaboutsAreWhatTheCoordinatorSigned(t *testing.T) {
	ours, enrolmentKey := signer(t)
	signed := wire.Whereabouts{MQTT: []string{"a:1", "b:2"}, CAPEM: "pem"}
	proof.SignWhereabouts(enrolmentKey, "node_a", &signed)
	if err := proof.VerifyWhereabouts(ours, "node_a", &signed); err != nil {
		t.Fatal(err)
	}
	for name, alter := range map[string]func(*wire.Whereabouts){
		"an address more": func(w *wire.Whereabouts) { w.MQTT = []string{"a:1", "b:2", "c:3"} },
		"another order":   func(w *wire.Whereabouts) { w.MQTT = []string{"b:2", "a:1"} },
		"joined":          func(w *wire.Whereabouts) { w.MQTT = []string{"a:1b:2"} },
		"another CA":      func(w *wire.Whereabouts) { w.CAPEM = "pem2" },
	} {
		altered := signed
		alter(&altered)
		if err := proof.VerifyWhereabouts(ours, "node_a", &altered); !errors.Is(err, proof.ErrSignature) {
			t.Errorf("%s: %v, want ErrSignature", name, err)
		}
	}
	if proof.VerifyWhereabouts(ours, "node_b", &signed) == nil {
		t.Error("signed for another node, and taken")
	}
	c := &wire.Command{Kind: wire.CommandMove, Version: 1, Coordinator: &signed}
	proof.SignCommand(proof.Key{1}, "node_a", c)
	other := signed
	other.CAPEM = "pem2"
	altered := *c
	altered.Coordinator = &other
	if !proof.VerifyCommand(proof.Key{1}, "node_a", c) || proof.VerifyCommand(proof.Key{1}, "node_a", &altered) {
		t.Error("a command's MAC does not cover where the coordinator is")
	}
}

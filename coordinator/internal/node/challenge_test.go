package node_test

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

// What a machine could not answer in time is refused, as far as the machine is
// known, and nothing of the change is kept.
func TestDifficultyBeyondTheNodesMachineIsRefused(t *testing.T) {
	w := newWorld(t)
	w.HighestDifficulty = func(model string) int { return challenge.HighestDifficulty(model, 8, 30*time.Second) }
	const small = "Raspberry Pi Zero W Rev 1.1"
	highest, fastest := w.HighestDifficulty(small), w.HighestDifficulty("")
	if highest >= fastest {
		t.Fatalf("%s may be asked %d bits, and any machine %d", small, highest, fastest)
	}
	configured := func(bits int) *node.Configuration {
		return &node.Configuration{Challenge: node.Challenge{Difficulty: &bits}}
	}
	refused := func(bits int, err error) {
		t.Helper()
		if f := wantFault(t, err, fault.Validation); len(f.Fields) != 1 || f.Fields[0].Name != "configuration.challenge.difficulty" {
			t.Errorf("%d bits: %+v", bits, f)
		}
	}
	_, id := w.enrolled(t, "pi")
	set := func(bits int) error {
		_, err := w.Update(t.Context(), operator, id, node.Update{Name: pointer("renamed"), Configuration: configured(bits)})
		return err
	}
	refused(fastest+1, set(fastest+1)) // its model is not known
	refused(-1, set(-1))
	refused(1<<40, set(1<<40))
	if got := w.get(t, id); got.Version != 1 || got.Configuration.Challenge.Difficulty != nil {
		t.Errorf("a refused change left %+v", got)
	}
	if err := set(fastest); err != nil {
		t.Error(err)
	}
	if _, err := w.pool.Exec(t.Context(), "UPDATE node SET inventory = jsonb_build_object('model', $1::text)", small); err != nil {
		t.Fatal(err)
	}
	refused(fastest, set(fastest))
	refused(highest+1, set(highest+1))
	if err := set(highest); err != nil {
		t.Error(err)
	}
	if _, err := w.Update(t.Context(), operator, id, node.Update{Name: pointer("cellar")}); err != nil {
		t.Errorf("another change: %v", err)
	}
	if got := w.get(t, id).Configuration.Challenge.Difficulty; got == nil || *got != highest {
		t.Errorf("set is %v, want %d", got, highest)
	}
	_, _, err := w.Create(t.Context(), operator, node.New{Name: "new", Hardware: wire.Inventory{Model: small}, Configuration: configured(highest + 1)})
	refused(highest+1, err)
}

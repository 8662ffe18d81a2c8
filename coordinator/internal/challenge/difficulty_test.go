package challenge_test

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/shared/wire"
)

const smallModel = "Raspberry Pi Zero W Rev 1.1"

// asking is a stage whose node is in a pool, where difficulties are set as
// operators set them.
type asking struct {
	*stage
	pools  *pool.Store
	poolID string
}

func newAsking(t *testing.T) *asking {
	t.Helper()
	s, _ := crowd(t, 1)
	s.model(t, smallModel)
	a := &asking{stage: s, pools: pool.NewStore(s.pool, s.Now)}
	home, err := a.pools.Create(t.Context(), audit.By{Actor: audit.CLI}, pool.New{Name: "home"})
	if err != nil {
		t.Fatal(err)
	}
	a.poolID = home.ID
	a.update(t, node.Update{PoolID: &home.ID})
	return a
}

func (a *asking) update(t *testing.T, u node.Update) {
	t.Helper()
	if _, err := a.Nodes.Update(t.Context(), audit.By{Actor: audit.CLI}, a.session.NodeID, u); err != nil {
		t.Fatal(err)
	}
}

func (a *asking) ofNode(t *testing.T, c node.Challenge) {
	t.Helper()
	a.update(t, node.Update{Configuration: &node.Configuration{Challenge: c}})
}

func (a *asking) ofPool(t *testing.T, c node.Challenge) {
	t.Helper()
	if _, err := a.pools.Update(t.Context(), audit.By{Actor: audit.CLI}, a.poolID, nil, pool.Patch{Challenge: &c}); err != nil {
		t.Fatal(err)
	}
}

// next is the node's next challenge, answered at once.
func (a *asking) next(t *testing.T) wire.Challenge {
	t.Helper()
	a.clock = a.clock.Add(time.Hour)
	c := a.round(t)
	a.answer(t, a.solve(t, c, nil))
	return c
}

func bits(d int) node.Challenge { return node.Challenge{Difficulty: &d} }

func TestNearestDifficultyIsAsked(t *testing.T) {
	a := newAsking(t)
	asked := func(when string, want int) {
		t.Helper()
		if c := a.next(t); c.Difficulty != want {
			t.Errorf("%s: %d bits, want %d", when, c.Difficulty, want)
		}
		a.cohort(t)
		c := a.challenges[len(a.challenges)-1]
		if c.Difficulty != want {
			t.Errorf("%s, in a cohort: %d bits, want %d", when, c.Difficulty, want)
		}
		a.answer(t, a.solve(t, c, nil))
	}
	a.Difficulty = challenge.Calibrated
	asked("nobody set one", 11)
	a.Difficulty = 4
	asked("of the fleet", 4)
	a.ofPool(t, bits(5))
	asked("of the pool", 5)
	a.ofNode(t, bits(6))
	asked("of the node", 6)
	a.ofNode(t, bits(0))
	asked("of the node, none at all", 0)
	a.ofPool(t, bits(7))
	asked("of the pool, with another of the node", 0)
	a.ofNode(t, node.Challenge{})
	asked("taken back from the node", 7)
	a.Difficulty = challenge.Calibrated
	asked("of the pool alone", 7)
	a.ofNode(t, bits(3))
	a.ofPool(t, node.Challenge{})
	asked("of the node alone", 3)
	a.Difficulty = 4
	a.ofPool(t, bits(5))
	a.ofNode(t, node.Challenge{})
	a.update(t, node.Update{PoolID: new("")})
	asked("outside its pool", 4)
}

// What is set for many nodes, or was before the node's machine was known, is too
// much for some.
func TestNobodyIsAskedMoreThanItsModelCanDo(t *testing.T) {
	a := newAsking(t)
	highest := challenge.HighestDifficulty(smallModel, a.Count, a.Deadline)
	for name, set := range map[string]func(){
		"of the fleet": func() { a.Difficulty = highest + 1 },
		"of the pool":  func() { a.ofPool(t, bits(highest+1)) },
		"of the node":  func() { a.ofNode(t, bits(highest+1)) },
	} {
		set()
		if c := a.next(t); c.Difficulty != highest {
			t.Errorf("%s: %d bits, want %d", name, c.Difficulty, highest)
		}
	}
}

// Answers to what an operator set say nothing of what the node is fit for.
func TestSetDifficultyIsNotCalibratedBy(t *testing.T) {
	a := newAsking(t)
	a.Difficulty = challenge.Calibrated
	floor := a.next(t).Difficulty
	for name, set := range map[string]func(node.Challenge){
		"of the pool": func(c node.Challenge) { a.ofPool(t, c) },
		"of the node": func(c node.Challenge) { a.ofNode(t, c) },
	} {
		set(bits(floor))
		for range 16 {
			a.next(t)
		}
		set(node.Challenge{})
		if c := a.next(t); c.Difficulty != floor {
			t.Errorf("%s, taken back: %d bits, want the %d of before", name, c.Difficulty, floor)
		}
	}
}

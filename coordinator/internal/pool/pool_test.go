package pool_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool"
)

func insertNodes(t *testing.T, p *db.Pool, n int) {
	t.Helper()
	_, err := p.Exec(t.Context(), `INSERT INTO node (node_id, name, status)
		SELECT 'node_' || i, 'node-' || i, 'active' FROM generate_series(1, $1) i`, n)
	if err != nil {
		t.Fatal(err)
	}
}

func TestConcurrentJoinsNeverOverfillAPool(t *testing.T) {
	p := dbtest.New(t)
	insertNodes(t, p, 130)
	s := pool.NewStore(p, nil)
	full, err := s.Create(t.Context(), audit.By{Actor: audit.CLI}, pool.New{Name: "full"})
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 130)
	for no := int32(1); no <= 130; no++ {
		go func() {
			errs <- db.InTx(context.WithoutCancel(t.Context()), p, func(tx db.Tx) error {
				return pool.Join(t.Context(), tx, full.No, no, time.Now())
			})
		}()
	}
	refused := 0
	for range 130 {
		if err := <-errs; fault.Has(err, fault.PoolFull) {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	var members int
	if err := p.QueryRow(t.Context(), "SELECT count(*) FROM node WHERE pool_no = $1", full.No).Scan(&members); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(t.Context(), full.ID); err != nil || got.NodeCount != 100 || members != 100 || refused != 30 {
		t.Errorf("node_count %d, members %d, refused %d, %v", got.NodeCount, members, refused, err)
	}
}

func TestJoinLeaveJoin(t *testing.T) {
	p := dbtest.New(t)
	insertNodes(t, p, 1)
	s := pool.NewStore(p, nil)
	var pools []pool.Pool
	for i := range 2 {
		made, err := s.Create(t.Context(), audit.By{Actor: audit.CLI}, pool.New{Name: fmt.Sprintf("pool-%d", i), MaxNodes: 1})
		if err != nil {
			t.Fatal(err)
		}
		pools = append(pools, made)
	}
	at := time.Now()
	do := func(f func(tx db.Tx) error) error { return db.InTx(t.Context(), p, f) }
	join := func(i int) error {
		at = at.Add(time.Second)
		return do(func(tx db.Tx) error { return pool.Join(t.Context(), tx, pools[i].No, 1, at) })
	}
	if err := join(0); err != nil {
		t.Fatal(err)
	}
	if err := join(1); !fault.Has(err, fault.NodeInPool) {
		t.Errorf("second pool at the same time: %v", err)
	}
	if err := do(func(tx db.Tx) error { return pool.Leave(t.Context(), tx, 1, at.Add(time.Minute)) }); err != nil {
		t.Fatal(err)
	}
	at = at.Add(time.Hour)
	if err := join(1); err != nil {
		t.Errorf("after leaving: %v", err)
	}
	if first, err := s.Get(t.Context(), pools[0].ID); err != nil || first.NodeCount != 0 {
		t.Errorf("left pool counts %d, %v", first.NodeCount, err)
	}
	if _, err := s.Create(t.Context(), audit.By{Actor: audit.CLI}, pool.New{Name: "pool-0"}); !fault.Has(err, fault.NameTaken) || !strings.HasSuffix(err.Error(), `a pool named "pool-0" exists already`) {
		t.Errorf("name twice: %v", err)
	}
	_, err := s.Create(t.Context(), audit.By{Actor: audit.CLI}, pool.New{Name: "a b", MaxNodes: 101, RewardPerEpoch: -1})
	if f := fault.As(err); f.Code != fault.Validation || len(f.Fields) != 3 {
		t.Errorf("three bad fields: %v %+v", err, f.Fields)
	}
	if _, err := s.Get(t.Context(), "pool_none"); !fault.Has(err, fault.PoolNotFound) {
		t.Errorf("unknown pool: %v", err)
	}
}

func TestDifficultyBeyondAnyMachineIsRefused(t *testing.T) {
	by := audit.By{Actor: audit.CLI}
	s := pool.NewStore(dbtest.New(t), nil).WithLimits(pool.Limits{Difficulty: 22})
	bits := func(d int) node.Challenge { return node.Challenge{Difficulty: &d} }
	made, err := s.Create(t.Context(), by, pool.New{Name: "north", Challenge: bits(22)})
	if err != nil || made.Challenge.Difficulty == nil || *made.Challenge.Difficulty != 22 {
		t.Fatalf("made %+v, %v", made.Challenge, err)
	}
	for _, d := range []int{-1, 23, 41, 1 << 40} {
		_, err := s.Create(t.Context(), by, pool.New{Name: "south", Challenge: bits(d)})
		_, changing := s.Update(t.Context(), by, made.ID, nil, pool.Patch{Challenge: new(bits(d))})
		for _, err := range []error{err, changing} {
			if f := fault.As(err); f.Code != fault.Validation || len(f.Fields) != 1 || f.Fields[0].Name != "challenge.difficulty" {
				t.Errorf("%d bits: %+v", d, f)
			}
		}
	}
	if _, err := s.Update(t.Context(), by, made.ID, nil, pool.Patch{Challenge: new(bits(0))}); err != nil {
		t.Error(err)
	}
	if got, err := s.Get(t.Context(), made.ID); err != nil || got.Challenge.Difficulty == nil || *got.Challenge.Difficulty != 0 {
		t.Errorf("set is %+v, want 0 (%v)", got.Challenge, err)
	}
}

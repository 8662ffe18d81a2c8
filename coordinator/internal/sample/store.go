package sample

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/sample/sqlgen"
	"lucid.internal/shared/wire"
)

// Config of a Store. Only Pool is required.
type Config struct {
	Pool        *db.Pool
	Now         func() time.Time // default time.Now
	Retention   Retention
	DeadLetters LetterLimits
}

// Store reads samples and keeps their tables in shape. An Ingest writes them.
type Store struct {
	cfg      Config
	latest   newest
	untimely untimely
	postbox  postbox
	rollups  map[Granularity]string // statements

	dropPatience time.Duration
}

// NewStore makes a Store; it does nothing by itself.
func NewStore(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Retention = cfg.Retention.withDefaults()
	cfg.DeadLetters = cfg.DeadLetters.withDefaults()
	s := &Store{cfg: cfg, latest: newNewest(), postbox: postbox{limits: cfg.DeadLetters}, rollups: make(map[Granularity]string), dropPatience: dropPatience}
	for _, g := range Granularities() {
		s.rollups[g] = rollupStatement(g)
	}
	return s
}

// Latest is the node's newest sample, by its number and whatever its clock
// said, and when it came. A sample is visible here as soon as Ingest.Take settled it. The fault
// OtherNotFound means that the node has sent none.
func (s *Store) Latest(ctx context.Context, nodeNo int32) (wire.Sample, time.Time, error) {
	inMemory, found := s.latest.get(nodeNo)
	if found && inMemory.settled && inMemory.remembered(s.cfg.Now()) {
		return inMemory.sample, inMemory.received, nil
	}
	row, err := sqlgen.New(s.cfg.Pool).Latest(ctx, nodeNo)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && found, err == nil && found && inMemory.rank().supersedes(rank{row.RunNo, uint64(row.Seq), row.At.UnixMilli()}):
		return inMemory.sample, inMemory.received, nil
	case errors.Is(err, pgx.ErrNoRows):
		return wire.Sample{}, time.Time{}, fault.New(fault.OtherNotFound, "the node has sent no samples yet")
	case err != nil:
		return wire.Sample{}, time.Time{}, fmt.Errorf("newest sample of node %d: %w", nodeNo, err)
	}
	var sample wire.Sample
	if err := json.Unmarshal(row.Body, &sample); err != nil {
		return wire.Sample{}, time.Time{}, fmt.Errorf("newest sample of node %d is stored badly: %w", nodeNo, err)
	}
	return sample, row.ReceivedAt, nil
}

const recentChain = `
SELECT r.chain FROM (
	SELECT run_no, seq, chain FROM sample WHERE node_no = $1 ORDER BY at DESC LIMIT 4096
) r WHERE r.run_no = $2 AND r.seq = $3 AND r.chain IS NOT NULL LIMIT 1`

// ChainAt is the running hash of a node's run after the message whose last
// sequence number is seq; the zero hash for seq 0. known is false when nothing
// can be said: the run or the number is unknown here or too long ago, or a
// message of the run was acknowledged without being stored.
func (s *Store) ChainAt(ctx context.Context, tx db.Tx, nodeNo int32, run wire.RunID, seq uint64) (chain [32]byte, known bool, err error) {
	if seq == 0 {
		return chain, true, nil
	}
	head, err := sqlgen.New(tx).RunHead(ctx, sqlgen.RunHeadParams{NodeNo: nodeNo, RunID: uuid.UUID(run)})
	if errors.Is(err, pgx.ErrNoRows) {
		return chain, false, nil
	}
	if err != nil {
		return chain, false, fmt.Errorf("run %s of node %d: %w", run, nodeNo, err)
	}
	if !head.ChainKnown || seq > uint64(head.LastSeq) {
		return chain, false, nil
	}
	stored := head.Chain
	if seq < uint64(head.LastSeq) {
		// Only the node's newest samples are looked at: a proof names what was
		// acknowledged lately, and a made-up number must not cost a long scan.
		err = tx.QueryRow(ctx, recentChain, nodeNo, head.RunNo, int64(seq)).Scan(&stored)
		if errors.Is(err, pgx.ErrNoRows) {
			return chain, false, nil
		}
		if err != nil {
			return chain, false, fmt.Errorf("running hash of node %d at %d: %w", nodeNo, seq, err)
		}
	}
	copy(chain[:], stored)
	return chain, true, nil
}

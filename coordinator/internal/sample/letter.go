package sample

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/sample/sqlgen"
	"lucid.internal/shared/wire"
)

// LetterLimits bound the dead letters, so that no node can fill the table or
// push out what others sent. The oldest go first. 0 is the default.
type LetterLimits struct {
	Count, Bytes         int // in all: 10,000 and 32 MiB
	NodeCount, NodeBytes int // of one node: 200 and 512 KiB
	PerMinute            int // that are kept, in all: 2,000
	NodePerMinute        int // of one node: 20
}

func (l LetterLimits) withDefaults() LetterLimits {
	return LetterLimits{
		Count: cmp.Or(l.Count, 10_000), Bytes: cmp.Or(l.Bytes, 32<<20),
		NodeCount: cmp.Or(l.NodeCount, 200), NodeBytes: cmp.Or(l.NodeBytes, 512<<10),
		PerMinute: cmp.Or(l.PerMinute, 2000), NodePerMinute: cmp.Or(l.NodePerMinute, 20),
	}
}

// postbox counts the letters of the current minute. What it does not let
// through is acknowledged and counted like every letter, but not kept.
type postbox struct {
	limits LetterLimits
	mu     sync.Mutex
	minute time.Time
	all    int
	byNode map[int32]int
}

func (p *postbox) admits(nodeNo int32, at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if minute := at.Truncate(time.Minute); !minute.Equal(p.minute) {
		p.minute, p.all, p.byNode = minute, 0, make(map[int32]int)
	}
	if p.all >= p.limits.PerMinute || p.byNode[nodeNo] >= p.limits.NodePerMinute {
		return false
	}
	p.all++
	p.byNode[nodeNo]++
	return true
}

// maxLetterBytes is how much of a dead letter is kept.
const maxLetterBytes = 4 << 10

// DeadLetter keeps a message that is no data, so that somebody can see why,
// unless too many came. It is for messages of other channels; metrics go there
// through Ingest.
func (s *Store) DeadLetter(ctx context.Context, nodeNo int32, channel wire.Channel, reason string, payload []byte) error {
	now := s.cfg.Now()
	if !s.postbox.admits(nodeNo, now) {
		return nil
	}
	err := sqlgen.New(s.cfg.Pool).InsertLetter(ctx, letter(nodeNo, channel, reasonMalformed, reason, payload, now))
	if err != nil {
		return fmt.Errorf("dead letter of node %d: %w", nodeNo, err)
	}
	return nil
}

func letter(nodeNo int32, channel wire.Channel, kind, reason string, payload []byte, at time.Time) sqlgen.InsertLetterParams {
	reason = strings.ReplaceAll(strings.ToValidUTF8(reason, "?"), "\x00", "?")
	return sqlgen.InsertLetterParams{
		NodeNo: nodeNo, ReceivedAt: at, Channel: string(channel), Kind: kind, Reason: reason,
		SizeBytes: int32(len(payload)), Payload: append([]byte{}, payload[:min(len(payload), maxLetterBytes)]...), // never nil
	}
}

// Letter is a message that was acknowledged but is no data.
type Letter struct {
	No         int64
	NodeID     *string // nil when the sender is not known any more
	ReceivedAt time.Time
	Channel    string
	Kind       string // malformed, time, conflict, overlap, runs, database; unknown for old ones
	Reason     string // the same, in full
	SizeBytes  int32  // of the message
	Payload    []byte // its beginning
}

// LetterFilter chooses dead letters; the zero value all.
type LetterFilter struct {
	NodeID, Channel, Kind string
	Before                int64 // only letters of a lower number: the cursor of the next page
	Limit                 int
}

const listLetters = `
SELECT d.letter_no, n.node_id, d.received_at, d.channel, d.kind, d.reason, d.size_bytes, d.payload
FROM dead_letter d LEFT JOIN node n USING (node_no)
WHERE ($1 = '' OR d.node_no = (SELECT o.node_no FROM node o WHERE o.node_id = $1))
  AND ($2 = '' OR d.channel = $2) AND ($3 = '' OR d.kind = $3) AND ($4::bigint = 0 OR d.letter_no < $4)
ORDER BY d.letter_no DESC LIMIT $5`

// Letters lists dead letters, newest first. next is the cursor of the next
// page, 0 on the last one.
func (s *Store) Letters(ctx context.Context, f LetterFilter) (letters []Letter, next int64, err error) {
	rows, err := s.cfg.Pool.Query(ctx, listLetters, f.NodeID, f.Channel, f.Kind, f.Before, f.Limit+1)
	if err == nil {
		letters, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Letter])
	}
	if err != nil {
		return nil, 0, fmt.Errorf("list dead letters: %w", err)
	}
	letters, more := db.Cut(letters, f.Limit)
	if more {
		next = letters[f.Limit-1].No
	}
	return letters, next, nil
}

package ledger

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger/sqlgen"
)

// Publication is where the chain ended when an hour began, or soon after: what
// everybody is told, so that whoever keeps it finds out when the chain is
// written anew.
type Publication struct {
	V       int        `json:"v"`
	Hour    time.Time  `json:"hour"`     // UTC
	EntryNo int64      `json:"entry_no"` // 0: there was no entry yet
	Hash    string     `json:"hash"`     // hex; zeros before the first entry
	At      *time.Time `json:"at"`       // of the entry; null before the first one
}

const publicationVersion = 1

// Publish records the head for the hour of now, unless that is done, and gives
// what was recorded last. However often and wherever it is called, an hour has
// one publication, which never changes.
func Publish(ctx context.Context, pool *db.Pool, now time.Time) (Publication, error) {
	q := sqlgen.New(pool)
	if err := q.RecordHead(ctx, now.UTC().Truncate(time.Hour)); err != nil {
		return Publication{}, fmt.Errorf("record the ledger's head: %w", err)
	}
	row, err := q.LastPublication(ctx)
	if err != nil {
		return Publication{}, fmt.Errorf("read the ledger's last publication: %w", err)
	}
	p := Publication{V: publicationVersion, Hour: row.Hour.UTC(), EntryNo: row.EntryNo, Hash: hex.EncodeToString(row.Hash)}
	if row.At != nil {
		at := row.At.UTC()
		p.At = &at
	}
	return p, nil
}

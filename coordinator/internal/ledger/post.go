package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger/sqlgen"
)

// Posted is an entry as it stands in the ledger.
type Posted struct {
	ID    uuid.UUID
	No    int64 // rises along the chain
	Hash  Hash
	At    time.Time
	Again bool // it was posted before; nothing moved now
}

// Lock takes the ledger's turn until the transaction ends: no other
// transaction posts meanwhile, so a balance read after it stays true. Take it
// before locking accounts in any other way, as late as possible in a long
// transaction.
func Lock(ctx context.Context, tx db.Tx) error {
	_, err := lockHead(ctx, tx)
	return err
}

func lockHead(ctx context.Context, tx db.Tx) (Hash, error) {
	head, err := sqlgen.New(tx).LockHead(ctx)
	if err != nil {
		return Hash{}, fmt.Errorf("lock the ledger's head: %w", err)
	}
	return Hash(head), nil
}

// Post books the entry within the caller's transaction. The same entry again
// returns the first result and moves nothing; the same kind and ref with other
// postings is fault.IdempotencyReuse, an account that cannot give so much
// fault.BalanceTooSmall. After an error the transaction must be rolled back.
func Post(ctx context.Context, tx db.Tx, e Entry) (Posted, error) {
	posted, _, err := PostAll(ctx, tx, []Entry{e})
	if err != nil {
		return Posted{}, err
	}
	return posted[0], nil
}

// PostAll books different entries one after another, as Post does, in a few
// statements. It gives the results in their order, and what is then in the
// accounts that it moved.
func PostAll(ctx context.Context, tx db.Tx, entries []Entry) (results []Posted, balances map[Account]Amount, err error) {
	ids := make([]uuid.UUID, len(entries))
	for i, e := range entries {
		if err := e.check(); err != nil {
			return nil, nil, err
		}
		ids[i] = e.ID()
	}
	head, err := lockHead(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	first, err := findEntries(ctx, tx, ids)
	if err != nil {
		return nil, nil, err
	}
	results = make([]Posted, len(entries))
	b := batch{head: head}
	for i, e := range entries {
		e.At = e.At.UTC().Truncate(time.Microsecond) // what the database keeps
		before, again := first[ids[i]]
		switch {
		case again && Hash(before.InputHash) != e.inputHash(e.sorted()):
			return nil, nil, fault.New(fault.IdempotencyReuse, "%s %s was posted before with other amounts", e.Kind, e.Ref)
		case again:
			results[i] = Posted{ID: ids[i], No: before.EntryNo, Hash: Hash(before.Hash), At: before.At.UTC(), Again: true}
		default:
			results[i] = b.add(ids[i], e)
		}
	}
	numbers, balances, err := b.insert(ctx, tx)
	if err != nil {
		return nil, nil, refused(entries, err)
	}
	for i := range results {
		if !results[i].Again {
			results[i].No = numbers[ids[i]]
		}
	}
	return results, balances, nil
}

func findEntries(ctx context.Context, tx db.Tx, ids []uuid.UUID) (map[uuid.UUID]sqlgen.FindEntriesRow, error) {
	rows, err := sqlgen.New(tx).FindEntries(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look for ledger entries that stand: %w", err)
	}
	found := make(map[uuid.UUID]sqlgen.FindEntriesRow, len(rows))
	for _, r := range rows {
		found[r.EntryID] = r
	}
	return found, nil
}

// refused says what the database would not book.
func refused(entries []Entry, err error) error {
	what := fmt.Sprintf("%s %s", entries[0].Kind, entries[0].Ref)
	if len(entries) > 1 {
		what = fmt.Sprintf("one of %d entries from %s on", len(entries), what)
	}
	if db.Constraint(err) == "account_covers" {
		return fault.Wrap(fault.BalanceTooSmall, err, "%s takes more from an account than it holds", what)
	}
	return fmt.Errorf("post ledger entry %s: %w", what, err)
}

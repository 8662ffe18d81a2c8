package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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
	if err := e.check(); err != nil {
		return Posted{}, err
	}
	e.At = e.At.UTC().Truncate(time.Microsecond) // what the database keeps
	head, err := lockHead(ctx, tx)
	if err != nil {
		return Posted{}, err
	}
	input := e.inputHash()
	first, err := sqlgen.New(tx).FindEntry(ctx, sqlgen.FindEntryParams{Kind: e.Kind, Ref: e.Ref})
	switch {
	case err == nil && Hash(first.InputHash) != input:
		return Posted{}, fault.New(fault.IdempotencyReuse, "%s %s was posted before with other amounts", e.Kind, e.Ref)
	case err == nil:
		return Posted{ID: first.EntryID, No: first.EntryNo, Hash: Hash(first.Hash), At: first.At.UTC(), Again: true}, nil
	case !errors.Is(err, pgx.ErrNoRows):
		return Posted{}, fmt.Errorf("look for ledger entry %s %s: %w", e.Kind, e.Ref, err)
	}
	posted, err := insert(ctx, tx, e, head, input)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.ConstraintName == "account_covers" {
		return Posted{}, fault.Wrap(fault.BalanceTooSmall, err, "%s %s takes more from an account than it holds", e.Kind, e.Ref)
	}
	if err != nil {
		return Posted{}, fmt.Errorf("post ledger entry %s %s: %w", e.Kind, e.Ref, err)
	}
	return posted, nil
}

func insert(ctx context.Context, tx db.Tx, e Entry, head, input Hash) (Posted, error) {
	posted := Posted{ID: e.ID(), Hash: e.chainHash(head, input), At: e.At}
	n := len(e.Postings)
	accounts := sqlgen.OpenAccountsParams{Kinds: make([]string, n), Owners: make([]string, n), MinBalances: make([]int64, n)}
	amounts := make([]int64, n)
	for i, p := range e.Postings {
		accounts.Kinds[i], accounts.Owners[i] = string(p.Account.Kind), p.Account.Owner
		accounts.MinBalances[i], amounts[i] = p.Account.minBalance(), int64(p.Amount)
	}
	q := sqlgen.New(tx)
	if err := q.OpenAccounts(ctx, accounts); err != nil {
		return Posted{}, err
	}
	no, err := q.InsertEntry(ctx, sqlgen.InsertEntryParams{
		EntryID: posted.ID, Kind: e.Kind, Ref: e.Ref,
		InputHash: input[:], PrevHash: head[:], Hash: posted.Hash[:], At: posted.At,
	})
	if err != nil {
		return Posted{}, err
	}
	posted.No = no
	return posted, q.InsertPostings(ctx, sqlgen.InsertPostingsParams{
		EntryID: posted.ID, Kinds: accounts.Kinds, Owners: accounts.Owners, Amounts: amounts,
	})
}

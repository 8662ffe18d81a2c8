package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger/sqlgen"
)

// Audit is the result of Verify.
type Audit struct {
	Entries    int64
	Head       Hash   // of the last entry read
	Difference string // the first one found; empty when all is sound
}

// Verify recomputes the ledger from its rows at one moment: every entry
// balances, every hash follows from its content and its predecessor, every
// balance is the sum of its postings, and what was published as the chain's end
// is in the chain. It stops at the first difference.
func Verify(ctx context.Context, pool *db.Pool) (Audit, error) {
	v := verifier{balances: make(map[Account]Amount)}
	err := db.AtOneMoment(ctx, pool, func(tx db.Tx) error {
		for _, step := range []func(context.Context, db.Tx) error{v.entries, v.head, v.published, v.accounts} {
			if err := step(ctx, tx); err != nil || v.audit.Difference != "" {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Audit{}, fmt.Errorf("verify the ledger: %w", err)
	}
	return v.audit, nil
}

type verifier struct {
	audit    Audit
	balances map[Account]Amount
}

func (v *verifier) differ(format string, args ...any) {
	v.audit.Difference = fmt.Sprintf(format, args...)
}

// errDiffers ends the reading at the first difference.
var errDiffers = errors.New("the ledger differs")

func (v *verifier) entries(ctx context.Context, tx db.Tx) error {
	err := entries(ctx, tx, func(s Stored) error {
		if v.audit.Difference = s.Difference(v.audit.Head); v.audit.Difference != "" {
			return errDiffers
		}
		v.audit.Entries++
		v.audit.Head = s.Hash
		for _, p := range s.Postings {
			v.balances[p.Account] += p.Amount
		}
		return nil
	}, "")
	if errors.Is(err, errDiffers) {
		return nil
	}
	return err
}

func (v *verifier) head(ctx context.Context, tx db.Tx) error {
	var head []byte
	if err := tx.QueryRow(ctx, `SELECT hash FROM ledger_head`).Scan(&head); err != nil {
		return err
	}
	if Hash(head) != v.audit.Head {
		v.differ("the chain ends with %x, but its head says %x: the last entries are missing", v.audit.Head, head)
	}
	return nil
}

func (v *verifier) published(ctx context.Context, tx db.Tx) error {
	lost, err := sqlgen.New(tx).LostPublication(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err == nil {
		v.differ("at %s entry_no %d with hash %x was published as the chain's end, and is not in the chain: it was written anew",
			lost.Hour.UTC().Format(time.RFC3339), lost.EntryNo, lost.Hash)
	}
	return err
}

func (v *verifier) accounts(ctx context.Context, tx db.Tx) error {
	rows, err := tx.Query(ctx, `SELECT kind, owner, balance, min_balance FROM account ORDER BY account_no`)
	if err != nil {
		return err
	}
	var a Account
	var balance, least int64
	_, err = pgx.ForEachRow(rows, []any{&a.Kind, &a.Owner, &balance, &least}, func() error {
		switch {
		case v.audit.Difference != "":
		case v.balances[a] != Amount(balance):
			v.differ("account %s %s: its balance is %s, its postings sum to %s", a.Kind, a.Owner, Amount(balance), v.balances[a])
		case balance < least || least != a.minBalance():
			v.differ("account %s %s: its balance %s or minimum %s is not allowed", a.Kind, a.Owner, Amount(balance), Amount(least))
		}
		return nil
	})
	return err
}

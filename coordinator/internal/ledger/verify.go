package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
)

// Audit is the result of Verify.
type Audit struct {
	Entries    int64
	Head       Hash   // of the last entry read
	Difference string // the first one found; empty when all is sound
}

// Verify recomputes the ledger from its rows at one moment: every entry
// balances, every hash follows from its content and its predecessor, every
// balance is the sum of its postings. It stops at the first difference.
func Verify(ctx context.Context, pool *db.Pool) (Audit, error) {
	v := verifier{balances: make(map[Account]Amount)}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, pool, options, func(tx db.Tx) error {
		for _, step := range []func(context.Context, db.Tx) error{v.entries, v.head, v.accounts} {
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

// stored is an entry as its row says.
type stored struct {
	Entry
	id                uuid.UUID
	no                int64
	input, prev, hash []byte
}

func (v *verifier) differ(format string, args ...any) {
	v.audit.Difference = fmt.Sprintf(format, args...)
}

func (v *verifier) entries(ctx context.Context, tx db.Tx) error {
	rows, err := tx.Query(ctx, `
		SELECT e.entry_id, e.entry_no, e.kind, e.ref, e.input_hash, e.prev_hash, e.hash, e.at, a.kind, a.owner, p.amount
		FROM entry e LEFT JOIN posting p USING (entry_id) LEFT JOIN account a USING (account_no)
		ORDER BY e.entry_no`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var current *stored
	for rows.Next() && v.audit.Difference == "" {
		var s stored
		var kind, owner *string
		var amount *int64
		var at time.Time
		if err := rows.Scan(&s.id, &s.no, &s.Kind, &s.Ref, &s.input, &s.prev, &s.hash, &at, &kind, &owner, &amount); err != nil {
			return err
		}
		s.At = at
		if current == nil || current.no != s.no {
			v.entry(current)
			current = &s
		}
		if amount != nil {
			p := Posting{Account{Kind(*kind), *owner}, Amount(*amount)}
			current.Postings = append(current.Postings, p)
		}
	}
	if v.audit.Difference == "" && rows.Err() == nil {
		v.entry(current)
	}
	return rows.Err()
}

func (v *verifier) entry(s *stored) {
	if s == nil || v.audit.Difference != "" {
		return
	}
	sorted := s.sorted()
	err, input := s.check(), s.inputHash(sorted)
	switch {
	case err != nil:
		v.differ("entry_no %d: %v", s.no, err)
	case s.id != s.ID():
		v.differ("entry_no %d: its id %s is not the one of %s %s", s.no, s.id, s.Kind, s.Ref)
	case Hash(s.prev) != v.audit.Head:
		v.differ("entry_no %d (%s %s): its previous hash is not the hash of the entry before it", s.no, s.Kind, s.Ref)
	case Hash(s.input) != input:
		v.differ("entry_no %d (%s %s): its postings are not those that were asked for", s.no, s.Kind, s.Ref)
	case Hash(s.hash) != s.chainHash(v.audit.Head, input, sorted):
		v.differ("entry_no %d (%s %s): its hash does not follow from its content", s.no, s.Kind, s.Ref)
	default:
		v.audit.Entries++
		v.audit.Head = Hash(s.hash)
		for _, p := range s.Postings {
			v.balances[p.Account] += p.Amount
		}
	}
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

package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/db"
)

// Stored is an entry as it stands in the ledger, or in an export of it.
type Stored struct {
	Entry
	ID                        uuid.UUID
	No                        int64 // rises along the chain
	InputHash, PrevHash, Hash Hash
}

// Difference says what is wrong with the entry, after one whose hash is prev;
// "" when it balances and all its hashes follow.
func (s Stored) Difference(prev Hash) string {
	sorted := s.sorted()
	err, input := s.check(), s.inputHash(sorted)
	switch {
	case err != nil:
		return fmt.Sprintf("entry_no %d: %v", s.No, err)
	case s.ID != s.Entry.ID():
		return fmt.Sprintf("entry_no %d: its id %s is not the one of %s %s", s.No, s.ID, s.Kind, s.Ref)
	case s.PrevHash != prev:
		return fmt.Sprintf("entry_no %d (%s %s): its previous hash is not the hash of the entry before it", s.No, s.Kind, s.Ref)
	case s.InputHash != input:
		return fmt.Sprintf("entry_no %d (%s %s): its postings are not those that were asked for", s.No, s.Kind, s.Ref)
	case s.Hash != s.chainHash(prev, input, sorted):
		return fmt.Sprintf("entry_no %d (%s %s): its hash does not follow from its content", s.No, s.Kind, s.Ref)
	}
	return ""
}

// InputHash covers what the entry asks for: all but its time and its place in
// the chain.
func (e Entry) InputHash() Hash { return e.inputHash(e.sorted()) }

// Entries hands on the entries from the first to the last whose time is in
// [since, until), in the chain's order, one at a time.
func Entries(ctx context.Context, tx db.Tx, since, until time.Time, yield func(Stored) error) error {
	return entries(ctx, tx, yield, `WHERE e.entry_no BETWEEN (SELECT min(entry_no) FROM entry WHERE at >= $1 AND at < $2)
		AND (SELECT max(entry_no) FROM entry WHERE at >= $1 AND at < $2)`, since, until)
}

// entries hands on those that a condition selects. A posting whose account is
// lost counts nowhere, so that its entry is found off balance. Postings are in
// canonical order.
func entries(ctx context.Context, tx db.Tx, yield func(Stored) error, where string, args ...any) error {
	rows, err := tx.Query(ctx, `
		SELECT e.entry_id, e.entry_no, e.kind, e.ref, e.input_hash, e.prev_hash, e.hash, e.at, a.kind, a.owner, p.amount
		FROM entry e LEFT JOIN posting p USING (entry_id) LEFT JOIN account a USING (account_no) `+where+`
		ORDER BY e.entry_no`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var current *Stored
	for rows.Next() {
		var s Stored
		var kind, owner *string
		var amount *int64
		var input, prev, hash []byte
		if err := rows.Scan(&s.ID, &s.No, &s.Kind, &s.Ref, &input, &prev, &hash, &s.At, &kind, &owner, &amount); err != nil {
			return err
		}
		s.InputHash, s.PrevHash, s.Hash = Hash(input), Hash(prev), Hash(hash)
		if current == nil || current.No != s.No {
			if err := handOn(current, yield); err != nil {
				return err
			}
			current = &s
		}
		if amount != nil && kind != nil {
			current.Postings = append(current.Postings, Posting{Account{Kind(*kind), *owner}, Amount(*amount)})
		}
	}
	if rows.Err() != nil {
		return rows.Err()
	}
	return handOn(current, yield)
}

func handOn(s *Stored, yield func(Stored) error) error {
	if s == nil {
		return nil
	}
	s.Postings = s.sorted()
	return yield(*s)
}

package ledger

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Posting adds Amount to an account; a negative amount takes from it.
type Posting struct {
	Account Account
	Amount  Amount
}

// Entry is one balanced movement of money. Kind and Ref together are its
// idempotency key and give its id. Make one with the functions of the flows.
type Entry struct {
	Kind     string
	Ref      string
	At       time.Time // microseconds count
	Postings []Posting // an account at most once
}

// Hash is a SHA-256.
type Hash = [sha256.Size]byte

// domain separates our hashes from any other use of SHA-256.
const domain = "lucid/ledger/v1/"

// ID is the entry's id: a version 8 UUID made of the hash of kind and ref, so that
// it is known before the entry is posted.
func (e Entry) ID() uuid.UUID {
	sum := canonical(domain+"id", e.Kind, e.Ref).sum()
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// check says what makes the entry impossible; it would be refused by the
// database as well, with a less helpful message.
func (e Entry) check() error {
	if len(e.Postings) < 2 {
		return fmt.Errorf("ledger entry %s %s has %d postings; it needs at least two", e.Kind, e.Ref, len(e.Postings))
	}
	sums := make(map[string]Amount, 1) // by asset
	seen := make(map[Account]bool, len(e.Postings))
	for _, p := range e.Postings {
		// Both signs of overflow: the sum of a balanced entry may not wrap to 0.
		asset := p.Account.Kind.asset()
		sum := sums[asset]
		if p.Amount > 0 && sum > math.MaxInt64-p.Amount || p.Amount < 0 && sum < math.MinInt64-p.Amount {
			return fmt.Errorf("ledger entry %s %s: the sum of its postings overflows", e.Kind, e.Ref)
		}
		sums[asset] = sum + p.Amount
		if p.Amount == 0 || seen[p.Account] {
			return fmt.Errorf("ledger entry %s %s: posting of %s to %s %s is empty or a second one",
				e.Kind, e.Ref, p.Amount, p.Account.Kind, p.Account.Owner)
		}
		seen[p.Account] = true
	}
	for asset, sum := range sums {
		if sum != 0 {
			return fmt.Errorf("ledger entry %s %s is off balance by %s %s", e.Kind, e.Ref, sum, asset)
		}
	}
	return nil
}

// sorted is the postings in canonical order.
func (e Entry) sorted() []Posting {
	return slices.SortedFunc(slices.Values(e.Postings), func(a, b Posting) int {
		return cmp.Or(cmp.Compare(a.Account.Kind, b.Account.Kind), cmp.Compare(a.Account.Owner, b.Account.Owner))
	})
}

// inputHash covers what the caller asked for. The time is left out: a retry
// after a crash asks for the same thing later.
func (e Entry) inputHash(sorted []Posting) Hash {
	return canonical(domain+"input", e.Kind, e.Ref).postings(sorted).sum()
}

// chainHash covers the whole entry and, through prev, everything before it.
func (e Entry) chainHash(prev, input Hash, sorted []Posting) Hash {
	id := e.ID()
	b := canonical(domain+"entry", string(prev[:]), string(id[:]), e.Kind, e.Ref, string(input[:]))
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.UnixMicro()))
	return b.postings(sorted).sum()
}

// bytesOf is a canonical encoding: every text carries its length, every number
// is eight bytes, so that no two values share their bytes.
type bytesOf []byte

func canonical(texts ...string) bytesOf {
	var b bytesOf
	for _, text := range texts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	return b
}

func (b bytesOf) postings(sorted []Posting) bytesOf {
	b = binary.BigEndian.AppendUint64(b, uint64(len(sorted)))
	for _, p := range sorted {
		b = append(b, canonical(string(p.Account.Kind), p.Account.Owner, p.Account.Kind.asset())...)
		b = binary.BigEndian.AppendUint64(b, uint64(p.Amount))
	}
	return b
}

func (b bytesOf) sum() Hash { return sha256.Sum256(b) }

package ledger

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger/sqlgen"
)

// batch is entries on their way into the tables, each chained to the one before.
type batch struct {
	head     Hash // of the last one
	entries  sqlgen.InsertEntriesParams
	postings []placed
}

// placed is a posting and the entry that it belongs to.
type placed struct {
	Posting
	entry uuid.UUID
}

// add chains one more entry to the batch; its number follows from its insertion.
func (b *batch) add(id uuid.UUID, e Entry) Posted {
	sorted := e.sorted()
	input := e.inputHash(sorted)
	hash := e.chainHash(b.head, input, sorted)
	prev := b.head
	b.entries.EntryIds, b.entries.Kinds, b.entries.Refs = append(b.entries.EntryIds, id), append(b.entries.Kinds, e.Kind), append(b.entries.Refs, e.Ref)
	b.entries.InputHashes, b.entries.PrevHashes = append(b.entries.InputHashes, input[:]), append(b.entries.PrevHashes, prev[:])
	b.entries.Hashes, b.entries.Ats = append(b.entries.Hashes, hash[:]), append(b.entries.Ats, e.At)
	for _, p := range e.Postings {
		b.postings = append(b.postings, placed{p, id})
	}
	b.head = hash
	return Posted{ID: id, Hash: hash, At: e.At}
}

// insert writes the batch. It gives the number of each entry, and what is in
// the accounts then.
func (b *batch) insert(ctx context.Context, tx db.Tx) (numbers map[uuid.UUID]int64, balances map[Account]Amount, err error) {
	if len(b.postings) == 0 {
		return nil, nil, nil
	}
	accounts, err := b.accounts(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	q := sqlgen.New(tx)
	rows, err := q.InsertEntries(ctx, b.entries)
	if err != nil {
		return nil, nil, err
	}
	numbers = make(map[uuid.UUID]int64, len(rows))
	for _, r := range rows {
		numbers[r.EntryID] = r.EntryNo
	}
	params := make([]sqlgen.InsertPostingsParams, len(b.postings))
	balances = make(map[Account]Amount, len(accounts))
	for i, p := range b.postings {
		account := accounts[p.Account]
		account.balance += p.Amount
		accounts[p.Account], balances[p.Account] = account, account.balance
		params[i] = sqlgen.InsertPostingsParams{EntryID: p.entry, AccountNo: account.no, Amount: int64(p.Amount)}
	}
	_, err = q.InsertPostings(ctx, params)
	return numbers, balances, err
}

// opened is the row of an account.
type opened struct {
	no      int32
	balance Amount
}

// accounts finds the accounts of all postings, and opens those that are new.
func (b *batch) accounts(ctx context.Context, tx db.Tx) (map[Account]opened, error) {
	accounts := make(map[Account]opened, len(b.postings))
	var wanted sqlgen.FindAccountsParams
	for _, p := range b.postings {
		if _, seen := accounts[p.Account]; !seen {
			accounts[p.Account] = opened{}
			wanted.Kinds, wanted.Owners = append(wanted.Kinds, string(p.Account.Kind)), append(wanted.Owners, p.Account.Owner)
		}
	}
	q := sqlgen.New(tx)
	found, err := q.FindAccounts(ctx, wanted)
	if err != nil {
		return nil, fmt.Errorf("find accounts: %w", err)
	}
	for _, r := range found {
		accounts[Account{Kind(r.Kind), r.Owner}] = opened{r.AccountNo, Amount(r.Balance)}
	}
	if len(found) == len(accounts) {
		return accounts, nil
	}
	var missing sqlgen.OpenAccountsParams
	for i := range wanted.Kinds {
		if a := (Account{Kind(wanted.Kinds[i]), wanted.Owners[i]}); accounts[a].no == 0 {
			missing.Kinds, missing.Owners = append(missing.Kinds, wanted.Kinds[i]), append(missing.Owners, a.Owner)
			missing.MinBalances = append(missing.MinBalances, a.minBalance())
		}
	}
	rows, err := q.OpenAccounts(ctx, missing)
	if err != nil {
		return nil, fmt.Errorf("open accounts: %w", err)
	}
	for _, r := range rows {
		accounts[Account{Kind(r.Kind), r.Owner}] = opened{no: r.AccountNo}
	}
	return accounts, nil
}

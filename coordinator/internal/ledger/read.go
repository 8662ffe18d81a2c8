package ledger

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/ledger/sqlgen"
)

// Querier is a pool or a transaction.
type Querier = sqlgen.DBTX

// Balance is what the account holds; an account without postings holds 0.
func Balance(ctx context.Context, q Querier, a Account) (Amount, error) {
	balance, err := sqlgen.New(q).Balance(ctx, sqlgen.BalanceParams{Kind: string(a.Kind), Owner: a.Owner})
	if err != nil {
		return 0, fmt.Errorf("read the balance of %s %s: %w", a.Kind, a.Owner, err)
	}
	return Amount(balance), nil
}

// Balances is what all accounts of an owner hold, read at one moment.
func Balances(ctx context.Context, q Querier, owner string) (map[Kind]Amount, error) {
	rows, err := sqlgen.New(q).Balances(ctx, owner)
	if err != nil {
		return nil, fmt.Errorf("read the balances of %s: %w", owner, err)
	}
	balances := make(map[Kind]Amount, len(rows))
	for _, row := range rows {
		balances[Kind(row.Kind)] = Amount(row.Balance)
	}
	return balances, nil
}

// BalancesOf is what several owners hold in accounts of one kind, read at one
// moment. An owner who is missing holds 0.
func BalancesOf(ctx context.Context, q Querier, kind Kind, owners []string) (map[string]Amount, error) {
	rows, err := sqlgen.New(q).BalancesOf(ctx, sqlgen.BalancesOfParams{Kind: string(kind), Owners: owners})
	if err != nil {
		return nil, fmt.Errorf("read %s balances: %w", kind, err)
	}
	balances := make(map[string]Amount, len(rows))
	for _, row := range rows {
		balances[row.Owner] = Amount(row.Balance)
	}
	return balances, nil
}

// Head is the last entry of the chain. Whoever keeps one elsewhere can tell
// later whether the chain was written anew.
type Head struct {
	No   int64     `json:"entry_no"` // 0: there is no entry yet
	Hash string    `json:"hash"`     // hex; zeros before the first entry
	At   time.Time `json:"at"`       // zero before the first entry
}

// ReadHead reads the last entry of the chain.
func ReadHead(ctx context.Context, q Querier) (Head, error) {
	row, err := sqlgen.New(q).ReadHead(ctx)
	if err != nil {
		return Head{}, fmt.Errorf("read the ledger's head: %w", err)
	}
	h := Head{No: row.EntryNo, Hash: hex.EncodeToString(row.Hash)}
	if row.At != nil {
		h.At = row.At.UTC()
	}
	return h, nil
}

// OwnersAbove lists who has at least that much in an account of the kind.
func OwnersAbove(ctx context.Context, q Querier, kind Kind, least Amount) ([]string, error) {
	owners, err := sqlgen.New(q).OwnersAbove(ctx, sqlgen.OwnersAboveParams{Kind: string(kind), Least: int64(least)})
	if err != nil {
		return nil, fmt.Errorf("list the owners of %s accounts: %w", kind, err)
	}
	return owners, nil
}

// Package db owns the way to Postgres: the connection pool, transactions, the
// embedded migrations and, for development, a private server.
//
// It must never know a table or a rule of any noun.
package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pool is the connection pool that stores are given.
type Pool = pgxpool.Pool

// Tx is a transaction. A store method that takes one runs inside the caller's.
type Tx = pgx.Tx

// maxAttempts bounds how often InTx runs a transaction that Postgres asked to
// repeat (serialization failure, deadlock).
const maxAttempts = 5

// InTx runs fn in a transaction and commits it when fn returns nil. fn may run
// more than once, so it must have no effect outside the transaction.
func InTx(ctx context.Context, pool *Pool, fn func(tx Tx) error) error {
	var err error
	for range maxAttempts {
		err = pgx.BeginFunc(ctx, pool, fn)
		if !retryable(err) {
			return err
		}
	}
	return fmt.Errorf("transaction gave up after %d attempts: %w", maxAttempts, err)
}

// AtOneMoment runs fn in a transaction that reads only, and sees the database as it
// was when fn's first statement began: what others commit meanwhile is not seen.
func AtOneMoment(ctx context.Context, pool *Pool, fn func(tx Tx) error) error {
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

func retryable(err error) bool {
	code := Code(err)
	return code == "40001" || code == "40P01"
}

// Package ledger owns money: exact amounts, accounts, and the append-only
// chain of balanced entries between them.
//
// It must never hold an amount in a float, change or delete what was posted,
// or know why an entry is made; that is the caller's.
package ledger

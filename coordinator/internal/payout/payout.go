// Package payout owns what nodes earn and are paid: epochs, statements of who
// earned what and why, and payouts with their life cycle.
//
// It must never move money except through an entry of the ledger in the same
// transaction, and never close an epoch twice or change a closed one.
package payout

// Package payout owns how nodes are paid what they earned: payouts with their
// life cycle, and the round that makes them.
//
// It must never move money except through an entry of the ledger in the same
// transaction.
package payout

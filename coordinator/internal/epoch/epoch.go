// Package epoch owns what nodes earn: epochs, the shares of their rewards, and
// statements of who earned what and why.
//
// It must never close an epoch twice or change a closed one, and never move
// money except through an entry of the ledger in the same transaction.
package epoch

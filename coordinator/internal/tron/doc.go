// Package tron owns what TRON's bytes mean: addresses, transactions and their
// ids, signatures, calls of a TRC-20 token and the logs that they leave.
//
// It must never do I/O, read a clock or hold a key: wallet keeps keys, chain
// speaks to nodes of the network.
package tron

// Package chain owns speaking to TRON's nodes over HTTP: full nodes, which take
// transactions, and solidity nodes, which tell what is final.
//
// It must never try again by itself, believe an answer that does not say what
// it is, or judge what an answer means for a payment.
package chain

// Package fraud owns what speaks against nodes: rules over stored evidence, the
// flags that they raise, the holds that follow from flags, appeals and decisions.
//
// It must never judge an answer, change a score or pay: it holds money back
// through the ledger and gives it on, and nothing else. A rule sees evidence
// only, so that anybody can run it again.
package fraud

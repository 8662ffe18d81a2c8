// Package publicid owns how the ids are drawn by which the outside knows a node, a
// pool or a payout.
//
// It must never know what has that id: whoever stores it sees that it is unique.
package publicid

import (
	"crypto/rand"
	"strings"
)

// New draws an id that tells its kind and is unique without asking anybody, as in
// node_mfrggzdfmztwq2lknnwg: 100 bits of chance, readable aloud.
func New(kind string) string { return kind + "_" + strings.ToLower(rand.Text())[:20] }

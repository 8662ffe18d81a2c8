// Package manual owns the rail by which an operator pays elsewhere: what was
// handed out to be paid, what transactions paid it, and payments that failed.
//
// It must never pay, nor move a payout in any way but by package payout.
package manual

import (
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/payout"
)

// Config of a Store. Pool and Payouts are required.
type Config struct {
	Pool    *db.Pool
	Payouts *payout.Store
	Now     func() time.Time
}

// Store keeps exports and failures.
type Store struct{ cfg Config }

// NewStore makes a Store.
func NewStore(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Store{cfg}
}

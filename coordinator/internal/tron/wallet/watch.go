package wallet

import (
	"context"
	"errors"

	"lucid.internal/coordinator/internal/tron"
)

// Watch is an address without its key: for looking, not for paying.
type Watch tron.Address

// Address is the address.
func (w Watch) Address() tron.Address { return tron.Address(w) }

// Sign refuses.
func (Watch) Sign(context.Context, []byte) (tron.Signature, error) {
	return tron.Signature{}, errors.New("there is no key here: nothing is signed")
}

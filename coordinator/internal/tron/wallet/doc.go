// Package wallet owns the key that pays: in a file that is encrypted under a
// passphrase, or with a signer outside of this program.
//
// It must never let the key out: not into an error, a log or any text.
package wallet

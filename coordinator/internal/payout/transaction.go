package payout

import (
	"fmt"
	"strings"

	"lucid.internal/coordinator/internal/fault"
)

// Bounds of what names a transaction, in characters.
const (
	leastTransaction = 6
	maxTransaction   = 128

	hashDigits   = 64 // a transaction's id on TRON, as SHA-256 has it
	longestShort = 32 // the longest reference of others that is hexadecimal: a UUID without dashes
)

// ParseTransaction reads what names a transfer and gives the one spelling that
// is kept. An id of the chain is 64 hexadecimal digits, in lower case. Anything
// else is the reference of whoever paid: 6 to 128 letters, digits and -_.:/#,
// with a digit among them; so neither a remark nor a part of an id is taken for one.
func ParseTransaction(text string) (string, error) {
	bare, isID := chainID(text)
	reason := ""
	switch {
	case isID:
		return bare, nil
	case text == "":
		reason = "is empty"
	case len(text) < leastTransaction || len(text) > maxTransaction:
		reason = fmt.Sprintf("has %d characters; a reference has %d to %d", len(text), leastTransaction, maxTransaction)
	case strings.ContainsFunc(text, isForeign):
		reason = "holds more than letters, digits and -_.:/#"
	case !strings.ContainsAny(text, "0123456789"):
		reason = "holds no digit: it names no transfer"
	case isHex(bare) && len(bare) > longestShort:
		reason = fmt.Sprintf("has %d hexadecimal digits; the id of a transaction has %d", len(bare), hashDigits)
	default:
		return text, nil
	}
	return "", fault.New(fault.Validation, "the transaction %s; give the transaction's id, or the reference of who paid it", reason).
		WithFields(fault.Field{Name: "transaction_hash", Reason: reason})
}

func isForeign(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.:/#", r)
}

// SameTransaction is what two spellings of one transaction have in common, as
// same_transaction in the database gives it: rows of before were kept as given.
// References of others may tell cases apart; two that differ in nothing else
// are taken for one all the same, since the other mistake pays twice.
func SameTransaction(text string) string {
	if id, is := chainID(text); is {
		return id
	}
	return strings.ToLower(text)
}

// chainID is the one spelling of an id of the chain, and whether the text is one.
func chainID(text string) (id string, is bool) {
	id = strings.TrimPrefix(strings.ToLower(text), "0x")
	return id, len(id) == hashDigits && isHex(id)
}

func isHex(lower string) bool { return strings.Trim(lower, "0123456789abcdef") == "" }

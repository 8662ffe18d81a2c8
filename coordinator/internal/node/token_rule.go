package node

import (
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"lucid.internal/shared/wire"
)

// Check tells every bad field at once.
func (t Token) Check() error {
	var f findings
	if t.Life <= 0 || t.Life > MaxTokenLife {
		f.add("expires_at", "a token lives more than 0 and at most %s, not %s", MaxTokenLife, t.Life)
	}
	if t.NodeName != "" && !ValidName(t.NodeName) {
		f.add("node_name", NameRule)
	}
	if t.Uses < 0 || t.Uses > MaxTokenUses {
		f.add("uses", "must be 1 to %d", MaxTokenUses)
	}
	if t.uses() > 1 && (t.NodeName != "" || t.NodeNo != nil) {
		f.add("uses", "a token for one node or name is used once")
	}
	t.checkSerials(&f)
	return f.fault("the enrolment token cannot be made")
}

// checkSerials: a token that leaks must not bring in boards of strangers by the
// dozen, so one of several uses says which boards it is for.
func (t Token) checkSerials(f *findings) {
	switch {
	case len(t.Serials) > MaxTokenUses:
		f.add("serials", "a token is for at most %d boards, not %d", MaxTokenUses, len(t.Serials))
		return
	case len(t.Serials) == 0 && t.Uses > 1:
		f.add("serials", "a token of %d uses names the serial numbers of its %d boards; where they are unknown, make a token for each board", t.Uses, t.Uses)
	case len(t.Serials) > 0 && t.Uses > 0 && t.Uses != len(t.Serials):
		f.add("serials", "are %d, for %d uses", len(t.Serials), t.Uses)
	}
	boards := t.boards()
	for i, board := range boards {
		if board == "" {
			f.add("serials", "%q names no board", t.Serials[i])
		} else if slices.Contains(boards[:i], board) {
			f.add("serials", "%q comes twice", t.Serials[i])
		}
	}
}

// uses is how many devices the token brings in.
func (t Token) uses() int { return max(t.Uses, len(t.Serials), 1) }

// boards gives the hash of each serial number.
func (t Token) boards() []string {
	hashes := make([]string, len(t.Serials))
	for i, serial := range t.Serials {
		hashes[i] = boardHash(wire.TrimSerial(serial))
	}
	return hashes
}

// boardHash leaves a hash as it is: where the serial number itself shall not
// leave its owner, its hash does. No serial number holds a control character:
// two that ran together do, as those of device trees in one file, which end in NUL.
func boardHash(serial string) string {
	if strings.ContainsFunc(serial, unicode.IsControl) {
		return ""
	}
	if hash, err := hex.DecodeString(serial); err == nil && len(hash) == 32 {
		return strings.ToLower(serial)
	}
	return wire.HashSerial(serial)
}

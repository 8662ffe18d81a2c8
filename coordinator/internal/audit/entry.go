package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"
)

// Hash is a SHA-256.
type Hash = [sha256.Size]byte

// Entry is a record as it stands in the log.
type Entry struct {
	No            int64 // rises along the chain
	At            time.Time
	Actor         string
	Action        string
	Target        string
	Before, After json.RawMessage // nil for none
	RequestID     string
	Hash          Hash
}

// domain separates our hashes from any other use of SHA-256.
const domain = "lucid/audit/v1"

// chainHash covers the whole entry and, through prev, everything before it.
// Every text carries its length, so that no two entries share their bytes; an
// absent document differs from an empty one.
func (e Entry) chainHash(prev Hash) Hash {
	var b []byte
	add := func(text []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	add([]byte(domain))
	add(prev[:])
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.UnixMicro()))
	for _, text := range []string{e.Actor, e.Action, e.Target, e.RequestID} {
		add([]byte(text))
	}
	for _, document := range []json.RawMessage{e.Before, e.After} {
		if document == nil {
			b = append(b, 0)
			continue
		}
		b = append(b, 1)
		add(document)
	}
	return sha256.Sum256(b)
}

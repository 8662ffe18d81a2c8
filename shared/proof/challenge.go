package proof

import (
	"crypto/hmac"
	"errors"
	"fmt"

	"lucid.internal/shared/wire"
)

const domainChallenge = "lucid/poot/v1/challenge"

// Bounds of a puzzle. The work is at most Count * 2^Difficulty hashes.
const (
	MaxDifficulty = 40
	MaxCount      = 64
)

// ErrMAC is a message that was not made with the expected key.
var ErrMAC = errors.New("proof: MAC does not match")

// ID names a challenge: 128 random bits.
type ID [16]byte

// Challenge is what the coordinator asks of one session of one node.
type Challenge struct {
	ID         ID
	NodeID     string
	KeyEpoch   uint32
	Session    uint64 // the coordinator's number of the node's connection
	IssuedMs   int64  // Unix milliseconds
	DeadlineMs int64  // Unix milliseconds
	Difficulty uint8  // d: bits of each solution; 0 is plain HMAC
	Seed       [32]byte
	Targets    [][16]byte // y_1..y_k
}

// Encode gives the canonical bytes, MAC under the challenge key included.
func (c *Challenge) Encode(key Key) []byte {
	b := make([]byte, 0, 256+20*len(c.Targets))
	b = appendString(b, domainChallenge)
	b = appendField(b, c.ID[:])
	b = appendString(b, c.NodeID)
	b = appendInt(b, uint64(c.KeyEpoch))
	b = appendInt(b, c.Session)
	b = appendInt(b, uint64(c.IssuedMs))
	b = appendInt(b, uint64(c.DeadlineMs))
	b = appendInt(b, uint64(c.Difficulty))
	b = appendInt(b, uint64(len(c.Targets)))
	b = appendField(b, c.Seed[:])
	for i := range c.Targets {
		b = appendField(b, c.Targets[i][:])
	}
	mac := key.mac(b)
	return appendField(b, mac[:])
}

// DecodeChallenge parses and checks canonical bytes: form, bounds, MAC. The
// time to answer, DeadlineMs - IssuedMs, is not negative.
func DecodeChallenge(b []byte, key Key) (*Challenge, error) {
	r := reader{rest: b}
	c := new(Challenge)
	r.domain(domainChallenge)
	r.exact(c.ID[:])
	c.NodeID = string(r.field())
	epoch := r.uint()
	c.Session = r.uint()
	c.IssuedMs = int64(r.uint())
	c.DeadlineMs = int64(r.uint())
	difficulty, count := r.uint(), r.uint()
	r.exact(c.Seed[:])
	switch {
	case r.err != nil:
		return nil, r.err
	case !wire.ValidNodeID(c.NodeID):
		return nil, errors.New("proof: challenge names no valid node id")
	case c.IssuedMs < 0 || c.DeadlineMs < c.IssuedMs:
		return nil, fmt.Errorf("proof: deadline %d is before its issue at %d", c.DeadlineMs, c.IssuedMs)
	case epoch > 1<<32-1 || difficulty > MaxDifficulty || count > MaxCount:
		return nil, fmt.Errorf("proof: key epoch %d, difficulty %d or count %d out of range", epoch, difficulty, count)
	}
	c.KeyEpoch, c.Difficulty = uint32(epoch), uint8(difficulty)
	c.Targets = make([][16]byte, count)
	for i := range c.Targets {
		r.exact(c.Targets[i][:])
	}
	signed := b[:len(b)-len(r.rest)]
	var mac [32]byte
	r.exact(mac[:])
	if err := r.end(); err != nil {
		return nil, err
	}
	if want := key.mac(signed); !hmac.Equal(mac[:], want[:]) {
		return nil, ErrMAC
	}
	return c, nil
}

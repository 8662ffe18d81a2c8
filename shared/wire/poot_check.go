package wire

import (
	"cmp"
	"errors"
	"fmt"
)

// MaxProofBytes bounds the canonical bytes of a challenge or a response: 64
// targets or solutions, and the fields around them.
const MaxProofBytes = 4 << 10

// DecodeChallenge parses and checks the envelope of a challenge. Its bytes
// are for package proof.
func DecodeChallenge(payload []byte) (*Challenge, error) {
	c := new(Challenge)
	if err := decode("a challenge", payload, c); err != nil {
		return nil, err
	}
	if err := cmp.Or(version(c.V), envelope(c.ChallengeID, c.Bytes)); err != nil {
		return nil, err
	}
	return c, nil
}

// DecodeResponse parses and checks the envelope of a response. Its bytes are
// for package proof.
func DecodeResponse(payload []byte) (*Response, error) {
	r := new(Response)
	if err := decode("a response", payload, r); err != nil {
		return nil, err
	}
	if err := cmp.Or(version(r.V), envelope(r.ChallengeID, r.Bytes)); err != nil {
		return nil, err
	}
	return r, nil
}

func envelope(challengeID string, bytes []byte) error {
	if !isLowerHex(challengeID, 32) {
		return errors.New("challenge_id is not 32 lower-case hexadecimal digits")
	}
	if len(bytes) == 0 || len(bytes) > MaxProofBytes {
		return fmt.Errorf("bytes has %d bytes, want 1 to %d", len(bytes), MaxProofBytes)
	}
	return nil
}

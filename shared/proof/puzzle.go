package proof

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
)

const domainPuzzle = "lucid/poot/v1/y"

// ErrUnsolvable is a target that no x in [0, 2^d) hits: the challenge is not
// the coordinator's.
var ErrUnsolvable = errors.New("proof: puzzle has no solution")

// solution is x_i: the first d bits of HMAC-SHA256(puzzle key, id || node || i).
func solution(mac hash.Hash, scratch []byte, c *Challenge, i int) uint64 {
	if c.Difficulty == 0 {
		return 0
	}
	mac.Reset()
	scratch = append(scratch[:0], c.ID[:]...)
	scratch = append(scratch, c.NodeID...)
	scratch = binary.BigEndian.AppendUint32(scratch, uint32(i))
	mac.Write(scratch)
	sum := mac.Sum(scratch[:0])
	return binary.BigEndian.Uint64(sum) >> (64 - c.Difficulty)
}

// target is y_i: the first 16 bytes of SHA-256(tag || id || node || seed || i || x_i).
// prefix holds everything before x_i. Every part but the node id has a fixed
// length, so no two inputs are written alike.
func target(prefix []byte, x uint64) (y [16]byte) {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(prefix, x))
	copy(y[:], sum[:])
	return y
}

func appendTargetPrefix(dst []byte, c *Challenge, i int) []byte {
	dst = append(dst, domainPuzzle...)
	dst = append(dst, c.ID[:]...)
	dst = append(dst, c.NodeID...)
	dst = append(dst, c.Seed[:]...)
	return binary.BigEndian.AppendUint32(dst, uint32(i))
}

// prefixBytes bounds tag, id, node id, seed, index and solution.
const prefixBytes = 160

// SetTargets computes the k targets of a challenge from the puzzle key, which
// only the coordinator knows. ID, NodeID, Seed and Difficulty must be set.
func (c *Challenge) SetTargets(puzzle Key, k int) {
	mac := hmac.New(sha256.New, puzzle[:])
	var scratch, prefix [prefixBytes]byte
	c.Targets = make([][16]byte, k)
	for i := range c.Targets {
		x := solution(mac, scratch[:0], c, i)
		c.Targets[i] = target(appendTargetPrefix(prefix[:0], c, i), x)
	}
}

// CheckSolutions reports whether every x is the coordinator's own: k HMACs,
// no stored answers, no early exit.
func (c *Challenge) CheckSolutions(puzzle Key, xs []uint64) bool {
	if len(xs) != len(c.Targets) {
		return false
	}
	mac := hmac.New(sha256.New, puzzle[:])
	var scratch [prefixBytes]byte
	var differ uint64
	for i, x := range xs {
		differ |= x ^ solution(mac, scratch[:0], c, i)
	}
	return differ == 0
}

// Solve searches each x in [0, 2^d). It gives up when ctx ends.
func (c *Challenge) Solve(ctx context.Context) ([]uint64, error) {
	xs := make([]uint64, len(c.Targets))
	var buffer [prefixBytes]byte
	for i := range c.Targets {
		prefix := appendTargetPrefix(buffer[:0], c, i)
		x, err := search(ctx, prefix, c.Targets[i], uint64(1)<<c.Difficulty)
		if err != nil {
			return nil, err
		}
		xs[i] = x
	}
	return xs, nil
}

func search(ctx context.Context, prefix []byte, want [16]byte, end uint64) (uint64, error) {
	for x := range end {
		if x&0xfff == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if target(prefix, x) == want {
			return x, nil
		}
	}
	return 0, ErrUnsolvable
}

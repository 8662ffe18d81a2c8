package proof

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"strings"
	"testing"
)

func TestChallengeRoundTrip(t *testing.T) {
	for _, k := range []int{0, 1, 8, MaxCount} {
		want := fixedChallenge(4, k)
		b := want.Encode(challengeKey)
		got, err := DecodeChallenge(b, challengeKey)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d puzzles: got %+v, %v, want %+v", k, got, err, want)
		}
	}
}

func TestChallengeOfAnotherKeyIsRefused(t *testing.T) {
	if _, err := DecodeChallenge(fixedChallenge(1, 2).Encode(responseKey), challengeKey); !errors.Is(err, ErrMAC) {
		t.Errorf("error %v, want ErrMAC", err)
	}
}

func TestChallengeOutOfBounds(t *testing.T) {
	for name, change := range map[string]func(*Challenge){
		"difficulty":           func(c *Challenge) { c.Difficulty = MaxDifficulty + 1 },
		"count":                func(c *Challenge) { c.Targets = make([][16]byte, MaxCount+1) },
		"node id":              func(c *Challenge) { c.NodeID = "node_" },
		"long node id":         func(c *Challenge) { c.NodeID = "node_" + strings.Repeat("a", 60) },
		"deadline before":      func(c *Challenge) { c.DeadlineMs = c.IssuedMs - 1 },
		"issued before 1970":   func(c *Challenge) { c.IssuedMs = -1 },
		"deadline before 1970": func(c *Challenge) { c.DeadlineMs = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			c := fixedChallenge(1, 1)
			change(c)
			// With a good MAC, so that nothing but the bound refuses it.
			if got, err := DecodeChallenge(c.Encode(challengeKey), challengeKey); err == nil || errors.Is(err, ErrMAC) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// Whatever byte is altered, cut off or added, the challenge is refused.
func TestAlteredChallengeIsRefused(t *testing.T) {
	good := fixedChallenge(2, 2).Encode(challengeKey)
	everyAlteration(good, func(name string, b []byte) {
		if _, err := DecodeChallenge(b, challengeKey); err == nil {
			t.Errorf("%s: accepted", name)
		}
	})
}

// The MAC covers every byte of a response, the signature included: what passes
// it was made by the node as it is.
func TestAlteredResponseMACIsRefused(t *testing.T) {
	device := fixedDevice("device")
	good := fixedResponse(t, fixedChallenge(2, 2)).Encode(responseKey, device)
	everyAlteration(good, func(name string, b []byte) {
		if r, err := ParseResponse(b); err == nil && r.VerifyMAC(responseKey) {
			t.Errorf("%s: accepted", name)
		}
	})
	r, err := ParseResponse(good)
	if err != nil || !r.VerifyMAC(responseKey) || !r.VerifySignature(device.Public().(ed25519.PublicKey)) {
		t.Fatalf("the unaltered response: %v", err)
	}
	switch {
	case r.VerifyMAC(challengeKey):
		t.Error("the MAC holds under another key")
	case r.VerifySignature(fixedDevice("other").Public().(ed25519.PublicKey)):
		t.Error("the signature holds under another key")
	case r.VerifySignature(nil), r.VerifySignature(ed25519.PublicKey{1}):
		t.Error("the signature holds under a key of the wrong length")
	}
}

// A third party that has no MAC key still sees every altered field.
func TestAlteredResponseSignatureIsRefused(t *testing.T) {
	device := fixedDevice("device")
	good := fixedResponse(t, fixedChallenge(2, 2)).Encode(responseKey, device)
	for i := range len(good) - 36 { // the MAC and its length stand behind what is signed
		b := bytes.Clone(good)
		b[i] ^= 0x10
		if r, err := ParseResponse(b); err == nil && r.VerifySignature(device.Public().(ed25519.PublicKey)) {
			t.Errorf("byte %d: accepted", i)
		}
	}
}

// everyAlteration flips each bit, cuts at each length and appends a byte.
func everyAlteration(good []byte, check func(name string, b []byte)) {
	for i := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[i] ^= 1 << bit
			check(fmt.Sprintf("flipped bit %d of byte %d", bit, i), b)
		}
		check(fmt.Sprintf("cut to %d", i), good[:i:i])
	}
	check("one byte more", append(bytes.Clone(good), 0))
}

func TestPuzzle(t *testing.T) {
	for _, d := range []uint8{0, 1, 8, 12} {
		c := fixedChallenge(d, 4)
		xs, err := c.Solve(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range xs {
			if bits.Len64(x) > int(d) {
				t.Errorf("difficulty %d: solution %d is %#x, wider than %d bits", d, i, x, d)
			}
		}
		if !c.CheckSolutions(puzzleKey, xs) {
			t.Errorf("difficulty %d: solutions %x are refused", d, xs)
		}
		for i := range xs {
			wrong := append([]uint64{}, xs...)
			wrong[i] ^= 1
			if c.CheckSolutions(puzzleKey, wrong) {
				t.Errorf("difficulty %d: wrong solution %d is accepted", d, i)
			}
		}
		if c.CheckSolutions(puzzleKey, xs[:3]) || c.CheckSolutions(puzzleKey, append(xs, 0)) || c.CheckSolutions(puzzleKey, nil) {
			t.Errorf("difficulty %d: a wrong number of solutions is accepted", d)
		}
	}
	if c := fixedChallenge(12, 4); c.CheckSolutions(Key(fixed("other")), fixedResponse(t, c).Solutions) {
		t.Error("the solutions hold under another puzzle key")
	}
}

// Solutions differ by challenge, node and index: none can be reused.
func TestPuzzleDependsOnEverything(t *testing.T) {
	base := fixedChallenge(40, 2)
	if base.Targets[0] == base.Targets[1] {
		t.Error("two puzzles of a challenge are alike")
	}
	for name, change := range map[string]func(*Challenge){
		"id":   func(c *Challenge) { c.ID[0] ^= 1 },
		"node": func(c *Challenge) { c.NodeID = "node_kitchen-2" },
		"seed": func(c *Challenge) { c.Seed[31] ^= 1 },
	} {
		c := fixedChallenge(40, 2)
		change(c)
		c.SetTargets(puzzleKey, 2)
		if c.Targets[0] == base.Targets[0] {
			t.Errorf("another %s gives the same target", name)
		}
	}
}

func TestSolveGivesUp(t *testing.T) {
	c := fixedChallenge(8, 1)
	c.Targets[0][0] ^= 1
	if _, err := c.Solve(context.Background()); !errors.Is(err, ErrUnsolvable) {
		t.Errorf("no solution exists: %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	hard := fixedChallenge(40, 1)
	if _, err := hard.Solve(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("after the deadline: %v", err)
	}
}

// Checking stays cheap whatever the number of puzzles: the HMAC is set up once.
func TestCheckSolutionsAllocations(t *testing.T) {
	allocations := func(k int) float64 {
		c := fixedChallenge(12, k)
		xs := make([]uint64, k)
		return testing.AllocsPerRun(100, func() { c.CheckSolutions(puzzleKey, xs) })
	}
	if few, many := allocations(1), allocations(MaxCount); many != few || many > 16 {
		t.Errorf("%v allocations for one puzzle, %v for %d", few, many, MaxCount)
	}
}

func TestChainNext(t *testing.T) {
	a, b := []byte("a"), []byte("b")
	zero := [32]byte{}
	ab := ChainNext(ChainNext(zero, a), b)
	for name, other := range map[string][32]byte{
		"order":   ChainNext(ChainNext(zero, b), a),
		"joined":  ChainNext(zero, []byte("ab")),
		"missing": ChainNext(zero, b),
		"again":   ChainNext(ab, b),
	} {
		if other == ab {
			t.Errorf("%s: the running hash does not show it", name)
		}
	}
}

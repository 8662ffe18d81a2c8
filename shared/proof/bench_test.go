package proof

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"testing"
)

// What the coordinator does for one response, beside nothing but the HMACs that
// it cannot do without: one over the response, one for each of the 8 puzzles.
func BenchmarkVerify(b *testing.B) {
	device := fixedDevice("device")
	challenge := fixedChallenge(12, 8)
	response := fixedResponse(b, challenge).Encode(responseKey, device)
	public := device.Public().(ed25519.PublicKey)

	b.Run("response", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := ParseResponse(response)
			if err != nil || !r.VerifyMAC(responseKey) || !challenge.CheckSolutions(puzzleKey, r.Solutions) {
				b.Fatal("a good response is refused")
			}
		}
	})
	b.Run("raw-hmac", func(b *testing.B) {
		b.ReportAllocs()
		message, puzzle := make([]byte, len(response)-36), make([]byte, 16+len(challenge.NodeID)+4)
		var sum [32]byte
		for b.Loop() {
			mac := hmac.New(sha256.New, responseKey[:])
			mac.Write(message)
			mac.Sum(sum[:0])
			puzzles := hmac.New(sha256.New, puzzleKey[:])
			for range 8 {
				puzzles.Reset()
				puzzles.Write(puzzle)
				puzzles.Sum(sum[:0])
			}
		}
	})
	b.Run("device-signature", func(b *testing.B) {
		b.ReportAllocs()
		r, err := ParseResponse(response)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if !r.VerifySignature(public) {
				b.Fatal("a good signature is refused")
			}
		}
	})
}

// One hash of the search. A challenge costs the node k * 2^d / 2 of them on
// average.
func BenchmarkSolve(b *testing.B) {
	c := fixedChallenge(12, 1)
	var buffer [prefixBytes]byte
	prefix := appendTargetPrefix(buffer[:0], c, 0)
	b.ReportAllocs()
	for b.Loop() {
		target(prefix, 1)
	}
}

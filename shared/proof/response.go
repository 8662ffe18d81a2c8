package proof

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"lucid.internal/shared/wire"
)

const domainResponse = "lucid/poot/v1/response"

// Response answers a challenge. It binds the solutions to the boot they were
// found in and to the telemetry that was acknowledged before.
type Response struct {
	ChallengeID   ID
	ChallengeHash [32]byte // SHA-256 of the challenge's canonical bytes
	Solutions     []uint64 // x_1..x_k
	BootID        [16]byte // /proc/sys/kernel/random/boot_id
	BootTimeMs    uint64   // CLOCK_BOOTTIME
	Throttle      uint32   // firmware's get_throttled bits, 0 where there is none
	Run           wire.RunID
	Seq           uint64   // last acknowledged message of the run; 0 before the first
	Chain         [32]byte // running hash after that message; zero before the first
}

// ThrottledNow are the bits of Throttle that excuse from solving: the supply is
// low, the frequency is capped, the clock is throttled.
const ThrottledNow = 0b111

// DeferralsPerDay is how many challenges a throttled node may defer in 24 hours.
const DeferralsPerDay = 12

// Defers reports whether the answer holds no solutions because the machine is
// throttled: the node proves its key and asks to be spared the work for now.
func (r *Response) Defers() bool { return len(r.Solutions) == 0 && r.Throttle&ThrottledNow != 0 }

// HashChallenge is the hash by which a response names its challenge.
func HashChallenge(canonical []byte) [32]byte { return sha256.Sum256(canonical) }

// Encode gives the canonical bytes: the fields, the device key's signature over
// them, and the MAC under the response key over both. The MAC comes last so
// that a response whose MAC holds was not altered anywhere: two different ones
// to a challenge are then the node's own doing.
func (r *Response) Encode(key Key, device ed25519.PrivateKey) []byte {
	b := make([]byte, 0, 512)
	b = appendString(b, domainResponse)
	b = appendField(b, r.ChallengeID[:])
	b = appendField(b, r.ChallengeHash[:])
	b = appendInt(b, uint64(len(r.Solutions)))
	for _, x := range r.Solutions {
		b = appendInt(b, x)
	}
	b = appendField(b, r.BootID[:])
	b = appendInt(b, r.BootTimeMs)
	b = appendInt(b, uint64(r.Throttle))
	b = appendField(b, r.Run[:])
	b = appendInt(b, r.Seq)
	b = appendField(b, r.Chain[:])
	b = appendField(b, ed25519.Sign(device, b))
	mac := key.mac(b)
	return appendField(b, mac[:])
}

// SignedResponse is a parsed response with what proves its origin.
type SignedResponse struct {
	Response
	signed    []byte // what signature covers
	signature [ed25519.SignatureSize]byte
	maced     []byte // what mac covers: signed and signature
	mac       [32]byte
}

// ParseResponse parses canonical bytes. It checks the form only: VerifyMAC
// and VerifySignature tell whether it is genuine. The result refers to b, which
// must not be changed.
func ParseResponse(b []byte) (*SignedResponse, error) {
	r := reader{rest: b}
	s := new(SignedResponse)
	r.domain(domainResponse)
	r.exact(s.ChallengeID[:])
	r.exact(s.ChallengeHash[:])
	count := r.uint()
	if r.err != nil {
		return nil, r.err
	}
	if count > MaxCount {
		return nil, fmt.Errorf("proof: %d solutions, limit is %d", count, MaxCount)
	}
	s.Solutions = make([]uint64, count)
	for i := range s.Solutions {
		s.Solutions[i] = r.uint()
	}
	r.exact(s.BootID[:])
	s.BootTimeMs = r.uint()
	throttle := r.uint()
	s.Throttle = uint32(throttle)
	r.exact(s.Run[:])
	s.Seq = r.uint()
	r.exact(s.Chain[:])
	s.signed = b[:len(b)-len(r.rest)]
	r.exact(s.signature[:])
	s.maced = b[:len(b)-len(r.rest)]
	r.exact(s.mac[:])
	if err := r.end(); err != nil {
		return nil, err
	}
	if throttle > 1<<32-1 {
		return nil, fmt.Errorf("proof: throttle state %d has more than 32 bits", throttle)
	}
	return s, nil
}

// VerifyMAC checks the MAC in constant time.
func (s *SignedResponse) VerifyMAC(key Key) bool {
	want := key.mac(s.maced)
	return hmac.Equal(s.mac[:], want[:])
}

// VerifySignature checks the device's signature, which a third party can
// check too.
func (s *SignedResponse) VerifySignature(device ed25519.PublicKey) bool {
	return len(device) == ed25519.PublicKeySize && ed25519.Verify(device, s.signed, s.signature[:])
}

// ChainNext is the running hash after one more acknowledged message:
// SHA-256(before || message).
func ChainNext(before [32]byte, message []byte) [32]byte {
	h := sha256.New()
	h.Write(before[:])
	h.Write(message)
	var after [32]byte
	h.Sum(after[:0])
	return after
}

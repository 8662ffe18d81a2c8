package proof

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/sha256"
	"testing"

	"lucid.internal/shared/wire"
)

// fixed gives 32 bytes that depend on the name alone.
func fixed(name string) [32]byte { return sha256.Sum256([]byte("lucid test " + name)) }

func fixedDevice(name string) ed25519.PrivateKey {
	seed := fixed(name)
	return ed25519.NewKeyFromSeed(seed[:])
}

func fixedX25519(t testing.TB, name string) *ecdh.PrivateKey {
	t.Helper()
	seed := fixed(name)
	key, err := ecdh.X25519().NewPrivateKey(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var (
	challengeKey = Key(fixed("challenge key"))
	responseKey  = Key(fixed("response key"))
	puzzleKey    = Key(fixed("master")).PuzzleKey()
)

// fixedChallenge makes a challenge of k puzzles of d bits.
func fixedChallenge(d uint8, k int) *Challenge {
	id, seed := fixed("id"), fixed("seed")
	c := &Challenge{ID: ID(id[:16]), NodeID: "node_kitchen-1", KeyEpoch: 3, Session: 1 << 40, IssuedMs: 1_767_225_600_000,
		DeadlineMs: 1_767_225_630_000, Difficulty: d, Seed: seed}
	c.SetTargets(puzzleKey, k)
	return c
}

// fixedResponse solves a challenge.
func fixedResponse(t testing.TB, c *Challenge) *Response {
	t.Helper()
	xs, err := c.Solve(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	boot, run := fixed("boot"), fixed("run")
	return &Response{ChallengeID: c.ID, ChallengeHash: HashChallenge(c.Encode(challengeKey)), Solutions: xs,
		BootID: [16]byte(boot[:16]), BootTimeMs: 86_400_123, Throttle: 0x50005, Run: wire.RunID(run[:16]), Seq: 77, Chain: fixed("chain")}
}

// fixedEnrolment is both sides' part of an enrolment, signed.
type fixedEnrolment struct {
	deviceX, coordinatorX *ecdh.PrivateKey
	device, enrolment     ed25519.PrivateKey
	request               wire.EnrollRequest
	response              wire.EnrollResponse
}

func newFixedEnrolment(t testing.TB) *fixedEnrolment {
	t.Helper()
	e := &fixedEnrolment{deviceX: fixedX25519(t, "device x25519"), coordinatorX: fixedX25519(t, "coordinator x25519"),
		device: fixedDevice("device"), enrolment: fixedDevice("enrolment")}
	e.request = wire.EnrollRequest{V: 1, Token: "one-time-token", X25519Public: e.deviceX.PublicKey().Bytes(),
		DevicePublic: e.device.Public().(ed25519.PublicKey), Inventory: []byte(`{"model":"Raspberry Pi 4"}`),
		PayoutAddress: "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"}
	e.request.Signature = ed25519.Sign(e.device, EnrollRequestTranscript(&e.request))
	e.response = wire.EnrollResponse{V: 1, NodeID: "node_kitchen-1", KeyEpoch: 1, X25519Public: e.coordinatorX.PublicKey().Bytes(),
		MQTT: []string{"a.example:8883", "b.example:8883"}, CAPEM: "-----BEGIN CERTIFICATE-----\n"}
	e.response.Signature = ed25519.Sign(e.enrolment, EnrollTranscript(&e.request, &e.response))
	return e
}

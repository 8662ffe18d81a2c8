package prove

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	testRoot   = proof.Key{1, 2, 3}
	puzzleKey  = proof.Key{9}
	testDevice = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	start      = time.Unix(1_800_000_000, 0)
)

const testNode = "node_abc"

func newProver(change func(*Config)) *Prover {
	config := Config{
		NodeID: testNode, Device: testDevice, Used: func(proof.Epoch) {},
		Epochs:   func() []proof.Epoch { return []proof.Epoch{{No: 3, Keys: testRoot.Derive()}} },
		BootID:   [16]byte{0xb0},
		Uptime:   func() (time.Duration, error) { return 90 * time.Minute, nil },
		Progress: func() Progress { return Progress{Run: wire.RunID{7}, Seq: 42, Chain: [32]byte{5}} },
		Throttle: func() uint32 { return 0 },
		Now:      func() time.Time { return start },
	}
	if change != nil {
		change(&config)
	}
	return New(config)
}

func newChallenge(id byte, change func(*proof.Challenge)) *proof.Challenge {
	c := &proof.Challenge{
		ID: proof.ID{id}, NodeID: testNode, KeyEpoch: 3, Session: 8,
		// The coordinator's clock is years away from the node's.
		IssuedMs: 1_000_000 + int64(id), DeadlineMs: 1_030_000 + int64(id), Difficulty: 8, Seed: [32]byte{4},
	}
	if change != nil {
		change(c)
	}
	if c.Targets == nil {
		c.SetTargets(puzzleKey, 8)
	}
	return c
}

func message(t *testing.T, c *proof.Challenge, key proof.Key) []byte {
	t.Helper()
	b, err := json.Marshal(wire.Challenge{V: wire.ProtocolVersion, ChallengeID: hex.EncodeToString(c.ID[:]), Bytes: c.Encode(key), DeadlineMs: 1})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnswerSatisfiesTheCoordinator(t *testing.T) {
	keys := testRoot.Derive()
	c := newChallenge(1, nil)
	// It waited 5 s in the machine before it was looked at.
	p := newProver(func(c *Config) { c.Now = func() time.Time { return start.Add(5 * time.Second) } })
	b, deadline, err := p.Answer(context.Background(), message(t, c, keys.Challenge), start)
	if err != nil {
		t.Fatal(err)
	}
	if want := start.Add(30 * time.Second); !deadline.Equal(want) {
		t.Errorf("deadline = %s, want %s: receipt and the span of the challenge", deadline, want)
	}
	var response wire.Response
	if err := json.Unmarshal(b, &response); err != nil {
		t.Fatal(err)
	}
	r, err := proof.ParseResponse(response.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !r.VerifyMAC(keys.Response) || !r.VerifySignature(testDevice.Public().(ed25519.PublicKey)) {
		t.Error("MAC or signature does not verify")
	}
	if !c.CheckSolutions(puzzleKey, r.Solutions) {
		t.Error("solutions are wrong")
	}
	want := proof.Response{
		ChallengeID: c.ID, ChallengeHash: proof.HashChallenge(c.Encode(keys.Challenge)),
		BootID: [16]byte{0xb0}, BootTimeMs: 90 * 60 * 1000, Run: wire.RunID{7}, Seq: 42, Chain: [32]byte{5},
	}
	got := r.Response
	got.Solutions = nil
	if string(got.Encode(keys.Response, testDevice)) != string(want.Encode(keys.Response, testDevice)) {
		t.Errorf("response = %+v, want %+v", got, want)
	}
	if response.V != wire.ProtocolVersion || response.ChallengeID != hex.EncodeToString(c.ID[:]) {
		t.Errorf("readable copies are %+v", response)
	}
}

func TestRefusedChallenges(t *testing.T) {
	keys := testRoot.Derive()
	valid := func(c *proof.Challenge) []byte { return message(t, c, keys.Challenge) }
	for _, c := range []struct {
		name    string
		payload []byte
		want    string
	}{
		{"other key", message(t, newChallenge(1, nil), proof.Key{8}), "MAC does not match"},
		{"other node", valid(newChallenge(1, func(c *proof.Challenge) { c.NodeID = "node_other" })), "another node"},
		{"other key epoch", valid(newChallenge(1, func(c *proof.Challenge) { c.KeyEpoch = 2 })), "another node or key epoch"},
		{"deadline before issue", valid(newChallenge(1, func(c *proof.Challenge) { c.DeadlineMs = c.IssuedMs })), "gives 0 ms to answer"},
		{"days to answer", valid(newChallenge(1, func(c *proof.Challenge) { c.DeadlineMs += 86_400_000 })), "ms to answer, want 1 to 900000"},
		{"unsolvable", valid(newChallenge(1, func(c *proof.Challenge) { c.Targets = [][16]byte{{1}} })), "no solution"},
		{"no message", []byte("{"), "a challenge"},
		{"other version", []byte(`{"v":9}`), "protocol version 9"},
		{"half of its bytes", []byte(`{"v":1,"challenge_id":"` + strings.Repeat("0a", 16) + `","bytes":"AAAA"}`), "ends too early"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, _, err := newProver(nil).Answer(context.Background(), c.payload, start)
			if b != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("answer = %s, error = %v; want none and %q", b, err, c.want)
			}
		})
	}
}

func TestRepeatedChallengeIsRefusedForEver(t *testing.T) {
	p, keys := newProver(nil), testRoot.Derive()
	plain := func(c *proof.Challenge) { c.Difficulty = 0 }
	for id := byte(1); id <= 200; id++ { // more than it remembers
		if _, _, err := p.Answer(context.Background(), message(t, newChallenge(id, plain), keys.Challenge), start); err != nil {
			t.Fatalf("challenge %d: %v", id, err)
		}
	}
	for id := byte(1); id <= 200; id++ {
		_, _, err := p.Answer(context.Background(), message(t, newChallenge(id, plain), keys.Challenge), start)
		if !errors.Is(err, ErrRepeated) {
			t.Fatalf("challenge %d again: %v, want ErrRepeated", id, err)
		}
	}
}

func TestDeadlineEndsTheSearch(t *testing.T) {
	// The search space takes hours; the answer is due when it is asked for.
	hard := newChallenge(1, func(c *proof.Challenge) { c.Difficulty = 40; c.Targets = [][16]byte{{1}} })
	p := newProver(func(c *Config) { c.Now = func() time.Time { return start.Add(30 * time.Second) } })
	_, _, err := p.Answer(context.Background(), message(t, hard, testRoot.Derive().Challenge), start)
	if !errors.Is(err, ErrTooLate) {
		t.Errorf("error = %v, want ErrTooLate", err)
	}
}

func TestCancelledSearchEnds(t *testing.T) {
	hard := newChallenge(1, func(c *proof.Challenge) { c.Difficulty = 40; c.Targets = [][16]byte{{1}} })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := newProver(nil).Answer(ctx, message(t, hard, testRoot.Derive().Challenge), start)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}

func TestParseBootID(t *testing.T) {
	id, err := ParseBootID("0a1b2c3d-0000-4000-8000-0000000000ff\n")
	if err != nil || id != [16]byte{0x0a, 0x1b, 0x2c, 0x3d, 0, 0, 0x40, 0, 0x80, 15: 0xff} {
		t.Errorf("id = %x, %v", id, err)
	}
	for _, bad := range []string{"", "xyz", "0a1b2c3d-0000-4000-8000-0000000000f", "0a1b2c3d-0000-4000-8000-0000000000fz"} {
		if _, err := ParseBootID(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestUptimeRises(t *testing.T) {
	first, err := Uptime()
	if err != nil || first <= 0 {
		t.Fatalf("uptime = %s, %v", first, err)
	}
	if second, _ := Uptime(); second < first {
		t.Errorf("uptime fell from %s to %s", first, second)
	}
}

func FuzzAnswer(f *testing.F) {
	keys := testRoot.Derive()
	c := newChallenge(1, func(c *proof.Challenge) { c.Difficulty = 0 })
	id := hex.EncodeToString(c.ID[:])
	b, _ := json.Marshal(wire.Challenge{V: wire.ProtocolVersion, ChallengeID: id, Bytes: c.Encode(keys.Challenge)})
	f.Add(b)
	f.Add([]byte(`{"v":1,"challenge_id":"` + id + `","bytes":"AAAA"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		answer, _, err := newProver(nil).Answer(context.Background(), payload, start)
		if (answer == nil) == (err == nil) {
			t.Errorf("answer %q with error %v", answer, err)
		}
	})
}

// A throttled machine proves its key and defers the work, so often a day; then
// it solves all the same.
func TestThrottledMachineDefersSoOftenADay(t *testing.T) {
	keys, now, throttle := testRoot.Derive(), start, uint32(0)
	p := newProver(func(c *Config) {
		c.Now = func() time.Time { return now }
		c.Throttle = func() uint32 { return throttle }
	})
	id := byte(0)
	answer := func() *proof.SignedResponse {
		t.Helper()
		id++
		b, _, err := p.Answer(t.Context(), message(t, newChallenge(id, nil), keys.Challenge), now)
		if err != nil {
			t.Fatal(err)
		}
		m, err := wire.DecodeResponse(b)
		if err != nil {
			t.Fatal(err)
		}
		r, err := proof.ParseResponse(m.Bytes)
		if err != nil || !r.VerifyMAC(keys.Response) || r.Throttle != throttle {
			t.Fatalf("answer with throttle %x: %v", r.Throttle, err)
		}
		return r
	}
	throttle = 0x50008 // what was, and the soft limit: no excuse
	if r := answer(); r.Defers() || len(r.Solutions) != 8 {
		t.Errorf("not throttled, and %d solutions", len(r.Solutions))
	}
	throttle = 0x50005
	for i := range proof.DeferralsPerDay {
		if r := answer(); !r.Defers() {
			t.Errorf("throttled, and challenge %d was not deferred", i)
		}
	}
	if r := answer(); r.Defers() || len(r.Solutions) != 8 {
		t.Error("deferred more often than a day allows")
	}
	now = now.Add(24 * time.Hour)
	if r := answer(); !r.Defers() {
		t.Error("not deferred on the next day")
	}
}

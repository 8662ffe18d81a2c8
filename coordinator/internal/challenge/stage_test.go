package challenge_test

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// stage is a referee, one enrolled and connected node, and what was said.
type stage struct {
	*challenge.Referee
	pool     *db.Pool
	presence *node.Presence
	clock    time.Time
	session  challenge.Session
	keys     proof.Keys
	device   ed25519.PrivateKey

	said        sync.Mutex // of what the referee tells, at the same time too
	challenges  []wire.Challenge
	asked       []string // whom each was sent to
	verdicts    []wire.Verdict
	stored      []challenge.Verdict
	counted     []string
	ourFault    bool
	refuse      int32     // node whose verdicts cannot be stored
	tick        func()    // called whenever the time is read
	chain       *[32]byte // what telemetry's hash is known to be
	exponential float64   // what is drawn
	suspects    []int32
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{session: challenge.Session{Address: netip.MustParseAddr("192.0.2.7")}, exponential: 1, pool: dbtest.New(t), clock: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time {
		if s.tick != nil {
			s.tick()
		}
		return s.clock
	}
	_, enrolmentKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	nodes := node.NewStore(node.Config{Pool: s.pool, Box: seal.New(proof.Key{1}), EnrolmentKey: enrolmentKey, CAPEM: func() string { return "pem" }, Join: pool.Join, Leave: pool.Leave, Now: now})
	s.presence = node.NewPresence(s.pool, now)
	s.Referee = challenge.New(challenge.Config{
		Pool: s.pool, Nodes: nodes, PuzzleKey: proof.Key{2}, Count: 3, Difficulty: 6, Now: now,
		Interval: 5 * time.Minute * 9 / 10, Deadline: 30 * time.Second, Validity: 2 * time.Minute, Quiet: time.Minute,
		Publish: s.publish,
		ChainAt: func(context.Context, db.Tx, int32, wire.RunID, uint64) ([32]byte, bool, error) {
			if s.chain == nil {
				return [32]byte{}, false, nil
			}
			return *s.chain, true, nil
		},
		OurFault: func(context.Context, db.Tx, time.Time, time.Time) (bool, error) { return s.ourFault, nil },
		OnVerdict: func(_ context.Context, _ db.Tx, v challenge.Verdict) (challenge.Standing, error) {
			if v.NodeNo == s.refuse {
				return challenge.Standing{}, errors.New("refused")
			}
			s.said.Lock()
			defer s.said.Unlock()
			s.stored = append(s.stored, v)
			return challenge.Standing{ScoreNano: 7}, nil
		},
		Standing: func(context.Context, int32) (challenge.Standing, error) { return challenge.Standing{ScoreNano: 8}, nil },
		Counted: func(reason string) {
			s.said.Lock()
			defer s.said.Unlock()
			s.counted = append(s.counted, reason)
		},
		Exponential: func() float64 { return s.exponential },
		Suspects:    func(context.Context) ([]int32, error) { return s.suspects, nil },
	})
	s.enrol(t, nodes)
	s.connect(t)
	return s
}

func (s *stage) publish(nodeID string, channel wire.Channel, message any) error {
	s.said.Lock()
	defer s.said.Unlock()
	switch m := message.(type) {
	case wire.Challenge:
		s.challenges = append(s.challenges, m)
		s.asked = append(s.asked, nodeID)
	case wire.Verdict:
		s.verdicts = append(s.verdicts, m)
	}
	return nil
}

func (s *stage) enrol(t *testing.T, nodes *node.Store) {
	t.Helper()
	token, err := nodes.CreateToken(t.Context(), audit.By{Actor: audit.CLI}, node.Token{Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	s.enrolWith(t, nodes, token)
}

func (s *stage) enrolWith(t *testing.T, nodes *node.Store, token string) {
	t.Helper()
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, s.device, _ = ed25519.GenerateKey(rand.Reader)
	req := &wire.EnrollRequest{
		V: wire.ProtocolVersion, Token: token, X25519Public: private.PublicKey().Bytes(),
		DevicePublic: s.device.Public().(ed25519.PublicKey), Inventory: []byte(`{}`),
	}
	req.Signature = ed25519.Sign(s.device, proof.EnrollRequestTranscript(req))
	resp, err := nodes.Enroll(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	root, err := proof.RootFrom(private, resp.X25519Public, token, proof.EnrollTranscript(req, resp))
	if err != nil {
		t.Fatal(err)
	}
	s.keys, s.session.NodeID = root.Derive(), resp.NodeID
	if s.session.NodeNo, _, err = nodes.LiveKeys(t.Context(), resp.NodeID); err != nil {
		t.Fatal(err)
	}
}

// connect makes the node online, a second ago.
func (s *stage) connect(t *testing.T) {
	t.Helper()
	s.clock = s.clock.Add(-time.Second)
	defer func() { s.clock = s.clock.Add(time.Second) }()
	session, status, err := s.presence.Connected(t.Context(), s.session.NodeNo, node.AnyKey)
	if err != nil {
		t.Fatal(err)
	}
	s.session.Number = session
	if err := s.NodeConnected(t.Context(), s.session.NodeNo, status); err != nil {
		t.Fatal(err)
	}
}

// round runs the referee and gives the challenge it sent.
func (s *stage) round(t *testing.T) wire.Challenge {
	t.Helper()
	before := len(s.challenges)
	if err := s.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.challenges) != before+1 {
		t.Fatalf("%d challenges sent, want one", len(s.challenges)-before)
	}
	return s.challenges[before]
}

// solve is what an honest node answers, unless change says otherwise.
func (s *stage) solve(t *testing.T, c wire.Challenge, change func(*proof.Response)) []byte {
	t.Helper()
	asked, err := proof.DecodeChallenge(c.Bytes, s.keys.Challenge)
	if err != nil {
		t.Fatal(err)
	}
	xs, err := asked.Solve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := &proof.Response{ChallengeID: asked.ID, ChallengeHash: proof.HashChallenge(c.Bytes), Solutions: xs, Run: wire.RunID{1}, Seq: 5, Chain: [32]byte{9}}
	if change != nil {
		change(r)
	}
	payload, err := json.Marshal(wire.Response{V: wire.ProtocolVersion, ChallengeID: c.ChallengeID, Bytes: r.Encode(s.keys.Response, s.device)})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func (s *stage) answer(t *testing.T, payload []byte) {
	t.Helper()
	if err := s.Answer(t.Context(), s.session, payload, s.clock); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) setStatus(t *testing.T, status node.Status, reason string) {
	t.Helper()
	err := db.InTx(t.Context(), s.pool, func(tx db.Tx) error {
		return node.SetStatus(t.Context(), tx, s.session.NodeNo, status, reason, s.clock)
	})
	if err != nil {
		t.Fatal(err)
	}
}

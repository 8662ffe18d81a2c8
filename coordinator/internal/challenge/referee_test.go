package challenge_test

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
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

	challenges []wire.Challenge
	verdicts   []wire.Verdict
	stored     []challenge.Verdict
	counted    []string
	ourFault   bool
	refuse     int32     // node whose verdicts cannot be stored
	tick       func()    // called whenever the time is read
	chain      *[32]byte // what telemetry's hash is known to be
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{pool: dbtest.New(t), clock: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
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
	nodes := node.NewStore(node.Config{Pool: s.pool, Box: seal.New(proof.Key{1}), EnrolmentKey: enrolmentKey, Join: pool.Join, Now: now})
	s.presence = node.NewPresence(s.pool, now)
	s.Referee = challenge.New(challenge.Config{
		Pool: s.pool, Nodes: nodes, PuzzleKey: proof.Key{2}, Count: 3, Difficulty: 6, Now: now,
		Interval: 5 * time.Minute, Deadline: 30 * time.Second, Validity: 2 * time.Minute, Quiet: time.Minute,
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
			s.stored = append(s.stored, v)
			return challenge.Standing{ScoreNano: 7}, nil
		},
		Standing:    func(context.Context, int32) (challenge.Standing, error) { return challenge.Standing{ScoreNano: 8}, nil },
		Counted:     func(reason string) { s.counted = append(s.counted, reason) },
		Exponential: func() float64 { return 1 },
	})
	s.enrol(t, nodes)
	s.connect(t)
	return s
}

func (s *stage) publish(_ string, channel wire.Channel, message any) error {
	switch m := message.(type) {
	case wire.Challenge:
		s.challenges = append(s.challenges, m)
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

func TestVerdicts(t *testing.T) {
	known := [32]byte{9}
	for name, c := range map[string]struct {
		chain  *[32]byte
		after  time.Duration
		change func(*proof.Response)
		want   challenge.Result
		reason string
	}{
		"honest":                    {&known, 2 * time.Second, nil, challenge.Valid, ""},
		"telemetry not checkable":   {nil, 2 * time.Second, nil, challenge.Valid, ""},
		"altered telemetry":         {&[32]byte{8}, 2 * time.Second, nil, challenge.Invalid, "hash_mismatch"},
		"wrong solution":            {&known, 2 * time.Second, func(r *proof.Response) { r.Solutions[1] ^= 1 }, challenge.Invalid, "bad_solution"},
		"one solution missing":      {&known, 2 * time.Second, func(r *proof.Response) { r.Solutions = r.Solutions[:2] }, challenge.Invalid, "bad_solution"},
		"hash of another challenge": {&known, 2 * time.Second, func(r *proof.Response) { r.ChallengeHash[0] ^= 1 }, challenge.Invalid, "bad_solution"},
		"after the deadline":        {&known, 30*time.Second + time.Millisecond, nil, challenge.Late, "after_deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.chain = c.chain
			payload := s.solve(t, s.round(t), c.change)
			s.clock = s.clock.Add(c.after)
			s.answer(t, payload)
			if len(s.stored) != 1 || s.stored[0].Result != c.want || s.stored[0].Reason != c.reason {
				t.Fatalf("verdicts %+v, want %s (%s)", s.stored, c.want, c.reason)
			}
			if v := s.verdicts[0]; v.Verdict != string(c.want) || v.ScoreNano != 7 {
				t.Errorf("published %+v", v)
			}
			s.answer(t, payload) // delivered once more: the same verdict, nothing new
			if len(s.stored) != 1 || len(s.verdicts) != 2 || s.verdicts[1].Verdict != string(c.want) || s.verdicts[1].ScoreNano != 8 {
				t.Errorf("repeated: stored %d, published %+v", len(s.stored), s.verdicts)
			}
		})
	}
}

func TestAnswersThatChangeNothing(t *testing.T) {
	s := newStage(t)
	c := s.round(t)
	good := s.solve(t, c, nil)

	s.answer(t, []byte("{"))
	s.answer(t, []byte(`{"v":1,"challenge_id":"","bytes":"AAAA"}`))
	s.answer(t, s.solve(t, c, func(r *proof.Response) { r.ChallengeID[0] ^= 1 }))
	key := s.keys.Response
	s.keys.Response[0] ^= 1
	s.answer(t, s.solve(t, c, nil))
	s.keys.Response = key
	live := s.session.Number
	s.session.Number--
	s.answer(t, good)
	s.session.Number = live
	s.clock = s.clock.Add(2*time.Minute + time.Millisecond)
	s.answer(t, good)

	want := []string{"malformed", "malformed", "unknown_challenge", "bad_mac", "other_session", "expired"}
	if !slices.Equal(s.counted, want) || len(s.stored) != 0 {
		t.Errorf("counted %v, want %v; %d verdicts", s.counted, want, len(s.stored))
	}
}

// What we read late because we stood still was not sent late.
func TestLateIsVoidWhenTheFaultIsOurs(t *testing.T) {
	s := newStage(t)
	payload := s.solve(t, s.round(t), nil)
	s.clock, s.ourFault = s.clock.Add(40*time.Second), true
	s.answer(t, payload)
	if len(s.stored) != 1 || s.stored[0].Result != challenge.Void || s.stored[0].Reason != "our_fault" {
		t.Errorf("verdicts %+v, want void", s.stored)
	}
}

// A challenge that comes before the node could subscribe reaches nobody.
func TestAStartingNodeGetsTimeToSubscribe(t *testing.T) {
	s := newStage(t)
	s.clock = s.clock.Add(-time.Second / 2) // half a second after it connected
	if err := s.RunOnce(t.Context()); err != nil || len(s.challenges) != 0 {
		t.Fatalf("%d challenges, %v; want none yet", len(s.challenges), err)
	}
	s.clock = s.clock.Add(time.Second / 2)
	s.round(t)
}

// A challenge names a session. A node that left or came back between the
// question who is due and the challenge could not answer it.
func TestNobodyIsChallengedInASessionThatEnded(t *testing.T) {
	for name, leave := range map[string]func(s *stage){
		"connected anew": func(s *stage) { s.connect(t) },
		"left": func(s *stage) {
			if _, err := s.presence.Disconnected(t.Context(), s.session.NodeNo, s.session.Number); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			calls := 0
			s.tick = func() {
				if calls++; calls == 3 { // closing, asking who is due, and the challenge itself
					s.tick = nil
					leave(s)
				}
			}
			if err := s.RunOnce(t.Context()); err != nil || len(s.challenges) != 0 {
				t.Errorf("%d challenges, %v; want none", len(s.challenges), err)
			}
			var open int
			if err := s.pool.QueryRow(t.Context(), "SELECT count(*) FROM challenge").Scan(&open); err != nil || open != 0 {
				t.Errorf("%d challenges stored, %v; want none", open, err)
			}
		})
	}
}

func TestAChallengeThatCannotBeClosedHoldsUpNoOther(t *testing.T) {
	s := newStage(t)
	s.round(t)
	s.refuse = s.session.NodeNo
	s.enrol(t, s.Nodes)
	s.connect(t)
	s.round(t)
	s.clock = s.clock.Add(2*time.Minute + time.Millisecond)
	if err := s.RunOnce(t.Context()); err == nil {
		t.Error("a challenge that could not be closed is no error")
	}
	if len(s.stored) != 1 || s.stored[0].NodeNo != s.session.NodeNo {
		t.Errorf("closed %+v, want that of node %d", s.stored, s.session.NodeNo)
	}
}

func TestSilenceIsMissedUnlessTheFaultIsOurs(t *testing.T) {
	for ours, want := range map[bool]challenge.Result{false: challenge.Missed, true: challenge.Void} {
		s := newStage(t)
		s.ourFault = ours
		s.round(t)
		s.clock = s.clock.Add(2 * time.Minute)
		if err := s.RunOnce(t.Context()); err != nil || len(s.stored) != 0 {
			t.Fatalf("at the end of validity: %+v, %v", s.stored, err)
		}
		s.clock = s.clock.Add(time.Millisecond)
		if err := s.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.stored) != 1 || s.stored[0].Result != want {
			t.Errorf("our fault %v: %+v, want %s", ours, s.stored, want)
		}
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

func TestWhoIsChallengedWhen(t *testing.T) {
	s := newStage(t)
	setStatus := func(status node.Status, reason string) { t.Helper(); s.setStatus(t, status, reason) }
	silent := func(why string) {
		t.Helper()
		before := len(s.challenges)
		if err := s.RunOnce(t.Context()); err != nil || len(s.challenges) != before {
			t.Errorf("%s: %d challenges, %v", why, len(s.challenges)-before, err)
		}
	}
	payload := s.solve(t, s.round(t), nil) // a starting node at once, though the coordinator has just started
	silent("one is open")
	s.answer(t, payload)
	setStatus(node.Active, "")
	s.clock = s.clock.Add(59 * time.Second)
	silent("in the quiet time")
	s.clock = s.clock.Add(4 * time.Minute)
	silent("before its moment")
	s.clock = s.clock.Add(time.Second)
	s.answer(t, s.solve(t, s.round(t), nil))

	s.clock = s.clock.Add(5 * time.Minute)
	setStatus(node.Maintenance, "")
	silent("in maintenance")
	setStatus(node.Suspended, "operator: looks odd")
	silent("suspended by the operator")
	if _, err := s.presence.Disconnected(t.Context(), s.session.NodeNo, s.session.Number); err != nil {
		t.Fatal(err)
	}
	setStatus(node.Active, "")
	silent("offline")
	s.clock = s.clock.Add(2 * time.Second)
	s.connect(t)
	silent("just connected: its moment is drawn anew")
	s.clock = s.clock.Add(5 * time.Minute)
	setStatus(node.Suspended, "score: reputation 0.89")
	s.round(t) // suspended by its score: that is how it comes back
}

// Who connects anew more often than the referee looks must not escape: a moment
// that came while the node was there stands.
func TestConnectingAnewEscapesNoChallenge(t *testing.T) {
	s := newStage(t)
	s.answer(t, s.solve(t, s.round(t), nil))
	s.setStatus(t, node.Active, "")
	s.clock = s.clock.Add(5*time.Minute + 2*time.Second) // its moment came two seconds ago
	s.connect(t)                                         // in place of the connection before
	s.answer(t, s.solve(t, s.round(t), nil))

	s.clock = s.clock.Add(5*time.Minute + 100*time.Millisecond)
	if _, err := s.presence.Disconnected(t.Context(), s.session.NodeNo, s.session.Number); err != nil {
		t.Fatal(err)
	}
	s.clock = s.clock.Add(2 * time.Second)
	s.connect(t)
	s.round(t)
}

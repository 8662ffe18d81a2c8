package coordinator

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// crowd is many enrolled, active and connected nodes of a coordinator that does
// not run: the test is its pulse.
type crowd struct {
	*Coordinator
	t      testing.TB
	device ed25519.PrivateKey // of all of them

	mu    sync.Mutex
	asked []question
}

type question struct {
	nodeID  string
	message wire.Challenge
}

func newCrowd(t testing.TB, nodes int) *crowd {
	t.Helper()
	f := newFoundation(t, testConfig(t,
		Override{Key: "poot.difficulty", Value: "1"}, Override{Key: "poot.interval", Value: "300s"},
		Override{Key: "poot.deadline", Value: "150s"}, Override{Key: "poot.validity", Value: "15m"}))
	c := &crowd{t: t, device: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	var err error
	if c.Coordinator, err = New(f, Options{Version: "test"}); err != nil {
		t.Fatal(err)
	}
	c.referee.Quiet = 0
	c.referee.Publish = c.take
	c.fill(nodes)
	return c
}

// take is what the broker would send. Verdicts go nowhere.
func (c *crowd) take(nodeID string, channel wire.Channel, message any) error {
	if channel == wire.ChannelChallenge {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked = append(c.asked, question{nodeID, message.(wire.Challenge)})
	}
	return nil
}

func rootOf(no int) (root proof.Key) {
	binary.BigEndian.PutUint64(root[:], uint64(no))
	return root
}

// fill makes nodes number 1 to n, whose moments have come.
func (c *crowd) fill(nodes int) {
	c.t.Helper()
	for _, sql := range []string{
		`INSERT INTO node (node_id, name, status, online, session_no) SELECT 'node_' || i, 'node-' || i, 'active', true, 1 FROM generate_series(1, $1) i`,
		`INSERT INTO node_state (node_no, status, reason, from_at) SELECT node_no, 'active', 'proven', now() - interval '1 day' FROM node WHERE node_no <= $1`,
		`INSERT INTO node_presence (node_no, from_at) SELECT node_no, now() - interval '1 day' FROM node WHERE node_no <= $1`,
		`INSERT INTO challenge_schedule (node_no, next_at) SELECT node_no, now() - interval '1 s' FROM node WHERE node_no <= $1`,
	} {
		if _, err := c.DB.Exec(c.t.Context(), sql, nodes); err != nil {
			c.t.Fatal(err)
		}
	}
	no := 0
	_, err := c.DB.CopyFrom(c.t.Context(), pgx.Identifier{"node_key"}, []string{"node_no", "key_epoch", "root_box", "device_public"},
		pgx.CopyFromFunc(func() ([]any, error) {
			if no++; no > nodes {
				return nil, nil
			}
			root := rootOf(no)
			return []any{no, 1, c.sealRoot("node_"+strconv.Itoa(no), root), []byte(c.device.Public().(ed25519.PublicKey))}, nil
		}))
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.DB.Exec(c.t.Context(), "ANALYZE"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *crowd) sealRoot(nodeID string, root proof.Key) []byte {
	return c.box.Seal(root[:], fmt.Appendf(nil, "node root/%s/1", nodeID)) // as package node seals it
}

// issueAll runs rounds until every node was asked, and gives the longest.
func (c *crowd) issueAll(nodes int) (longest time.Duration) {
	c.t.Helper()
	for rounds := 0; len(c.asked) < nodes; rounds++ {
		began := time.Now()
		c.lastPulse.Store(&began)
		if err := c.referee.RunOnce(c.t.Context()); err != nil {
			c.t.Fatal(err)
		}
		longest = max(longest, time.Since(began))
		if rounds > nodes/100+10 {
			c.t.Fatalf("%d of %d nodes asked after %d rounds", len(c.asked), nodes, rounds)
		}
	}
	return longest
}

// answerAll lets every node answer, some at a time, as connections do.
func (c *crowd) answerAll(at int) {
	c.t.Helper()
	var workers sync.WaitGroup
	questions := make(chan question)
	for range at {
		workers.Go(func() {
			for q := range questions {
				if err := c.answer(q); err != nil {
					c.t.Error(err)
				}
			}
		})
	}
	for _, q := range c.asked {
		questions <- q
	}
	close(questions)
	workers.Wait()
}

func (c *crowd) answer(q question) error {
	no, err := strconv.Atoi(strings.TrimPrefix(q.nodeID, "node_"))
	if err != nil {
		return err
	}
	keys := rootOf(no).Derive()
	asked, err := proof.DecodeChallenge(q.message.Bytes, keys.Challenge)
	if err != nil {
		return err
	}
	xs, err := asked.Solve(c.t.Context())
	if err != nil {
		return err
	}
	r := proof.Response{ChallengeID: asked.ID, ChallengeHash: proof.HashChallenge(q.message.Bytes), Solutions: xs}
	payload, err := json.Marshal(wire.Response{V: wire.ProtocolVersion, ChallengeID: q.message.ChallengeID, Bytes: r.Encode(keys.Response, c.device)})
	if err != nil {
		return err
	}
	return c.referee.Answer(c.t.Context(), challenge.Session{NodeNo: int32(no), NodeID: q.nodeID, Number: 1}, payload, time.UnixMilli(q.message.IssuedMs).Add(time.Second))
}

// peakMemory is the most that this process had resident, in bytes.
func peakMemory(t testing.TB) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(status)) {
		if text, found := strings.CutPrefix(line, "VmHWM:"); found {
			var kib int64
			if _, err := fmt.Sscan(text, &kib); err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// TestRoundForACrowd has every node of a large fleet challenged and judged by one
// leader, with scores, statuses and events as always. Memory is that of this whole
// process, the questions that are kept for answering included.
func TestRoundForACrowd(t *testing.T) {
	nodes := 2000
	if os.Getenv("TEST_LONG") != "" {
		nodes = 100_000
	}
	c := newCrowd(t, nodes)
	began := time.Now()
	longest := c.issueAll(nodes)
	issued := time.Since(began)
	asked := map[string]bool{}
	for _, q := range c.asked {
		asked[q.nodeID] = true
	}
	began = time.Now()
	c.answerAll(32)
	judged := time.Since(began)
	var valid, scored int
	if err := c.DB.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM verdict WHERE result = 'valid'), (SELECT count(*) FROM score WHERE verdicts = 1)`).
		Scan(&valid, &scored); err != nil {
		t.Fatal(err)
	}
	peak := peakMemory(t)
	t.Logf("%d nodes: issued in %s, the longest round %s; judged in %s; peak memory %d MiB", nodes, issued.Round(time.Millisecond),
		longest.Round(time.Millisecond), judged.Round(time.Millisecond), peak>>20)
	if len(asked) != nodes || len(c.asked) != nodes || valid != nodes || scored != nodes {
		t.Errorf("%d nodes asked %d times, %d valid, %d scored; want %d each", len(asked), len(c.asked), valid, scored, nodes)
	}
	if peak >= 1<<30 {
		t.Errorf("peak memory %d MiB, want less than 1024", peak>>20)
	}
}

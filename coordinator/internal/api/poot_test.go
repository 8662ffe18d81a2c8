package api

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/shared/proof"
)

// proven is a challenge that a node answered, and the answer.
type proven struct {
	id     uuid.UUID
	answer []byte
}

// prove stores a challenge of the node with its answer and verdict, as the
// referee does; open leaves out both.
func (w *world) prove(n node.Node, open bool) proven {
	w.t.Helper()
	_, keys, err := w.Nodes.LiveKeys(w.t.Context(), n.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	public, device, _ := ed25519.GenerateKey(rand.Reader)
	now := w.now()
	c := proof.Challenge{ID: proof.ID(uuid.New()), NodeID: n.ID, KeyEpoch: keys.Epoch, IssuedMs: now.UnixMilli(), DeadlineMs: now.Add(time.Minute).UnixMilli(), Difficulty: 1}
	c.SetTargets(puzzleKey, 2)
	canonical := c.Encode(keys.Challenge)
	solutions, err := c.Solve(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	r := proof.Response{ChallengeID: c.ID, ChallengeHash: proof.HashChallenge(canonical), Solutions: solutions}
	p := proven{uuid.UUID(c.ID), r.Encode(keys.Response, device)}
	w.inTx(func(ctx context.Context, tx db.Tx) error {
		state := "judged"
		if open {
			state = "open"
		}
		if _, err := tx.Exec(ctx, "UPDATE node_key SET device_public = $2 WHERE node_no = $1", n.No, []byte(public)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO challenge (challenge_id, node_no, key_epoch, session_no, issued_at, deadline_at, expires_at, canonical, state)
			VALUES ($1, $2, $3, 1, $4, $5, $5, $6, $7)`, p.id, n.No, keys.Epoch, now, now.Add(time.Minute), canonical, state); err != nil || open {
			return err
		}
		var no int64
		if err := tx.QueryRow(ctx, `INSERT INTO verdict (challenge_id, node_no, at, result, reason, rule_version, answered_ms, response)
			VALUES ($1, $2, $3, 'valid', '', 1, 250, $4) RETURNING verdict_no`, p.id, n.No, now, p.answer).Scan(&no); err != nil {
			return err
		}
		_, err := w.Scores.OnVerdict(ctx, tx, score.Entry{NodeNo: n.No, No: no, Judged: score.Judged{Result: score.Valid, At: now}})
		return err
	})
	return p
}

// byName is an enrolled node.
func (w *world) byName(name string) node.Node {
	w.t.Helper()
	var id string
	if err := w.db.QueryRow(w.t.Context(), "SELECT node_id FROM node WHERE name = $1", name).Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	n, err := w.Nodes.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// challengeID is the only challenge's.
func (w *world) challengeID() (id uuid.UUID) {
	w.t.Helper()
	if err := w.db.QueryRow(w.t.Context(), "SELECT challenge_id FROM challenge").Scan(&id); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// validation is the body of a request that shows the answer.
func (w *world) validation(p proven, more string) string {
	return fmt.Sprintf(`{"output_data":%q,"nonce":%q,"timestamp":%q%s}`, base64.StdEncoding.EncodeToString(p.answer), p.id,
		w.now().Format(time.RFC3339), more)
}

// got is the body of an answer that an operator gets, which must be a success.
func (w *world) got(method, path, body string) []byte {
	w.t.Helper()
	a := w.send(method, path, body, as(w.keys[access.Operator]))
	if a.StatusCode != http.StatusOK {
		w.t.Fatalf("%s %s: %d %s", method, path, a.StatusCode, a.body)
	}
	return a.body
}

// some reads the fields that into has.
func (w *world) some(body []byte, into any) {
	w.t.Helper()
	if err := json.Unmarshal(body, into); err != nil {
		w.t.Fatalf("%v in %s", err, body)
	}
}

func TestValidateGivesTheVerdictOnRecord(t *testing.T) {
	w := newWorld(t)
	n := w.enrol("attic-pi", "")
	p := w.prove(n, false)
	path := "/api/v1/nodes/" + n.ID + "/poot/validate"
	var got checkedBody
	w.some(w.got(http.MethodPost, path, w.validation(p, "")), &got)
	if !got.IsValid || got.ValidationStatus != "valid" || got.ChallengeID != p.id.String() || got.Checks != (checksBody{true, true, true, true, true}) {
		t.Errorf("what was judged: %+v", got)
	}
	hash := got.OutputHash
	var now struct {
		OutputHash string `json:"output_hash"`
	}
	w.some(w.got(http.MethodGet, "/api/v1/nodes/"+n.ID+"/poot/score", ""), &now)
	if now.OutputHash != hash {
		t.Errorf("hash %s, the score shows %q", hash, now.OutputHash)
	}
	hex := proven{p.id, append([]byte{1}, p.answer...)}
	body := strings.Replace(w.validation(hex, ""), p.id.String(), strings.ReplaceAll(p.id.String(), "-", ""), 1)
	w.some(w.got(http.MethodPost, path, body), &got)
	if got.IsValid || got.ValidationStatus != "valid" || got.Checks != (checksBody{Timestamp: true}) {
		t.Errorf("other bytes: %+v", got)
	}
}

func TestBatchValidateSumsUpAndNamesErrors(t *testing.T) {
	w := newWorld(t)
	n, other := w.enrol("attic-pi", ""), w.enrol("cellar-pi", "")
	p, foreign, open := w.prove(n, false), w.prove(other, false), w.prove(other, true)
	of := func(n node.Node) string { return fmt.Sprintf(`,"node_id":%q`, n.ID) }
	shown := []string{
		w.validation(p, of(n)), w.validation(proven{p.id, foreign.answer}, of(n)), w.validation(foreign, of(n)), w.validation(open, of(other)),
	}
	var got struct {
		Results []struct {
			NodeID string `json:"node_id"`
			Result *checkedBody
			Error  *refusalBody
		}
		Summary proofSummary
	}
	w.some(w.got(http.MethodPost, "/api/v1/nodes/poot/batch-validate", `{"validations":[`+strings.Join(shown, ",")+`]}`), &got)
	if got.Summary != (proofSummary{Total: 4, Valid: 1, Invalid: 1, Errors: 2}) || len(got.Results) != 4 || !got.Results[0].Result.IsValid ||
		got.Results[1].Result.IsValid || got.Results[2].Error.Code != "LUCID_ERR_4201" || got.Results[3].Error.Code != "LUCID_ERR_4205" {
		t.Errorf("%+v", got)
	}
	many := `{"validations":[` + strings.TrimSuffix(strings.Repeat(shown[0]+",", 1001), ",") + `]}`
	w.wantError(w.send(http.MethodPost, "/api/v1/nodes/poot/batch-validate", many, as(w.keys[access.Operator])), 422, "LUCID_ERR_1002")
	w.wantError(w.send(http.MethodPost, "/api/v1/nodes/poot/batch-validate", `{"validations":[]}`, as(w.keys[access.Operator])), 422, "LUCID_ERR_1002")
}

// The referee's side of it is tested with the referee; here the answer is
// stored while the caller waits.
func TestCalculateWaitsForTheVerdict(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.ProofWait = time.Minute })
	n := w.enrol("attic-pi", "")
	w.connect(n)
	path := "/api/v1/nodes/" + n.ID + "/poot/calculate"
	answered := make(chan answerOf)
	go func() { answered <- w.send(http.MethodPost, path, "", as(w.keys[access.Operator])) }()
	for w.count("SELECT count(*) FROM challenge_schedule WHERE demanded_at IS NOT NULL") == 0 {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	w.judge(n, score.Valid, "")
	var got struct {
		Judged           bool
		ValidationStatus string `json:"validation_status"`
		Verdicts         int
	}
	a := <-answered
	w.some(a.body, &got)
	if a.StatusCode != http.StatusOK || !got.Judged || got.ValidationStatus != "valid" || got.Verdicts != 1 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestCalculateAnswersAtTheDeadlineWithoutAVerdict(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.ProofWait = time.Millisecond })
	n := w.enrol("attic-pi", "")
	w.connect(n)
	a := w.send(http.MethodPost, "/api/v1/nodes/"+n.ID+"/poot/calculate", "", as(w.keys[access.Operator]))
	if a.StatusCode != http.StatusOK || !strings.Contains(string(a.body), `"judged":false`) || !strings.Contains(string(a.body), `"validation_status":null`) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestStatisticsOfATime(t *testing.T) {
	w := newWorld(t)
	n, other := w.enrol("attic-pi", ""), w.enrol("cellar-pi", "")
	w.judge(n, score.Invalid, "bad_solution") // too long ago
	w.advance(2 * time.Hour)
	for _, r := range []score.Result{score.Valid, score.Valid, score.Missed, score.Void} {
		w.judge(n, r, "")
	}
	w.judge(other, score.Late, "")
	w.advance(time.Minute)
	raw := w.got(http.MethodGet, "/api/v1/nodes/poot/statistics?time_range=1h", "")
	for _, want := range []string{
		`"challenges":5`, `"nodes":2`, `"by_status":{"valid":2,"invalid":0,"late":1,"missed":1,"deferred":0,"void":1}`,
		`"success_rate":0.5`, `"answer_ms":{"mean":250,"median":250,"p95":250}`, `"scores":{"nodes":2,`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s lacks %s", raw, want)
		}
	}
	w.advance(48 * time.Hour)
	if raw := string(w.got(http.MethodGet, "/api/v1/nodes/poot/statistics", "")); !strings.Contains(raw, `"success_rate":null,"answer_ms":null`) {
		t.Errorf("a day without proofs: %s", raw)
	}
}

func TestLeaderboardRanksByScore(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_one", 0)
	best, more, less := w.enrol("best-pi", ""), w.enrol("more-pi", "pool_one"), w.enrol("less-pi", "pool_one")
	w.enrol("new-pi", "pool_one") // has shown nothing: score 0
	w.judge(best, score.Valid, "")
	for range 2 {
		w.judge(more, score.Valid, "")
		w.judge(less, score.Missed, "")
	}
	places := func(query string) (list []string) {
		var got struct {
			Nodes []struct {
				Rank int
				Name string
			}
			Pagination struct {
				HasNext bool `json:"has_next"`
			}
		}
		w.some(w.got(http.MethodGet, "/api/v1/nodes/poot/leaderboard"+query, ""), &got)
		for _, n := range got.Nodes {
			list = append(list, fmt.Sprint(n.Rank, " ", n.Name))
		}
		return append(list, fmt.Sprint(got.Pagination.HasNext))
	}
	for query, want := range map[string]string{
		"":                   "1 more-pi,2 best-pi,3 less-pi,4 new-pi,false",
		"?pool_id=pool_one":  "1 more-pi,2 less-pi,3 new-pi,false",
		"?limit=1&page=2":    "2 best-pi,true",
		"?pool_id=pool_none": "false",
	} {
		if got := strings.Join(places(query), ","); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestExplainIsAWaterfallThatSumsUp(t *testing.T) {
	w := newWorld(t)
	n := w.enrol("attic-pi", "")
	path := "/api/v1/nodes/" + n.ID + "/poot/explain"
	if raw := string(w.got(http.MethodGet, path, "")); !strings.Contains(raw, `"steps":[],"last_change":null`) || !strings.Contains(raw, `"early_warning":false`) {
		t.Errorf("before any verdict: %s", raw)
	}
	w.judge(n, score.Valid, "")
	w.judge(n, score.Missed, "no_answer")
	type step struct{ Points float64 }
	var got struct {
		Score      float64
		Steps      []step
		LastChange struct {
			Reason      string
			ScoreBefore float64 `json:"score_before"`
			ScoreAfter  float64 `json:"score_after"`
			Steps       []step
		} `json:"last_change"`
		Standing struct {
			FailuresLeft int  `json:"failures_left"`
			EarlyWarning bool `json:"early_warning"`
		}
	}
	w.some(w.got(http.MethodGet, path, ""), &got)
	sum := func(steps []step) (total float64) {
		for _, s := range steps {
			total += s.Points
		}
		return total
	}
	if got.Score != 95 || sum(got.Steps) != 95 || sum(got.LastChange.Steps) != -5 || got.LastChange.ScoreBefore != 100 || got.LastChange.ScoreAfter != 95 ||
		got.LastChange.Reason != "missed: no_answer" || got.Standing.FailuresLeft != 9 || !got.Standing.EarlyWarning {
		t.Errorf("%+v", got)
	}
}

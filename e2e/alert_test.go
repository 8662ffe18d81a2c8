package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"lucid.internal/e2e/harness"
)

const (
	alertNodes  = 12 // each has one alert at a time
	alertRounds = 3  // in each it fires and is resolved
)

// TestAlertsOverAChangeOfLeaderAreToldOnce takes the lead from whichever of two
// coordinators has it, twice for each change of an alert: it loses its lease before
// it looks, and it is killed amid the work, at each of three places. Every alert is
// one row, each of its changes one event and part of one message; a webhook's
// receiver gets a message again if the leader died before it had noted the answer,
// but then with the same id and body, as docs/alerts.md promises.
func TestAlertsOverAChangeOfLeaderAreToldOnce(t *testing.T) {
	data := dataDir(t)
	o := harness.Options{Data: data, Serve: startPostgres(t, data), Env: []string{"LUCID_DATA_DIR=" + data}}
	w := &alertWorld{t: t, seen: map[string]string{}, alerts: map[string]map[string]bool{}, held: make(chan chan struct{})}
	w.both[0] = start(t, o)
	next, err := harness.Start(harness.Options{Binaries: binaries, Data: data, Serve: o.Serve, Env: o.Env})
	if err != nil {
		t.Fatal(err)
	}
	w.both[1] = &lab{next, t}
	t.Cleanup(w.both[1].finish)
	w.prepare()
	deaths := []func(begin func()){w.dieAtWriting, w.dieAtHandingOver, w.dieAtDelivering}
	for change := range 2 * alertRounds { // which ends with each death at each change
		w.change(change%2 == 0, deaths[change%len(deaths)])
	}
	w.check()
}

// alertWorld is two coordinators, and an HTTP server that is told of alerts.
type alertWorld struct {
	t    *testing.T
	both [2]*lab
	held chan chan struct{} // takes what ends the wait of a request that is not answered yet

	mu      sync.Mutex
	hold    bool                       // the next request
	seen    map[string]string          // id of a message -> its body
	alerts  map[string]map[string]bool // "alert state" -> ids of the messages that told of it
	repeats int
}

// prepare makes the nodes, the webhook and a threshold of memory that fires at once.
func (w *alertWorld) prepare() {
	leader, _ := leads(w.both)
	if err := leader.MakeAdminKey(within(w.t, patience)); err != nil {
		w.t.Fatal(err)
	}
	receiver := httptest.NewServer(w)
	w.t.Cleanup(receiver.Close)
	for path, body := range map[string]string{
		"/api/v1/webhooks":          `{"type": "webhook", "url": "` + receiver.URL + `", "kinds": ["memory"]}`,
		"/api/v1/alerts/thresholds": `{"thresholds": {"memory": {"warning": 90, "warning_for_seconds": 0}}}`,
	} {
		if status, answer, err := leader.Send(within(w.t, patience), http.MethodPost, path, body); err != nil || status/100 != 2 {
			w.t.Fatalf("%s: %d %s %v", path, status, answer, err)
		}
	}
	w.exec(`INSERT INTO node (node_id, name, status) SELECT 'node_' || i, 'node-' || i, 'active' FROM generate_series(1, $1) i`, alertNodes)
	w.exec(`INSERT INTO sample_latest (node_no, at, received_at, run_no, seq, body) SELECT node_no, now(), now(), node_no, 0, '{}' FROM node`)
}

func (w *alertWorld) exec(sql string, args ...any) {
	w.t.Helper()
	if err := w.both[0].Database().Exec(within(w.t, patience), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// change has every node sample a memory that is full or is not, takes the lease from
// who has it, has its successor die, and waits until the receiver was told.
func (w *alertWorld) change(fires bool, die func(begin func())) {
	available, state := 50, "resolved"
	if fires {
		available, state = 1, "firing"
	}
	before := len(w.told(state))
	die(func() {
		w.exec(`UPDATE sample_latest SET at = now(), received_at = now(), seq = seq + 1, body = jsonb_build_object('seq', seq + 1,
			'at_ms', (extract(epoch FROM now()) * 1000)::bigint, 'memory', jsonb_build_object('total_bytes', 100, 'available_bytes', $1::int))`, available)
		w.exec(`SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_locks l USING (pid)
			WHERE a.application_name = 'lucid lease leader' AND l.locktype = 'advisory' AND l.granted`)
	})
	w.both[0].await(within(w.t, patience), "the receiver to be told", func(ctx context.Context) error {
		told := len(w.told(state))
		open, err := w.both[0].Database().Int64(ctx, "SELECT (SELECT count(*) FROM alert WHERE untold) + (SELECT count(*) FROM webhook_delivery WHERE state = 'open')")
		return unless(err == nil && told == before+alertNodes && open == 0, "%d of %d are told to be %s, %d to be told, %v", told-before, alertNodes, state, open, err)
	})
}

// dieAtWriting: the leader has looked, and does not write what it found.
func (w *alertWorld) dieAtWriting(begin func()) { w.dieAt(begin, "alert", "InsertAlert|MoveAlert") }

// dieAtHandingOver: alerts are written, and not handed over to webhooks.
func (w *alertWorld) dieAtHandingOver(begin func()) {
	w.dieAt(begin, "webhook_delivery", "InsertDelivery")
}

// dieAt keeps a table from being written until the leader waits there, and kills it.
func (w *alertWorld) dieAt(begin func(), table, statements string) {
	ctx := within(w.t, patience)
	conn, err := w.both[0].Database().Connect(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "BEGIN; LOCK TABLE "+pgx.Identifier{table}.Sanitize()+" IN SHARE ROW EXCLUSIVE MODE"); err != nil {
		w.t.Fatal(err)
	}
	begin()
	w.both[0].await(ctx, "the leader to write "+table, func(ctx context.Context) error {
		n, err := w.both[0].Database().Int64(ctx, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ $1", "name: ("+statements+")")
		return unless(err == nil && n > 0, "%v", err)
	})
	w.kill()
	if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
		w.t.Fatal(err)
	}
}

// dieAtDelivering: the receiver has the message, and the leader no answer.
func (w *alertWorld) dieAtDelivering(begin func()) {
	w.mu.Lock()
	w.hold = true
	w.mu.Unlock()
	begin()
	select {
	case goOn := <-w.held:
		w.kill()
		close(goOn)
	case <-within(w.t, patience).Done():
		w.t.Fatal("the receiver was told nothing")
	}
}

// kill kills the leader and starts again whoever has ended.
func (w *alertWorld) kill() {
	leader, _ := leads(w.both)
	leader.Kill()
	for _, l := range w.both {
		select {
		case <-l.Exited():
			again, err := l.Again()
			if err != nil {
				w.t.Fatal(err)
			}
			l.Coordinator = again
		default:
		}
	}
}

// ServeHTTP notes a message, and holds its answer back if it is told to.
func (w *alertWorld) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var message struct {
		Data struct {
			Alerts []struct {
				AlertID string `json:"alert_id"`
				State   string `json:"state"`
			} `json:"alerts"`
		} `json:"data"`
	}
	if err == nil {
		err = json.Unmarshal(body, &message)
	}
	if err != nil {
		w.t.Errorf("a message of a webhook: %v", err)
		return
	}
	id := r.Header.Get("webhook-id")
	w.mu.Lock()
	if before, again := w.seen[id]; again {
		w.repeats++
		if before != string(body) {
			w.t.Errorf("%s came again as\n%s, before it was\n%s", id, body, before)
		}
	}
	w.seen[id] = string(body)
	for _, a := range message.Data.Alerts {
		change := a.AlertID + " " + a.State
		if w.alerts[change] == nil {
			w.alerts[change] = map[string]bool{}
		}
		w.alerts[change][id] = true
	}
	hold := w.hold
	w.hold = false
	w.mu.Unlock()
	if hold {
		goOn := make(chan struct{})
		w.held <- goOn
		<-goOn
	}
}

// told are the changes to a state that the receiver knows of.
func (w *alertWorld) told(state string) (changes []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for change := range w.alerts {
		if strings.HasSuffix(change, " "+state) {
			changes = append(changes, change)
		}
	}
	return changes
}

// check counts rows, events, messages and what was received.
func (w *alertWorld) check() {
	leader, _ := leads(w.both)
	const alerts, changes = alertNodes * alertRounds, 2 * alertNodes * alertRounds
	events := `(SELECT body FROM event WHERE kind = 'alert' UNION ALL SELECT body FROM event_outbox WHERE kind = 'alert') e`
	for what, c := range map[string]struct {
		want  int64
		query string
	}{
		"alerts":                      {alerts, "SELECT count(*) FROM alert"},
		"alerts that fired and ended": {alerts, "SELECT count(*) FROM alert WHERE fired_at IS NOT NULL AND resolved_at IS NOT NULL AND told_at >= resolved_at"},
		"events":                      {changes, "SELECT count(*) FROM " + events},
		"different events":            {changes, "SELECT count(DISTINCT (body ->> 'alert_id', body ->> 'change')) FROM " + events},
		"messages":                    {2 * alertRounds, "SELECT count(*) FROM webhook_delivery"},
		"messages noted as delivered": {2 * alertRounds, "SELECT count(*) FROM webhook_delivery WHERE state = 'delivered'"},
		"changes in messages":         {changes, "SELECT sum(json_array_length(body -> 'data' -> 'alerts'))::bigint FROM webhook_delivery"},
	} {
		if n := leader.count(c.query); n != c.want {
			w.t.Errorf("%s: %d, want %d", what, n, c.want)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for change, ids := range w.alerts {
		if len(ids) != 1 {
			w.t.Errorf("%s was told in %d messages", change, len(ids))
		}
	}
	if len(w.alerts) != changes || len(w.seen) != 2*alertRounds {
		w.t.Errorf("the receiver was told of %d changes in %d messages, want %d in %d", len(w.alerts), len(w.seen), changes, 2*alertRounds)
	}
	if w.repeats < alertRounds*2/3 {
		w.t.Errorf("%d messages came again: the leader did not die before it noted an answer", w.repeats)
	}
	w.t.Logf("%d alerts, %d changes in %d messages, %d of which came again under their own id", alerts, changes, len(w.seen), w.repeats)
}

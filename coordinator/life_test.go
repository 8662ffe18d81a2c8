package coordinator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/broker"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/span"
	"lucid.internal/shared/wire"
)

// TestLifeOfANode leads a node from its creation to its deletion by the API,
// with a device that speaks MQTT as an agent does. What comes of each step is
// told as an event, and only that is waited for.
func TestLifeOfANode(t *testing.T) {
	l := newLife(t)
	id, token := l.create("attic-pi")
	path := "/nodes/" + id
	d := l.enrol(token)
	if d.id != id {
		t.Fatalf("%s enrolled as %s", id, d.id)
	}
	l.await("starting", "enrolled")
	l.call(http.MethodPost, path+"/stop", "", http.StatusConflict, nil) // offline

	d.connect()
	l.await("starting", "enrolled", online)
	l.await("active", "proven")

	l.call(http.MethodPost, path+"/stop", "", http.StatusAccepted, nil)
	l.await("stopping", "stop requested")
	l.await("inactive", "stop confirmed")
	l.call(http.MethodPost, path+"/start", "", http.StatusAccepted, nil)
	l.await("starting", "start requested")
	l.await("active", "start confirmed")

	d.deaf.Store(true)
	l.call(http.MethodPost, path+"/stop", "", http.StatusAccepted, nil)
	l.await("error", "stop not confirmed within 1s")
	d.deaf.Store(false)
	l.call(http.MethodPost, path+"/start", "", http.StatusAccepted, nil)
	l.await("active", "start confirmed")

	d.cut()
	l.await("active", "start confirmed", offline)
	d.connect()
	l.await("active", "start confirmed", online)

	l.call(http.MethodDelete, path, "", http.StatusNoContent, nil)
	<-d.lost
	l.await("inactive", "deleted", offline)
	if err := d.dial(); err == nil || !strings.Contains(err.Error(), "not Authorized") {
		t.Errorf("the deleted node connects again: %v", err)
	}
	l.call(http.MethodGet, path, "", http.StatusNotFound, nil)
}

// TestVerdictTellsTheFactorsOfItsScore: a node can say what its score is made
// of, without a network.
func TestVerdictTellsTheFactorsOfItsScore(t *testing.T) {
	l := newLife(t)
	_, token := l.create("attic-pi")
	d := l.enrol(token)
	d.must(d.dial())
	told := make(chan []byte, 1)
	l.must(done(d.client.Subscribe(wire.Topic(d.id, wire.ChannelVerdict), 1, func(_ paho.Client, m paho.Message) {
		select {
		case told <- m.Payload():
		default: // the first one is enough
		}
	})))
	d.begin()
	var v wire.Verdict
	select {
	case payload := <-told:
		l.must(json.Unmarshal(payload, &v))
	case <-time.After(patience):
		t.Fatal("no verdict came")
	}
	if v.Factors == nil {
		t.Fatalf("verdict %+v tells no factors", v)
	}
	product := score.Factors{
		Reputation: v.Factors.ReputationNano, Timeliness: v.Factors.TimelinessNano,
		Availability: v.Factors.AvailabilityNano, Quality: v.Factors.QualityNano,
	}.Score()
	if v.ScoreNano == 0 || product != v.ScoreNano {
		t.Errorf("the factors %+v give %d, the score is %d", *v.Factors, product, v.ScoreNano)
	}
}

// TestSilentNodeIsOffline: the connection stands, and nothing comes over it.
// The keepalive that the device promised, 1 s, passes one and a half times.
func TestSilentNodeIsOffline(t *testing.T) {
	l := newLife(t)
	_, token := l.create("attic-pi")
	d := l.enrol(token)
	l.await("starting", "enrolled")
	d.alive = time.Second
	d.connect()
	d.mute.Store(true)
	l.await("starting", "enrolled", online)
	l.await("starting", "enrolled", offline)
}

// TestAlertsAreLookedForWhileANodeIsOffline: the heartbeat of the moment is
// never on record yet.
func TestAlertsAreLookedForWhileANodeIsOffline(t *testing.T) {
	l := newLife(t)
	_, token := l.create("attic-pi")
	d := l.enrol(token)
	l.await("starting", "enrolled")
	d.connect()
	l.await("starting", "enrolled", online)
	l.await("active", "proven")
	d.cut()
	l.await("active", "proven", offline)
	watch := alert.NewWatch(l.alerts)
	for range 3 {
		l.must(watch.RunOnce(t.Context()))
	}
	now := l.now()
	until := now.Add(time.Hour)
	l.must(db.InTx(t.Context(), l.DB, func(tx db.Tx) error {
		faults, err := l.faultsSoFar(t.Context(), tx, now, until)
		newest := span.Latest(now, *l.lastPulse.Load()) // the heart goes on beating
		if err != nil || len(faults) == 0 {
			t.Errorf("%d faults, %v; want what follows the heartbeat of %s", len(faults), err, newest)
		} else if last := faults[len(faults)-1]; last.From.Before(now) || last.From.After(newest) || !last.To.Equal(until) {
			t.Errorf("%v counts as our fault, want from a heartbeat between %s and %s to %s", last, now, newest, until)
		}
		return nil
	}))
}

// A key that an operator's token replaced is no way back, and its connection
// ends at once.
func TestNewKeyTakesTheNodeOver(t *testing.T) {
	l := newLife(t)
	id, token := l.create("attic-pi")
	before := l.enrol(token)
	before.connect()
	l.await("active", "proven")

	after := l.enrol(l.token(id))
	l.await("starting", "enrolled again")
	<-before.lost
	if err := before.dial(); err == nil || !strings.Contains(err.Error(), "not Authorized") {
		t.Errorf("the old key connects again: %v", err)
	}
	after.connect()
	l.await("active", "proven")
}

// The old key's login is checked just before the new enrolment commits, and
// comes online just after, when there is no connection to close any more.
func TestNewKeyOvertakesALogin(t *testing.T) {
	l := newLife(t)
	id, token := l.create("attic-pi")
	before := l.enrol(token)
	config, err := l.brokerConfig()
	l.must(err)
	check, checked, replaced := config.Authenticate, make(chan struct{}), make(chan struct{})
	config.Registerer = nil // the coordinator's own broker has it
	config.Authenticate = func(ctx context.Context, nodeID string, password []byte) (int32, uint32, error) {
		defer func() { close(checked); <-replaced }()
		return check(ctx, nodeID, password)
	}
	slow, err := broker.New(config)
	l.must(err)
	l.must(slow.Start())
	t.Cleanup(func() { l.must(slow.Close(context.Background())) })

	before.door = slow.Addr()
	dialled := make(chan error, 1)
	go func() { dialled <- before.dial() }()
	<-checked
	after := l.enrol(l.token(id))
	close(replaced)
	l.must(<-dialled) // the password was right
	select {
	case <-before.lost:
	case <-time.After(patience):
		t.Error("the old key stays connected")
	}
	n, err := l.Nodes.Get(t.Context(), id)
	l.must(err)
	if n.Online {
		t.Error("the node is online by its old key")
	}
	after.connect()
	l.await("active", "proven")
}

// token is one by which a device takes the node over.
func (l *life) token(id string) string {
	l.t.Helper()
	text, err := l.EnrolFile(l.t.Context(), EnrolRequest{NodeID: id})
	l.must(err)
	_, text, _ = strings.Cut(text, `token = "`)
	text, _, _ = strings.Cut(text, `"`)
	return text
}

// create makes a node that waits for its device.
func (l *life) create(name string) (id, token string) {
	l.t.Helper()
	var made struct {
		Node struct {
			ID     string `json:"node_id"`
			Status string `json:"status"`
		} `json:"node"`
		Enrolment struct {
			Token string `json:"token"`
		} `json:"enrolment"`
	}
	l.call(http.MethodPost, "/nodes/", `{"name": "`+name+`", "node_type": "worker"}`, http.StatusCreated, &made)
	if made.Node.Status != "pending" || made.Enrolment.Token == "" {
		l.t.Fatalf("made %+v", made)
	}
	return made.Node.ID, made.Enrolment.Token
}

// told is what a node event says.
type told struct {
	Change string `json:"change"`
	Status string `json:"status"`
	Reason string `json:"reason"`
	Online bool   `json:"online"`
}

const online, offline = "online", "offline"

// await reads events until one tells of this status and reason; change is
// "status" when none is named.
func (l *life) await(status, reason string, change ...string) {
	l.t.Helper()
	wanted := told{Change: "status", Status: status, Reason: reason}
	if len(change) > 0 {
		wanted.Change = change[0]
	}
	var seen []string
	for l.events.Scan() {
		data, found := strings.CutPrefix(l.events.Text(), "data: ")
		var m struct {
			Data told `json:"data"`
		}
		if !found || json.Unmarshal([]byte(data), &m) != nil {
			continue
		}
		m.Data.Online = false // the change says it
		if m.Data == wanted {
			return
		}
		seen = append(seen, fmt.Sprintf("%+v", m.Data))
	}
	l.t.Fatalf("no event tells %+v; seen since the one before: %v; %v", wanted, seen, l.events.Err())
}

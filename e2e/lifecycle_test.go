package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"lucid.internal/e2e/harness"
)

// status is what the API says of a node.
type status struct {
	Status string `json:"status"`
	Reason string `json:"status_reason"`
	Online bool   `json:"online"`
}

func (l *lab) awaitStatus(ctx context.Context, id, want string) (s status) {
	l.t.Helper()
	l.await(ctx, id+" to be "+want, func(ctx context.Context) error {
		s = status{}
		err := l.GetJSON(ctx, "/api/v1/nodes/"+id+"/status", &s)
		if err != nil {
			return err
		}
		return unless(s.Status == want, "%+v", s)
	})
	return s
}

func (l *lab) demand(ctx context.Context, method, path string, want int) {
	l.t.Helper()
	code, body, err := l.Send(ctx, method, path, "")
	if err != nil || code != want {
		l.t.Fatalf("%s %s: %d %s, %v; want %d", method, path, code, body, err, want)
	}
}

// TestRealAgentIsStoppedStartedAndDeleted drives the real agent by the API.
func TestRealAgentIsStoppedStartedAndDeleted(t *testing.T) {
	l := start(t, harness.Options{Agent: true})
	ctx := within(t, manyWaits)
	var list struct {
		Nodes []struct {
			ID string `json:"node_id"`
		} `json:"nodes"`
	}
	l.await(ctx, "the agent's node", func(ctx context.Context) error {
		if err := l.GetJSON(ctx, "/api/v1/nodes/", &list); err != nil {
			return err
		}
		return unless(len(list.Nodes) == 1, "%d nodes", len(list.Nodes))
	})
	id := list.Nodes[0].ID
	path := "/api/v1/nodes/" + id
	l.awaitStatus(ctx, id, "active")

	l.demand(ctx, http.MethodPost, path+"/stop", http.StatusAccepted)
	if s := l.awaitStatus(ctx, id, "inactive"); !s.Online || s.Reason != "stop confirmed" {
		t.Errorf("stopped, it is %+v; want online", s)
	}
	if n := l.count("SELECT count(*) FROM node WHERE agent_stopped"); n != 1 {
		t.Error("the stop is not on record")
	}
	l.demand(ctx, http.MethodPost, path+"/stop", http.StatusConflict)
	verdicts := l.count("SELECT count(*) FROM verdict WHERE result = 'valid'")

	l.demand(ctx, http.MethodPost, path+"/start", http.StatusAccepted)
	l.awaitStatus(ctx, id, "active")
	l.await(ctx, "a proof after the start", func(context.Context) error {
		n := l.count("SELECT count(*) FROM verdict WHERE result = 'valid'")
		return unless(n > verdicts, "%d verdicts", n)
	})
	if n := l.count("SELECT count(*) FROM node_command WHERE state = 'done'"); n != 2 {
		t.Errorf("%d commands done, want 2", n)
	}

	l.demand(ctx, http.MethodDelete, path, http.StatusNoContent)
	l.await(ctx, "the deleted node to be offline", func(context.Context) error {
		return unless(l.count("SELECT count(*) FROM node WHERE online") == 0, "it is online")
	})
	refused := func(ctx context.Context) (float64, error) {
		return l.Metric(ctx, "lucid_mqtt_refused_total", "password")
	}
	before, err := refused(ctx)
	if err != nil {
		t.Fatal(err)
	}
	l.await(ctx, "the agent to try again and be refused", func(ctx context.Context) error {
		n, err := refused(ctx)
		if err != nil {
			return err
		}
		return unless(n > before, "refused %v times", n)
	})
	if n := l.count("SELECT count(*) FROM node WHERE online"); n != 0 {
		t.Error("the deleted node came back")
	}
	l.demand(ctx, http.MethodGet, path, http.StatusNotFound)
}

// TestNodeThatDoesNotConfirm is connected and does not answer its commands.
func TestNodeThatDoesNotConfirm(t *testing.T) {
	l := start(t, harness.Options{Env: []string{"LUCID_NODE_COMMAND_TIMEOUT=1s"}})
	ctx := within(t, manyWaits)
	n := l.node()
	path := "/api/v1/nodes/" + n.ID
	l.demand(ctx, http.MethodPost, path+"/stop", http.StatusConflict) // offline
	session := l.connect(n)
	l.await(ctx, "the node to be online", func(ctx context.Context) error { // CONNACK comes just before
		var s status
		err := l.GetJSON(ctx, path+"/status", &s)
		if err != nil {
			return err
		}
		return unless(s.Online, "%+v", s)
	})
	l.demand(ctx, http.MethodPost, path+"/stop", http.StatusAccepted)
	if s := l.awaitStatus(ctx, n.ID, "error"); s.Reason != "stop not confirmed within 1s" {
		t.Errorf("reason %q", s.Reason)
	}

	l.demand(ctx, http.MethodDelete, path, http.StatusNoContent)
	select {
	case <-session.Lost():
	case <-ctx.Done():
		t.Fatal("the deleted node's connection lives on")
	}
	if _, err := n.Connect(ctx); err == nil || !strings.Contains(err.Error(), "not Authorized") {
		t.Errorf("the deleted node connects again: %v", err)
	}
}

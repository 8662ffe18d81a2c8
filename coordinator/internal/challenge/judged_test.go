package challenge_test

import (
	"testing"
	"time"
)

// A verdict is told once, with the transaction that stores it.
func TestVerdictIsTold(t *testing.T) {
	s := newStage(t)
	c := s.round(t)
	payload := s.solve(t, c, nil)
	s.clock = s.clock.Add(2 * time.Second)
	s.answer(t, payload)
	s.answer(t, payload)
	var told int
	var nodeID, result, answered, id string
	err := s.Pool.QueryRow(t.Context(), `SELECT count(*), max(node_id), max(body->>'result'), max(body->>'answered_ms'), max(body->>'challenge_id')
		FROM event_outbox WHERE kind = 'proof'`).Scan(&told, &nodeID, &result, &answered, &id)
	if err != nil {
		t.Fatal(err)
	}
	if told != 1 || nodeID != s.session.NodeID || result != "valid" || answered != "2000" || len(id) != 36 {
		t.Errorf("told %d times: %s of %s after %s ms, challenge %s", told, result, nodeID, answered, id)
	}
}

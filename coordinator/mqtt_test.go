package coordinator

import "testing"

func TestStatusOfTheLiveSessionSurvivesATakeover(t *testing.T) {
	var s statuses
	s.set("node_a", 1, []byte("first"))
	s.set("node_a", 2, []byte("second"))
	s.set("node_a", 1, []byte("late word of the first"))
	if live, ok := s.ofNewer("node_a", 1); !ok || string(live) != "second" {
		t.Errorf("after the takeover of session 1: %q, %v", live, ok)
	}
	if _, ok := s.ofNewer("node_a", 2); ok {
		t.Error("session 2 is the live one, nothing is newer")
	}
	s.forget("node_a", 1)
	if _, ok := s.ofNewer("node_a", 1); !ok {
		t.Error("the end of session 1 made session 2's status forgotten")
	}
	s.forget("node_a", 2)
	if _, ok := s.ofNewer("node_a", 1); ok {
		t.Error("the end of session 2 left its status behind")
	}
}

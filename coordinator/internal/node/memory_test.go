package node

import (
	"testing"
	"time"
)

func TestMemoryIsBoundedAndForgets(t *testing.T) {
	m, now := newMemory(), time.Unix(1000, 0)
	for no := range int32(maxRemembered + 50) {
		m.put(Node{No: no}, 1, now)
	}
	if len(m.rows) != maxRemembered {
		t.Errorf("%d rows remembered, want %d", len(m.rows), maxRemembered)
	}
	m.put(Node{No: 7, Name: "seven"}, 3, now)
	if n, ok := m.get(7, 3, now); !ok || n.Name != "seven" {
		t.Errorf("got %v, %v", n, ok)
	}
	if _, ok := m.get(7, 4, now); ok {
		t.Error("another version was given")
	}
	if _, ok := m.get(7, 3, now.Add(rememberFor)); ok {
		t.Error("a version is believed for ever")
	}
	m.put(Node{No: maxRemembered * 2}, 1, now.Add(rememberFor))
	if len(m.rows) != 1 {
		t.Errorf("%d rows, want the old ones forgotten", len(m.rows))
	}
}

func TestMemo(t *testing.T) {
	made := 0
	count := func() any { made++; return made }
	var none *Memo
	for i, m := range []*Memo{new(Memo), none} {
		first, second := m.Of(count), m.Of(count)
		if kept := first == second; kept != (m != nil) {
			t.Errorf("case %d gives %v, then %v", i, first, second)
		}
	}
}

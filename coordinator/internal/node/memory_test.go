package node

import (
	"testing"
	"time"
)

func TestMemoryIsBoundedAndForgets(t *testing.T) {
	m, now := newMemory(), time.Unix(1000, 0)
	for no := range int32(maxRemembered + 50) {
		m.put(&Node{No: no}, 1, now)
	}
	if len(m.rows) != maxRemembered {
		t.Errorf("%d rows remembered, want %d", len(m.rows), maxRemembered)
	}
	m.put(&Node{No: 7, Name: "seven"}, 3, now)
	var got [1]*Node
	missing := func(v version, at time.Time) int { return len(m.fill(got[:], []seen{{no: 7, version: v}}, at)) }
	if missing(3, now) != 0 || got[0].Name != "seven" {
		t.Errorf("got %v", got)
	}
	if missing(4, now) != 1 {
		t.Error("another version was given")
	}
	if missing(3, now.Add(rememberFor)) != 1 {
		t.Error("a version is believed for ever")
	}
	m.put(&Node{No: maxRemembered * 2}, 1, now.Add(rememberFor))
	if len(m.rows) != 1 {
		t.Errorf("%d rows, want the old ones forgotten", len(m.rows))
	}
}

func TestMemo(t *testing.T) {
	made := 0
	count := func(*Node) any { made++; return made }
	for _, n := range []Node{{Memo: new(Memo)}, {}} {
		first, second := n.Made(count), n.Made(count)
		if kept := first == second; kept != (n.Memo != nil) {
			t.Errorf("with memo %v it gives %v, then %v", n.Memo != nil, first, second)
		}
	}
}

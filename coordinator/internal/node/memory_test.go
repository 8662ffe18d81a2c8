package node

import (
	"testing"
	"time"
)

func TestMemoryIsBoundedAndForgets(t *testing.T) {
	m, now := newMemory(), time.Unix(1000, 0)
	for no := range int32(maxRemembered + 50) {
		m.put(&Node{No: no}, 1, now, now)
	}
	if len(m.rows) != maxRemembered {
		t.Errorf("%d rows remembered, want %d", len(m.rows), maxRemembered)
	}
	m.put(&Node{No: 7, Name: "seven"}, 3, now, now)
	var got [1]*Node
	missing := func(v version, at time.Time) int {
		rows, _ := m.fill(got[:], []seen{{no: 7, version: v}}, at)
		return len(rows)
	}
	if missing(3, now) != 0 || got[0].Name != "seven" {
		t.Errorf("got %v", got)
	}
	if missing(4, now) != 1 {
		t.Error("another version was given")
	}
	if missing(3, now.Add(rememberFor)) != 1 {
		t.Error("a version is believed for ever")
	}
	m.put(&Node{No: maxRemembered * 2}, 1, now, now.Add(rememberFor))
	if len(m.rows) != 1 {
		t.Errorf("%d rows, want the old ones forgotten", len(m.rows))
	}
}

// A heartbeat is believed for a second, and one that was read with the page is
// never replaced.
func TestHeartbeatsAreBelievedForASecond(t *testing.T) {
	m, now := newMemory(), time.Unix(1000, 0)
	m.put(&Node{No: 7}, 1, time.Unix(900, 0), now)
	look := func(heard, at time.Time) (time.Time, bool) {
		page := []seen{{no: 7, version: 1, heard: heard}}
		_, unheard := m.fill(make([]*Node, 1), page, at)
		return page[0].heard, len(unheard) == 0
	}
	if at, known := look(time.Time{}, now.Add(heardFor-1)); !known || at.Unix() != 900 {
		t.Errorf("within a second %s, known %v", at, known)
	}
	for _, at := range []time.Time{now.Add(heardFor), now.Add(-time.Hour)} { // the clock may go back
		if _, known := look(time.Time{}, at); known {
			t.Errorf("%s after it was read it is still believed", at.Sub(now))
		}
	}
	if at, known := look(time.Unix(950, 0), now.Add(time.Hour)); !known || at.Unix() != 950 {
		t.Errorf("one that was read became %s", at)
	}
	m.hear(map[int32]time.Time{7: time.Unix(980, 0), 8: now}, now.Add(heardFor))
	if at, known := look(time.Time{}, now.Add(heardFor)); !known || at.Unix() != 980 || len(m.rows) != 1 {
		t.Errorf("read again it is %s, of %d rows", at, len(m.rows))
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

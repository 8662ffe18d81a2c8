package sample

import (
	"fmt"
	"testing"
	"time"

	"lucid.internal/shared/wire"
)

// connection is a Sender that forgets what it is told, but for a failure.
type connection struct{ failed bool }

func (c *connection) Settle(_ int, err error) { c.failed = c.failed || err != nil }
func (c *connection) Failed() bool            { return c.failed }

// queued is a message as the queue looks at it: a letter with a rows' count.
func queued(nodeNo int32, name string, backfill bool, rows int) *message {
	return &message{nodeNo: nodeNo, nodeID: name, backfill: backfill, queued: noon, from: new(connection),
		metrics: &wire.Metrics{Samples: make([]wire.Sample, rows)}}
}

func split(q *queue, now time.Time) (group, late string) {
	batches := q.split(now, func(m *message, err error) {
		late += m.nodeID
		m.from.Settle(1, err)
	})
	for _, b := range batches {
		for _, m := range b.messages {
			group += m.nodeID
		}
	}
	return group, late
}

// Of one node, a group holds what follows each other in one run, and is either
// live or not; what comes then waits behind it, also when it is live.
func TestGroupHoldsOneBatchOfANode(t *testing.T) {
	q := newQueue(time.Second)
	another := queued(1, "g", true, 1)
	another.run = wire.NewRunID()
	q.add([]*message{queued(1, "a", false, 1), queued(2, "b", true, 1), queued(1, "c", false, 1), queued(2, "d", false, 1),
		queued(3, "e", false, 1), queued(1, "f", true, 1), another})
	for _, want := range []string{"aceb", "df", "g", ""} {
		if got, late := split(&q, noon); got != want || late != "" {
			t.Fatalf("group %q, late %q, want %q", got, late, want)
		}
	}
}

// What a connection sent behind a message that is refused must come again
// behind it; what another connection of the node brings goes on.
func TestNothingIsTakenBehindWhatIsRefused(t *testing.T) {
	q := newQueue(time.Second)
	messages := []*message{queued(1, "a", false, 1), queued(1, "b", false, 1), queued(1, "c", false, 1), queued(1, "d", false, 1)}
	messages[1].from, messages[3].from = messages[0].from, messages[0].from
	messages[1].queued, messages[2].queued, messages[3].queued = noon.Add(time.Second), noon.Add(time.Second), noon.Add(time.Second)
	q.add(messages)
	if group, late := split(&q, noon.Add(time.Second+1)); group != "c" || late != "abd" {
		t.Errorf("group %q, refused %q", group, late)
	}
}

func TestGroupsAreBounded(t *testing.T) {
	q := newQueue(time.Second)
	for n := range int32(100) {
		q.add([]*message{queued(n, "l", false, 256), queued(1000+n, "b", true, 256)})
	}
	var groups [][2]int
	for {
		group := q.split(noon, nil)
		if len(group) == 0 {
			break
		}
		var rows [2]int
		for _, b := range group {
			m := b.messages[0]
			if m.backfill {
				rows[1] += m.rows()
			} else {
				rows[0] += m.rows()
			}
		}
		groups = append(groups, rows)
	}
	want := "[[8192 2048] [8192 2048] [8192 2048] [1024 2048]"
	if got := fmt.Sprint(groups); len(groups) != 13 || got[:len(want)] != want {
		t.Errorf("rows of live samples and backfill in the groups: %s", got)
	}
}

// A thousand nodes that were offline bring a day along, as fast as they are let.
// A live sample goes with the next group, whenever it comes.
func TestBackfillDoesNotStarveLiveSamples(t *testing.T) {
	q := newQueue(time.Second)
	left := make(map[int32]int) // messages that a node still has
	const nodes, messages, live = 1000, 34, 5000
	for n := range int32(nodes) {
		left[n] = messages - 1
		q.add([]*message{queued(n, "b", true, 256)})
	}
	groups := 0
	for ; len(left) > 0; groups++ {
		q.add([]*message{queued(live, "l", false, 1)})
		group := q.split(noon, nil)
		if group[0].nodeNo != live {
			t.Fatalf("group %d has no live sample", groups)
		}
		if len(group) != 1+backfillRows/256 && len(q.lines) > 0 {
			t.Fatalf("group %d has %d messages of backfill, %d nodes wait", groups, len(group)-1, len(q.lines))
		}
		for _, m := range group[1:] { // acknowledged: the node sends the next
			if left[m.nodeNo]--; left[m.nodeNo] < 0 {
				delete(left, m.nodeNo)
				continue
			}
			q.add([]*message{queued(m.nodeNo, "b", true, 256)})
		}
	}
	if want := nodes * messages * 256 / backfillRows; groups != want {
		t.Errorf("backfill took %d groups, want %d", groups, want)
	}
}

func TestWhatWaitedTooLongIsLate(t *testing.T) {
	q := newQueue(time.Second)
	q.add([]*message{queued(1, "l", false, 1), queued(2, "b", true, 1)})
	later := queued(3, "m", false, 1)
	later.queued = noon.Add(time.Second)
	q.add([]*message{later})
	if group, late := split(&q, noon.Add(time.Second+1)); group != "mb" || late != "l" {
		t.Errorf("group %q, late %q", group, late)
	}
	q.add([]*message{queued(2, "b", true, 1)})
	if group, late := split(&q, noon.Add(backfillPatience*time.Second+1)); group != "" || late != "b" {
		t.Errorf("group %q, late %q", group, late)
	}
}

package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
)

// together runs f for 0 to n-1 at once and gives what each answered.
func together(n int, f func(i int) answerOf) []answerOf {
	answers := make([]answerOf, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { answers[i] = f(i) })
	}
	all.Wait()
	return answers
}

func countCodes(answers []answerOf) map[string]int {
	counts := map[string]int{}
	for _, a := range answers {
		var p problem
		if a.StatusCode >= 400 && json.Unmarshal(a.body, &p) == nil {
			counts[p.Detail.Code]++
			continue
		}
		counts[fmt.Sprint(a.StatusCode)]++
	}
	return counts
}

// TestDeletionDuringStart sends both at once, many times: whichever is first,
// the node ends deleted and nothing of it waits.
func TestDeletionDuringStart(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_one", 0)
	for i := range 10 {
		n := w.enrol(fmt.Sprintf("pi-%d", i), "pool_one")
		path := "/api/v1/nodes/" + n.ID
		w.connect(n)
		if a := w.send(http.MethodPut, path, `{"status": "inactive"}`, as(w.keys[access.Operator])); a.StatusCode != http.StatusOK {
			t.Fatalf("set aside: %d %s", a.StatusCode, a.body)
		}
		answers := together(2, func(i int) answerOf {
			if i == 0 {
				return w.send(http.MethodPost, path+"/start", "", as(w.keys[access.Operator]))
			}
			return w.send(http.MethodDelete, path, "", as(w.keys[access.Admin]))
		})
		if start := answers[0].StatusCode; start != http.StatusAccepted && start != http.StatusNotFound {
			t.Errorf("start: %d %s", start, answers[0].body)
		}
		if a := answers[1]; a.StatusCode != http.StatusNoContent {
			t.Errorf("delete: %d %s", a.StatusCode, a.body)
		}
		w.wantError(w.send(http.MethodGet, path, "", as(w.keys[access.Viewer])), http.StatusNotFound, "LUCID_ERR_4001")
	}
	if n := w.count("SELECT count(*) FROM node_command WHERE state = 'open'"); n != 0 {
		t.Errorf("%d commands wait for deleted nodes", n)
	}
}

func TestTwoHundredJoinsLeaveAHundred(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Timeout = time.Minute })
	w.fleet(200)
	w.createPool("pool_one", 0)
	answers := together(200, func(i int) answerOf {
		return w.send(http.MethodPost, pools+"pool_one/nodes", fmt.Sprintf(`{"node_id": "node_%d"}`, i+1), as(w.keys[access.Operator]))
	})
	if got, want := countCodes(answers), (map[string]int{"200": 100, "LUCID_ERR_4102": 100}); !reflect.DeepEqual(got, want) {
		t.Errorf("answers %v, want %v", got, want)
	}
	for what, sql := range map[string]string{
		"node_count":  "SELECT node_count FROM pool WHERE pool_id = 'pool_one'",
		"memberships": "SELECT count(*) FROM pool_membership WHERE to_at IS NULL",
		"nodes":       "SELECT count(*) FROM node WHERE pool_no IS NOT NULL",
		"audit":       "SELECT count(*) FROM audit_entry WHERE action = 'pool.add_node'",
		"events":      "SELECT count(*) FROM event_outbox WHERE kind = 'pool' AND body ->> 'change' = 'node_joined'",
	} {
		if n := w.count(sql); n != 100 {
			t.Errorf("%s: %d, want 100", what, n)
		}
	}
}

func TestTwoUpdatesOfOneVersion(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_one", 0)
	answers := together(8, func(i int) answerOf {
		return w.send(http.MethodPut, pools+"pool_one", fmt.Sprintf(`{"max_nodes": %d}`, 10+i), func(r *http.Request) {
			as(w.keys[access.Operator])(r)
			r.Header.Set("If-Match", `"1"`)
		})
	})
	if got, want := countCodes(answers), (map[string]int{"200": 1, "LUCID_ERR_4005": 7}); !reflect.DeepEqual(got, want) {
		t.Errorf("answers %v, want %v", got, want)
	}
}

func TestANodeJoinsOnePoolAtATime(t *testing.T) {
	w := newWorld(t)
	w.fleet(1)
	for i := range 4 {
		w.createPool(fmt.Sprintf("pool_%d", i), 0)
	}
	answers := together(8, func(i int) answerOf {
		return w.send(http.MethodPost, fmt.Sprintf("%spool_%d/nodes?node_id=node_1", pools, i%4), "", as(w.keys[access.Operator]))
	})
	if got, want := countCodes(answers), (map[string]int{"200": 1, "LUCID_ERR_4104": 7}); !reflect.DeepEqual(got, want) {
		t.Errorf("answers %v, want %v", got, want)
	}
	if n := w.count("SELECT sum(node_count) FROM pool"); n != 1 {
		t.Errorf("%d places taken, want 1", n)
	}
}

func TestDeletionWhileNodesAreAdded(t *testing.T) {
	w := newWorld(t)
	w.fleet(20)
	for round := range 5 {
		id := fmt.Sprintf("pool_%d", round)
		w.createPool(id, 0)
		answers := together(5, func(i int) answerOf {
			if i == 2 {
				return w.send(http.MethodDelete, pools+id, "", as(w.keys[access.Admin]))
			}
			return w.send(http.MethodPost, fmt.Sprintf("%s%s/nodes?node_id=node_%d", pools, id, round*4+min(i, 3)+1), "", as(w.keys[access.Operator]))
		})
		joined := w.count("SELECT count(*) FROM node JOIN pool USING (pool_no) WHERE pool_id = $1", id)
		places := w.count("SELECT node_count FROM pool WHERE pool_id = $1", id)
		gone := w.count("SELECT count(*) FROM pool WHERE pool_id = $1 AND deleted_at IS NOT NULL", id) == 1
		if joined != places || gone && joined > 0 || gone != (answers[2].StatusCode == http.StatusNoContent) {
			t.Errorf("%s: deleted %t, %d nodes in %d places, answers %v", id, gone, joined, places, countCodes(answers))
		}
	}
}

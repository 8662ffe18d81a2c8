package api

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// modelNode is a node as the list's rules see it.
type modelNode struct {
	no                         int // rises from row to row
	name, id, status, nodeType string
	pool, model, city          string
	online                     bool
	labels                     map[string]string
	created, updated, heard    int // minutes; few, so that many are equal; heard 0: never
	score                      int
}

// modelFleet draws nodes of which many are equal in what lists sort by.
func modelFleet(r *rand.Rand, n int) (nodes []modelNode) {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	for i := range n {
		nodes = append(nodes, modelNode{
			no: i, name: fmt.Sprintf("%s-%02d", pick("attic", "Cellar", "roof_x"), i), id: fmt.Sprintf("node_m%02d", i),
			status: pick("active", "active", "starting", "error"), nodeType: pick("worker", "storage"), pool: pick("", "pool_a", "pool_b"),
			model: pick("Raspberry Pi 4", "Raspberry Pi 5", "50% off"), city: pick("", "Lyon", "München"), online: r.IntN(2) == 0,
			labels:  map[string]string{"site": pick("a", "b"), "rack": pick("1", "2")},
			created: r.IntN(4), updated: r.IntN(4), heard: r.IntN(4), score: r.IntN(3),
		})
	}
	return nodes
}

func (w *world) insertModel(nodes []modelNode) {
	w.t.Helper()
	base := w.now()
	for _, n := range nodes {
		at := func(minutes int) time.Time { return base.Add(time.Duration(minutes) * time.Minute) }
		var heartbeat, sample *time.Time // the later one of both counts
		if n.heard > 0 {
			later, earlier := at(n.heard), at(-5)
			heartbeat, sample = &later, &earlier
			if n.no%2 == 0 {
				heartbeat, sample = sample, heartbeat
			}
		}
		_, err := w.db.Exec(w.t.Context(), `INSERT INTO node (node_id, name, node_type, status, pool_no, inventory, location, labels, online, poot_score,
				created_at, updated_at, last_heartbeat)
			VALUES ($1, $2, $3, $4, (SELECT pool_no FROM pool WHERE pool_id = $5), jsonb_build_object('model', $6::text),
				jsonb_build_object('city', $7::text), $8, $9, $10, $11, $12, $13)`,
			n.id, n.name, n.nodeType, n.status, n.pool, n.model, n.city, n.labels, n.online, n.score*1000, at(n.created), at(n.updated), heartbeat)
		if err == nil && sample != nil {
			_, err = w.db.Exec(w.t.Context(), `INSERT INTO sample_latest (node_no, at, received_at, run_no, seq, body)
				SELECT node_no, $2, $2, 1, 1, '{}' FROM node WHERE node_id = $1`, n.id, *sample)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// modelQuery is a request for a list, as the API takes it.
type modelQuery map[string]string

func (q modelQuery) String() string {
	v := url.Values{}
	for name, value := range q {
		v.Set(name, value)
	}
	return "?" + v.Encode()
}

func (q modelQuery) wants(n modelNode) bool {
	for name, value := range map[string]string{"status": n.status, "node_type": n.nodeType, "pool_id": n.pool, "online": strconv.FormatBool(n.online)} {
		if wanted, given := q[name]; given && wanted != value {
			return false
		}
	}
	for label := range strings.SplitSeq(q["labels"], ",") {
		if key, value, found := strings.Cut(label, ":"); found && n.labels[key] != value {
			return false
		}
	}
	text := strings.ToLower(strings.Join([]string{n.name, n.id, n.model, n.city}, "\n"))
	return strings.Contains(text, strings.ToLower(q["q"]))
}

func (q modelQuery) compare(a, b modelNode) int {
	by := map[string]int{
		"created_at": cmp.Compare(a.created, b.created), "updated_at": cmp.Compare(a.updated, b.updated), "name": strings.Compare(a.name, b.name),
		"poot_score": cmp.Compare(a.score, b.score), "last_heartbeat": cmp.Compare(a.heard, b.heard),
	}[cmp.Or(q["sort"], "created_at")]
	order := cmp.Or(by, cmp.Compare(a.no, b.no))
	if q["order"] != "asc" {
		order = -order
	}
	return order
}

func (q modelQuery) of(nodes []modelNode) (names []string) {
	chosen := slices.DeleteFunc(slices.Clone(nodes), func(n modelNode) bool { return !q.wants(n) })
	slices.SortFunc(chosen, q.compare)
	for _, n := range chosen {
		names = append(names, n.name)
	}
	return names
}

func drawQuery(r *rand.Rand) modelQuery {
	q := modelQuery{"limit": strconv.Itoa(1 + r.IntN(7))}
	for name, values := range map[string][]string{
		"status": {"active", "starting", "error", "suspended"}, "node_type": {"worker", "storage", "compute"}, "pool_id": {"pool_a", "pool_b", "pool_none"},
		"online": {"true", "false"}, "labels": {"site:a", "rack:2", "site:b,rack:1", "site:none"},
		"q": {"CELLAR", "node_m1", "pi 5", "MÜNCHEN", "%", "_x", "lyon", "nothing"},
	} {
		if r.IntN(5) == 0 {
			q[name] = values[r.IntN(len(values))]
		}
	}
	if r.IntN(6) > 0 {
		q["sort"] = []string{"created_at", "updated_at", "name", "poot_score", "last_heartbeat"}[r.IntN(5)]
	}
	if r.IntN(4) > 0 {
		q["order"] = []string{"asc", "desc"}[r.IntN(2)]
	}
	return q
}

// TestNodeListAgainstAModel asks for lists with filters, sorts and orders drawn
// at random, walks each by page numbers and by cursors, and compares with what
// the rules give in plain Go.
func TestNodeListAgainstAModel(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_a", 0)
	w.createPool("pool_b", 0)
	r := rand.New(rand.NewPCG(1, 2))
	nodes := modelFleet(r, 40)
	w.insertModel(nodes)
	for range 150 {
		q := drawQuery(r)
		want := q.of(nodes)
		if got := w.walk(q, len(want), false); !reflect.DeepEqual(got, want) {
			t.Errorf("%s by pages: %v, want %v", q, got, want)
		}
		if got := w.walk(q, len(want), true); !reflect.DeepEqual(got, want) {
			t.Errorf("%s by cursors: %v, want %v", q, got, want)
		}
	}
}

// walk reads all pages of a list.
func (w *world) walk(q modelQuery, total int, byCursor bool) (all []string) {
	w.t.Helper()
	rest := q.String()
	for page := 1; ; page++ {
		names, p := w.names(rest)
		all = append(all, names...)
		if *p.Total != total || p.HasNext != (len(all) < total) || (p.NextCursor != nil) != p.HasNext {
			w.t.Errorf("%s: %+v after %d of %d", rest, p, len(all), total)
		}
		if !p.HasNext || page > total {
			return all
		}
		rest = q.String() + "&page=" + strconv.Itoa(page+1)
		if byCursor {
			rest = q.String() + "&cursor=" + *p.NextCursor
		}
	}
}

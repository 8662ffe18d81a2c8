package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/node"
)

// TestNodeItemIsTheNode: what is put together is what encoding/json makes.
func TestNodeItemIsTheNode(t *testing.T) {
	whole := exampleNodeRow()
	whole.Memo = new(node.Memo)
	odd := time.Date(2026, 5, 4, 12, 0, 0, 120_000_000, time.UTC)
	cases := map[string]node.Node{"example": exampleNodeRow(), "remembered": whole, "bare": {Labels: map[string]string{}}}
	whole.LastHeartbeat = &odd
	cases["heard again"] = whole
	whole.LastHeartbeat = nil
	cases["never heard"] = whole
	tricky := exampleNodeRow()
	tricky.Inventory.Model = `"last_heartbeat":null <&> ä`
	tricky.Labels = map[string]string{"last_heartbeat": "null"}
	cases["tricky"] = tricky
	for name, n := range cases {
		got, err := itemOf(&n, n.LastHeartbeat).appendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := encode(&want, shapeNode(n)); err != nil || string(got)+"\n" != want.String() {
			t.Errorf("%s: %v\ngot  %s\nwant %s", name, err, got, want.Bytes())
		}
	}
}

func TestNodeListIsOnePiece(t *testing.T) {
	w := newWorld(t)
	w.enrol("attic-pi", "")
	w.enrol("cellar-pi", "")
	a := w.send(http.MethodGet, "/api/v1/nodes/", "", as(w.keys[access.Viewer]))
	var list struct {
		Nodes      []object   `json:"nodes"`
		Pagination pagination `json:"pagination"`
	}
	if err := json.Unmarshal(a.body, &list); err != nil || len(list.Nodes) != 2 || *list.Pagination.Total != 2 {
		t.Errorf("%v in %s", err, a.body)
	}
	if told := a.Header.Get("Content-Length"); told != strconv.Itoa(len(a.body)) {
		t.Errorf("Content-Length %q of %d bytes", told, len(a.body))
	}
}

// TestQueriesOfReads counts what a read sends to the database: with a token,
// nothing for who asks, and nothing for what is remembered.
func TestQueriesOfReads(t *testing.T) {
	pool, sent := dbtest.Record(t, dbtest.New(t))
	w := newWorldOn(t, pool)
	n := w.enrol("attic-pi", "")
	w.enrol("cellar-pi", "")
	w.judge(n, "valid", "")
	var token tokenBody
	w.decode(w.send(http.MethodPost, "/api/v1/auth/token", "", as(w.keys[access.Viewer])).body, &token)
	for _, read := range []struct {
		path        string
		first, then int
	}{
		{"/nodes/?limit=1", 3, 1}, // the page, its count, the rows
		{"/nodes/?limit=1&page=2", 2, 1},
		{"/nodes/" + n.ID, 2, 1},
		{"/nodes/" + n.ID + "/status", 2, 1},
		{"/nodes/" + n.ID + "/poot/score", 1, 1},
	} {
		w.advance(2 * time.Minute) // for which nothing is remembered
		for i, want := range []int{read.first, read.then} {
			sent.Take()
			a := w.send(http.MethodGet, basePath+read.path, "", as(token.AccessToken))
			if got := sent.Take(); a.StatusCode != http.StatusOK || len(got) != want {
				t.Errorf("%s, time %d: status %d, queries %v; want %d", read.path, i+1, a.StatusCode, got, want)
			}
		}
	}
}

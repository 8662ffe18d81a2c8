package api

import (
	"net/http"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/shared/wire"
)

func TestDeadLetters(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", 0)
	n, other := w.enrol("attic-pi", "pool_home"), w.enrol("cellar-pi", "pool_home")
	for _, l := range []struct {
		nodeNo  int32
		channel wire.Channel
		payload string
	}{{n.No, wire.ChannelInfo, "{"}, {n.No, wire.ChannelStatus, "a\xff\x00b"}, {other.No, wire.ChannelInfo, strings.Repeat("x", 5000)}} {
		if err := w.Samples.DeadLetter(t.Context(), l.nodeNo, l.channel, "not "+l.payload[:1], []byte(l.payload)); err != nil {
			t.Fatal(err)
		}
	}
	list := func(query string) (b deadLetterListBody) {
		t.Helper()
		a := w.send(http.MethodGet, "/api/v1/dead-letters"+query, "", as(w.keys[access.Operator]))
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", query, a.StatusCode, a.body)
		}
		w.decode(a.body, &b)
		return b
	}
	all := list("").DeadLetters
	if len(all) != 3 || *all[0].NodeID != other.ID || all[0].SizeBytes != 5000 || len(all[0].Payload) != 4096 ||
		all[1].Payload != "a\uFFFD\x00b" || all[1].Reason != "malformed" || all[1].Detail != "not a" || all[1].ReceivedAt.IsZero() {
		t.Errorf("%+v", all)
	}
	for query, want := range map[string]int{"?node_id=" + n.ID: 2, "?node_id=node_nobody": 0, "?channel=info": 2,
		"?reason=malformed": 3, "?reason=time": 0, "?channel=status&node_id=" + other.ID: 0} {
		if got := list(query).DeadLetters; len(got) != want {
			t.Errorf("%s: %d letters, want %d", query, len(got), want)
		}
	}
	first := list("?limit=2")
	if !first.Pagination.HasNext {
		t.Fatalf("%+v", first.Pagination)
	}
	second := list("?limit=2&cursor=" + *first.Pagination.NextCursor)
	if len(second.DeadLetters) != 1 || second.DeadLetters[0].LetterNo != all[2].LetterNo || second.Pagination.HasNext {
		t.Errorf("%+v", second)
	}
	w.wantError(w.send(http.MethodGet, "/api/v1/dead-letters", "", as(w.keys[access.Viewer])), http.StatusForbidden, "LUCID_ERR_2003")
	w.wantError(w.send(http.MethodGet, "/api/v1/dead-letters?reason=x", "", as(w.keys[access.Operator])), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	w.wantError(w.send(http.MethodGet, "/api/v1/dead-letters?node_id=%00", "", as(w.keys[access.Operator])), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
}

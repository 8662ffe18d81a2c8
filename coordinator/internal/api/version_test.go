package api

import (
	"net/http"
	"slices"
	"testing"

	"lucid.internal/coordinator/internal/access"
)

func TestIfMatch(t *testing.T) {
	for header, want := range map[string][]int64{
		"":                      nil,
		"*":                     nil,
		" * ":                   nil,
		`"3"`:                   {3},
		`"3", "17"`:             {3, 17},
		"\"3\"\t,,\"17\" ,":     {3, 17},
		`, "3"`:                 {3},
		`W/"3"`:                 {noVersion},
		`W/"3", "4"`:            {noVersion, 4},
		`"another's, 3", "4"`:   {noVersion, 4},
		`"03"`:                  {noVersion},
		`"+3"`:                  {noVersion},
		`"-1"`:                  {noVersion},
		`"9223372036854775808"`: {noVersion},
		`""`:                    {noVersion},
		`3`:                     {noVersion},
		`"3`:                    {noVersion},
		`"3" "4"`:               {noVersion},
		`*, "3"`:                {noVersion},
		`"3", *`:                {3, noVersion},
		`,`:                     {noVersion},
		`w/"3"`:                 {noVersion},
	} {
		if got := (IfMatchInput{header}).versions(); !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("If-Match %s: versions %v, want %v", header, got, want)
		}
	}
}

func TestIfMatchOfEachOperation(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_one", 0)
	n := w.enrol("attic-pi", "")
	for _, path := range []string{nodesPath + n.ID, pools + "pool_one"} {
		now := w.send(http.MethodGet, path, "", as(w.keys[access.Admin])).Header.Get("ETag")
		put := func(tag string, want int) string {
			t.Helper()
			a := w.send(http.MethodPut, path, `{"name": "name`+string(rune('a'+len(tag)%26))+`"}`, func(r *http.Request) {
				as(w.keys[access.Admin])(r)
				ifMatch(tag)(r)
			})
			if a.StatusCode != want {
				t.Errorf("PUT %s If-Match %s: %d %s, want %d", path, tag, a.StatusCode, a.body, want)
			}
			return a.Header.Get("ETag")
		}
		put(`W/`+now, http.StatusPreconditionFailed)
		put(`"999", W/`+now, http.StatusPreconditionFailed)
		next := put(`"999", `+now, http.StatusOK)
		put(now, http.StatusPreconditionFailed)
		put(`*`, http.StatusOK)
		remove := func(tag string, want int) {
			t.Helper()
			a := w.send(http.MethodDelete, path, "", func(r *http.Request) {
				as(w.keys[access.Admin])(r)
				ifMatch(tag)(r)
			})
			if a.StatusCode != want {
				t.Errorf("DELETE %s If-Match %s: %d %s, want %d", path, tag, a.StatusCode, a.body, want)
			}
		}
		remove(now+", "+next, http.StatusPreconditionFailed)
		remove(`*`, http.StatusNoContent)
		remove(`*`, http.StatusNotFound)
	}
}

package api

import (
	"net/http"
	"testing"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/pool"
)

// Lists that are read by numbers take the same cursors, whatever they are of.
func TestAllListsThatAreReadByNumbersTakeTheSameCursors(t *testing.T) {
	w := newWorld(t)
	w.fleet(1)
	home, err := w.Pools.Create(t.Context(), audit.By{Actor: audit.CLI}, pool.New{Name: "home"})
	if err != nil {
		t.Fatal(err)
	}
	node := basePath + "/nodes/node_1"
	for _, path := range []string{
		basePath + "/audit", basePath + "/dead-letters", basePath + "/nodes/payouts", node + "/payouts", node + "/poot/history",
		node + "/statements", basePath + "/nodes/pools/" + home.ID + "/scaling",
	} {
		for _, good := range []string{"", "1", "999999999999999999"} {
			if a := w.send(http.MethodGet, path+"?cursor="+good, "", as(w.keys[access.Admin])); a.StatusCode != http.StatusOK {
				t.Errorf("%s, cursor %q: %d %s", path, good, a.StatusCode, a.body)
			}
		}
		for _, bad := range []string{"0", "-1", "07", "x", "1000000000000000000"} {
			if d := w.refused(http.MethodGet, path+"?cursor="+bad, "", fault.Validation, access.Admin); w.fieldNames(d)[0] != "cursor" {
				t.Errorf("%s, cursor %q: refused for %v", path, bad, w.fieldNames(d))
			}
		}
	}
}

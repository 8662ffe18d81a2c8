package api

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
)

// boundKey is a key of the owner of these nodes.
func (w *world) boundKey(role access.Role, nodes ...string) string {
	w.t.Helper()
	_, secret, err := w.Access.CreateKey(w.t.Context(), audit.By{Actor: audit.CLI}, access.NewKey{Name: "owner", Role: role, NodeIDs: nodes})
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// Whatever operation there is, a credential that is bound to nodes is refused
// unless the operation is marked for owners, and then for every other node.
func TestBoundCredentialIsDeniedByDefault(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", 0)
	mine, other := w.enrol("mine-pi", "pool_home"), w.enrol("other-pi", "pool_home")
	w.fund(mine.ID, 30)
	payoutID := w.payoutOf(mine.ID)
	key := w.boundKey(access.Operator, mine.ID)
	token := w.token(w.send(http.MethodPost, tokenPath, "", as(key))).AccessToken
	known := map[string]string{"pool_id": "pool_home", "user_id": "user_1", "key_id": "key_1", "token_id": "token_1", "payout_id": payoutID, "flag_id": "flag_1"}
	seen := 0
	for path, item := range w.huma.OpenAPI().Paths {
		for _, op := range maps.Collect(methods(item)) {
			if op.Extensions["x-role"] == "public" {
				continue
			}
			seen++
			known["node_id"] = other.ID
			a := w.send(op.Method, targetOf(path, known, nil, ""), "", as(token))
			switch owner := op.Extensions["x-owner"] == true; {
			case !owner:
				w.wantError(a, http.StatusForbidden, "LUCID_ERR_2003")
			case strings.Contains(path, "{node_id}"):
				w.wantError(a, http.StatusNotFound, "LUCID_ERR_4001")
				known["node_id"] = mine.ID
				own := w.send(op.Method, targetOf(path, known, nil, ""), "", as(token))
				if own.StatusCode == http.StatusForbidden || strings.Contains(string(own.body), "LUCID_ERR_4001") {
					t.Errorf("%s of its own node: %d %s", op.OperationID, own.StatusCode, own.body)
				}
			case a.StatusCode != http.StatusOK || strings.Contains(string(a.body), other.ID):
				t.Errorf("%s: %d %s", op.OperationID, a.StatusCode, a.body)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d operations were tried", seen)
	}
}

// An operation without a node in its path must filter by itself; whoever marks
// one for owners adds it here with its test.
func TestOwnerOperationsThatFilterThemselves(t *testing.T) {
	w := newWorld(t)
	var found []string
	for path, item := range w.huma.OpenAPI().Paths {
		for _, op := range maps.Collect(methods(item)) {
			if op.Extensions["x-owner"] == true && !strings.Contains(path, "{node_id}") {
				found = append(found, op.OperationID)
			}
			if op.Extensions["x-owner"] == true && op.Method != http.MethodGet && op.OperationID != "appealFlag" { // his word against a flag
				t.Errorf("%s changes something and is open to owners", op.OperationID)
			}
		}
	}
	slices.Sort(found)
	if want := []string{"getPayout", "getPayoutQueue", "getPayoutStats", "listNodes", "listPayouts", "streamEvents"}; !slices.Equal(found, want) {
		t.Errorf("%v, want %v", found, want)
	}
}

func TestBoundCredentialListsItsNodesOnly(t *testing.T) {
	w := newWorld(t)
	var nodes []string
	for _, name := range []string{"pi-a", "pi-b", "pi-c"} {
		nodes = append(nodes, w.enrol(name, "").ID)
	}
	list := func(query, credential string) (ids []string, total int) {
		t.Helper()
		a := w.send(http.MethodGet, anyPath+query, "", as(credential))
		var body struct {
			Nodes      []map[string]any `json:"nodes"`
			Pagination pagination       `json:"pagination"`
		}
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		w.decode(a.body, &body)
		for _, n := range body.Nodes {
			ids = append(ids, n["node_id"].(string))
		}
		return ids, *body.Pagination.Total
	}
	key := w.boundKey(access.Viewer, nodes[0], nodes[2])
	for query, want := range map[string][]string{
		"?sort=name&order=asc":                {nodes[0], nodes[2]},
		"?q=pi-b":                             nil,
		"?q=pi-c":                             {nodes[2]},
		"?limit=1&sort=name&order=asc":        {nodes[0]},
		"?limit=1&page=2&sort=name&order=asc": {nodes[2]},
	} {
		ids, total := list(query, key)
		wantTotal := 2
		if strings.Contains(query, "q=") {
			wantTotal = len(want)
		}
		if !slices.Equal(ids, want) || total != wantTotal {
			t.Errorf("%s gives %v of %d, want %v of %d", query, ids, total, want, wantTotal)
		}
	}
	if ids, total := list("", w.keys[access.Viewer]); len(ids) != 3 || total != 3 {
		t.Errorf("who is not bound sees %v of %d", ids, total)
	}
}

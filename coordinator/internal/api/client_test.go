package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"lucid.internal/coordinator/client"
	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/ledger"
)

// client is the generated client, over a real connection.
func (w *world) client(role access.Role) *client.ClientWithResponses {
	w.t.Helper()
	server := httptest.NewServer(w.engine)
	w.t.Cleanup(server.Close)
	c, err := client.NewClientWithResponses(server.URL, client.WithCredential(w.keys[role]))
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func TestClientReads(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", ledger.USDT(3)/2+1)
	n := w.enrol("attic-pi", "pool_home")
	w.enrol("cellar-pi", "")
	w.judge(n, "valid", "")
	c := w.client(access.Viewer)
	limit, poolID := int64(1), "pool_home"

	list, err := c.ListNodesWithResponse(t.Context(), &client.ListNodesParams{Limit: &limit, PoolId: &poolID})
	if err != nil || list.JSON200 == nil {
		t.Fatalf("%v: %s", err, list.Body)
	}
	if got := list.JSON200; len(got.Nodes) != 1 || got.Nodes[0].NodeId != n.ID || got.Pagination.HasNext || *got.Nodes[0].PoolId != poolID {
		t.Errorf("nodes of %s: %+v", poolID, got)
	}
	one, err := c.GetNodeWithResponse(t.Context(), n.ID)
	if err != nil || one.JSON200 == nil || one.JSON200.Name != "attic-pi" || one.JSON200.LastHeartbeat != nil || !one.JSON200.CreatedAt.Equal(w.now()) {
		t.Errorf("%v: %s", err, one.Body)
	}
	wholePool, err := c.GetPoolWithResponse(t.Context(), poolID)
	if err != nil || wholePool.JSON200 == nil || wholePool.JSON200.Pricing.RewardPerEpoch != json.Number("1.500001") {
		t.Errorf("an amount must come through exactly: %v: %s", err, wholePool.Body)
	}
	earned, err := c.GetEarningsWithResponse(t.Context(), n.ID, &client.GetEarningsParams{})
	if err != nil || earned.JSON200 == nil || earned.JSON200.Payable != "0" {
		t.Errorf("%v: %s", err, earned.Body)
	}
}

func TestClientChanges(t *testing.T) {
	w := newWorld(t)
	c := w.client(access.Operator)
	made, err := c.CreateNodeWithResponse(t.Context(), nil, client.CreateNode{Name: "attic-pi", NodeType: "worker"})
	if err != nil || made.JSON201 == nil || made.JSON201.Enrolment.Token == "" || made.HTTPResponse.Header.Get("ETag") == "" {
		t.Fatalf("%v: %s", err, made.Body)
	}
	name := "cellar-pi"
	changed, err := c.UpdateNodeWithResponse(t.Context(), made.JSON201.Node.NodeId, nil, client.UpdateNode{Name: &name})
	if err != nil || changed.JSON200 == nil || changed.JSON200.Name != name {
		t.Errorf("%v: %s", err, changed.Body)
	}
	stale := `"999"`
	late, err := c.UpdateNodeWithResponse(t.Context(), made.JSON201.Node.NodeId, &client.UpdateNodeParams{IfMatch: &stale}, client.UpdateNode{Name: &name})
	if err != nil || late.JSON412 == nil || late.JSON412.Error.Code != "LUCID_ERR_4005" {
		t.Errorf("%v: %d %s", err, late.StatusCode(), late.Body)
	}
}

// TestClientMeetsErrors: the envelope arrives as a type, whatever went wrong.
func TestClientMeetsErrors(t *testing.T) {
	w := newWorld(t)
	c := w.client(access.Viewer)
	missing, err := c.GetNodeWithResponse(t.Context(), "node_nobody")
	if err != nil || missing.JSON404 == nil {
		t.Fatalf("%v: %s", err, missing.Body)
	}
	if got := missing.JSON404.Error; got.Code != "LUCID_ERR_4001" || got.RequestId == "" || got.Timestamp.After(time.Now()) {
		t.Errorf("%+v", got)
	}
	sort := "colour"
	bad, err := c.ListNodesWithResponse(t.Context(), &client.ListNodesParams{Sort: &sort})
	if err != nil || bad.JSON422 == nil || len(bad.JSON422.Error.Details) != 1 || bad.JSON422.Error.Details[0].Field != "sort" {
		t.Errorf("%v: %s", err, bad.Body)
	}
	denied, err := c.DeleteNodeWithResponse(t.Context(), "node_nobody", nil)
	if err != nil || denied.JSON403 == nil || denied.JSON403.Error.Code != "LUCID_ERR_2003" {
		t.Errorf("%v: %s", err, denied.Body)
	}
	stranger, err := client.NewClientWithResponses(c.ClientInterface.(*client.Client).Server)
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := stranger.ListPoolsWithResponse(t.Context(), nil, func(_ context.Context, r *http.Request) error {
		r.Header.Del("Authorization")
		return nil
	})
	if err != nil || unknown.JSON401 == nil || unknown.JSON401.Error.Code != "LUCID_ERR_2001" {
		t.Errorf("%v: %s", err, unknown.Body)
	}
}

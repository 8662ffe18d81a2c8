package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/client"
	"lucid.internal/coordinator/internal/access"
	"lucid.internal/shared/wire"
)

// reply is what the generated client gives for one call.
type reply[A interface{ StatusCode() int }] struct {
	answer A
	err    error
}

func of[A interface{ StatusCode() int }](answer A, err error) reply[A] { return reply[A]{answer, err} }

// is gives the answer, which must have the status.
func (r reply[A]) is(t *testing.T, status int) A {
	t.Helper()
	if r.err != nil || r.answer.StatusCode() != status {
		t.Fatalf("%T: %v, %d %+v; want %d", r.answer, r.err, r.answer.StatusCode(), r.answer, status)
	}
	return r.answer
}

// walk is a world with a connected node, and an admin with the client.
func walk(t *testing.T) (*world, *client.ClientWithResponses, string) {
	w := newWorld(t, func(c *Config) { c.Nodes.Send = func(string, *wire.Command) error { return nil } })
	n := w.enrol("attic-pi", "")
	w.connect(n)
	w.judge(n, "valid", "")
	w.ingest(n, wire.Sample{Seq: 1, AtMs: w.now().UnixMilli(), Memory: &wire.Memory{TotalBytes: 1 << 30}})
	return w, w.client(access.Admin), n.ID
}

func TestClientLeadsAPool(t *testing.T) {
	_, c, nodeID := walk(t)
	ctx := t.Context()
	made := of(c.CreatePoolWithResponse(ctx, client.CreatePool{Name: "attic", MaxNodes: new(int64(2))})).is(t, 201).JSON201
	added := of(c.AddPoolNodeWithResponse(ctx, made.PoolId, nil, client.AddPoolNode{NodeId: &nodeID})).is(t, 200).JSON200
	if added.PoolId != made.PoolId || added.NodeId != nodeID || added.Priority != 50 {
		t.Errorf("added %+v", added)
	}
	seats := of(c.ListPoolNodesWithResponse(ctx, made.PoolId, nil)).is(t, 200).JSON200
	if len(seats.Nodes) != 1 || seats.Nodes[0].NodeId != nodeID || *seats.Pagination.Total != 1 {
		t.Errorf("seats %+v", seats)
	}
	parked := of(c.ScalePoolWithResponse(ctx, made.PoolId, client.Scale{TargetNodes: 0, Reason: "night"})).is(t, 200).JSON200
	if len(parked.Parked) != 1 || parked.WorkingAfter != 0 {
		t.Errorf("scaled %+v", parked)
	}
	of(c.DeletePoolWithResponse(ctx, made.PoolId, nil)).is(t, 409)
	of(c.RemovePoolNodeWithResponse(ctx, made.PoolId, nodeID)).is(t, 204)
	changed := of(c.UpdatePoolWithResponse(ctx, made.PoolId, nil, client.UpdatePool{Description: new("empty")})).is(t, 200)
	if changed.JSON200.NodeCount != 0 || changed.JSON200.Description != "empty" {
		t.Errorf("changed %+v", changed.JSON200)
	}
	if moves := of(c.ListPoolMovesWithResponse(ctx, nil)).is(t, 200).JSON200; len(moves.Moves) != 0 {
		t.Errorf("moves %+v", moves)
	}
	tag := changed.HTTPResponse.Header.Get("ETag")
	of(c.DeletePoolWithResponse(ctx, made.PoolId, &client.DeletePoolParams{IfMatch: &tag})).is(t, 204)
	if left := of(c.ListPoolsWithResponse(ctx, nil)).is(t, 200).JSON200; len(left.Pools) != 0 {
		t.Errorf("left %+v", left)
	}
}

func TestClientLeadsANode(t *testing.T) {
	w, c, nodeID := walk(t)
	ctx := t.Context()
	of(c.StartNodeWithResponse(ctx, nodeID)).is(t, 409)
	stopped := of(c.StopNodeWithResponse(ctx, nodeID)).is(t, 202).JSON202
	if stopped.NodeId != nodeID || !stopped.StoppedAt.Equal(w.now()) {
		t.Errorf("stopped %+v", stopped)
	}
	if now := of(c.GetNodeStatusWithResponse(ctx, nodeID)).is(t, 200).JSON200; now.Status != "stopping" || !now.Online {
		t.Errorf("status %+v", now)
	}
	if r := of(c.GetResourcesWithResponse(ctx, nodeID, nil)).is(t, 200).JSON200; r.Memory.TotalBytes != 1<<30 || r.Cpu != nil {
		t.Errorf("resources %+v", r)
	}
	if s := of(c.GetPootScoreWithResponse(ctx, nodeID)).is(t, 200).JSON200; *s.ValidationStatus != "valid" || s.Verdicts != 1 {
		t.Errorf("score %+v", s)
	}
	if h := of(c.ListPootHistoryWithResponse(ctx, nodeID, nil)).is(t, 200).JSON200; len(h.History) != 1 || h.Pagination.HasNext {
		t.Errorf("history %+v", h)
	}
	if p := of(c.ListNodePayoutsWithResponse(ctx, nodeID, nil)).is(t, 200).JSON200; len(p.Payouts) != 0 || *p.Pagination.Total != 0 {
		t.Errorf("payouts %+v", p)
	}
	if f := of(c.GetFleetSummaryWithResponse(ctx)).is(t, 200).JSON200; f.Nodes.Total != 1 || f.Nodes.Online != 1 {
		t.Errorf("fleet %+v", f)
	}
	of(c.DeleteNodeWithResponse(ctx, nodeID, nil)).is(t, 204)
	if gone := of(c.GetNodeWithResponse(ctx, nodeID)).is(t, 404).JSON404; gone.Error.Code != "LUCID_ERR_4001" {
		t.Errorf("gone: %+v", gone)
	}
}

func TestClientLetsPeopleIn(t *testing.T) {
	w, c, _ := walk(t)
	ctx := t.Context()
	ada := of(c.CreateUserWithResponse(ctx, client.NewUser{Name: "ada", Role: "viewer", Password: password})).is(t, 201).JSON201
	stranger, err := client.NewClientWithResponses(c.ClientInterface.(*client.Client).Server)
	if err != nil {
		t.Fatal(err)
	}
	session := of(stranger.CreateTokenWithResponse(ctx, client.Login{Name: "ada", Password: password})).is(t, 200).JSON200
	next := of(stranger.RefreshTokenWithResponse(ctx, client.Refresh{RefreshToken: *session.RefreshToken})).is(t, 200).JSON200
	if next.Role != "viewer" || *next.RefreshToken == *session.RefreshToken {
		t.Errorf("refreshed %+v", next)
	}
	of(stranger.LogoutWithResponse(ctx, client.Refresh{RefreshToken: *next.RefreshToken})).is(t, 204)
	of(stranger.RefreshTokenWithResponse(ctx, client.Refresh{RefreshToken: *next.RefreshToken})).is(t, 401)
	if changed := of(c.UpdateUserWithResponse(ctx, ada.UserId, client.UserChange{Disabled: new(true)})).is(t, 200).JSON200; changed.DisabledAt == nil {
		t.Errorf("changed %+v", changed)
	}
	if users := of(c.ListUsersWithResponse(ctx, nil)).is(t, 200).JSON200; len(users.Users) != 1 || users.Users[0].UserId != ada.UserId {
		t.Errorf("users %+v", users)
	}
	w.advance(time.Second) // the newest comes first
	key := of(c.CreateAPIKeyWithResponse(ctx, client.NewKey{Name: "billing", Role: "viewer"})).is(t, 201).JSON201
	if !strings.HasPrefix(key.ApiKey, key.Prefix) {
		t.Errorf("key %+v", key)
	}
	of(c.RevokeAPIKeyWithResponse(ctx, key.KeyId)).is(t, 204)
	w.wantError(w.send(http.MethodGet, anyPath, "", as(key.ApiKey)), http.StatusUnauthorized, "LUCID_ERR_2002")
	if keys := of(c.ListAPIKeysWithResponse(ctx, nil)).is(t, 200).JSON200; keys.ApiKeys[0].RevokedAt == nil || len(keys.ApiKeys) != len(w.keys)+1 {
		t.Errorf("keys %+v", keys)
	}
	if set := of(stranger.GetJWKSWithResponse(ctx)).is(t, 200).JSON200; len(set.Keys) == 0 || set.Keys[0].Alg != "EdDSA" {
		t.Errorf("keys that sign: %+v", set)
	}
}

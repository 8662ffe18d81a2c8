package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/event"
)

// bigWorld is the API on a large installation, and what it sends to Postgres.
func bigWorld(t *testing.T) (*world, *db.Pool, *dbtest.Recorder) {
	plain := dbtest.New(t)
	for _, sql := range bigInstallation {
		if _, err := plain.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	watched, sent := dbtest.Record(t, plain)
	w := newWorldOn(t, watched)
	sent.Take()
	return w, plain, sent
}

// bigInstallation: 12,000 nodes, a thousand of them deleted, in 200 pools of
// 2,000, with what people and time leave behind.
var bigInstallation = []string{
	`ALTER TABLE payout DISABLE TRIGGER ALL; ALTER TABLE audit_entry DISABLE TRIGGER ALL;
		ALTER TABLE score_change DISABLE TRIGGER ALL; ALTER TABLE verdict DISABLE TRIGGER ALL; ALTER TABLE statement_line DISABLE TRIGGER ALL`,
	`INSERT INTO pool (pool_id, name, node_count, auto_scaling, created_at) SELECT 'pool_' || i, 'pool-' || md5(i::text),
		CASE WHEN i <= 200 THEN 50 ELSE 0 END, CASE WHEN i % 50 = 0 THEN '{"enabled": true}' ELSE '{}' END::jsonb, now() - interval '1 year'
		FROM generate_series(1, 2000) i`,
	`INSERT INTO pool_health (pool_no, at, checked_at, state, reasons, online, nodes)
		SELECT 1 + i % 2000, now() - i * interval '1 minute', now(), 'healthy', '{}', 1, 1 FROM generate_series(1, 20000) i`,
	`INSERT INTO node (node_id, name, node_type, status, online, pool_no, poot_score, inventory, location, labels, created_at, updated_at, last_heartbeat, deleted_at)
		SELECT 'node_' || i, 'pi-' || i, (ARRAY['worker', 'worker', 'worker', 'worker', 'storage', 'compute'])[1 + i % 6],
			CASE WHEN i % 50 = 0 THEN 'error' WHEN i % 20 = 0 THEN 'inactive' ELSE 'active' END, i % 10 <> 0 AND i <= 11000,
			CASE WHEN i <= 10000 THEN 1 + i % 200 END,
			i::bigint * 7919 % 1000000001, '{"model": "Raspberry Pi 4 Model B"}',
			jsonb_build_object('city', 'city' || i % 500), jsonb_build_object('site', 's' || i % 300),
			now() - i * interval '1 minute', now() - (i * 7 % 10000) * interval '1 minute', now() - (i * 11 % 10000) * interval '1 second',
			CASE WHEN i > 11000 THEN now() END
		FROM generate_series(1, 12000) i`,
	`INSERT INTO node_presence (node_no, from_at) SELECT node_no, now() FROM node WHERE online`,
	`INSERT INTO node_state (node_no, status, from_at) SELECT node_no, status, now() FROM node`,
	`INSERT INTO pool_membership (node_no, pool_no, from_at) SELECT node_no, pool_no, now() FROM node WHERE pool_no IS NOT NULL`,
	`INSERT INTO sample_latest (node_no, at, received_at, run_no, seq, body) SELECT node_no, now(), now(), 1, 1, '{}' FROM node`,
	`INSERT INTO challenge (challenge_id, node_no, key_epoch, session_no, issued_at, deadline_at, expires_at, canonical, state)
		SELECT md5(i::text)::uuid, 1 + i % 2000, 1, 1, now(), now() + interval '1 s', now() + interval '1 s', '', 'judged' FROM generate_series(1, 20000) i`,
	`INSERT INTO verdict (challenge_id, node_no, at, result, rule_version) SELECT challenge_id, node_no, issued_at, 'valid', 1 FROM challenge`,
	`INSERT INTO score_change (node_no, verdict_no, at, before, after, factors, reason) SELECT node_no, verdict_no, at, 0, 0, '{}', '' FROM verdict`,
	`INSERT INTO score (node_no, reputation_a, reputation_b, timely_a, timely_b, verdicts, verdict_no, score, confidence, factors, rule_version, calculated_at)
		SELECT node_no, 0, 0, 0, 0, 10, max(verdict_no), 0, 0, '{}', 1, now() FROM verdict GROUP BY node_no`,
	`INSERT INTO payout (payout_id, node_no, amount, fee, net_amount, wallet_address, status, error_message, created_at, updated_at)
		SELECT 'payout_' || i, 1 + i % 1000, 2, 1, 1, 'T', (ARRAY['failed', 'cancelled'])[1 + i / 1000 % 2], 'x', now(), now() FROM generate_series(1, 20000) i`,
	`INSERT INTO account (kind, owner) SELECT 'payable', node_id FROM node`,
	`INSERT INTO epoch (pool_no, starts_at, ends_at, reward, closed_at) SELECT 1 + i % 200, now() - (i + 1) * interval '1 hour', now() - i * interval '1 hour', 0, now()
		FROM generate_series(1, 2000) i`,
	`INSERT INTO statement_line (epoch_no, node_no, member_ms, credited_ms, score, factors, weight, share, destination, reasons)
		SELECT epoch_no, n, 0, 0, 0, '{}', 0, 0, 'payable', '{}' FROM epoch, generate_series(1, 20) n`,
	`INSERT INTO access_user (user_id, name, role, password_hash, created_at, updated_at)
		SELECT 'user_' || i, 'user-' || i, 'viewer', '', now() - i * interval '1 s', now() FROM generate_series(1, 5000) i`,
	`INSERT INTO api_key (key_id, name, role, hash, prefix, created_at)
		SELECT 'key_' || left(md5(i::text), 16), 'key-' || i, 'viewer', sha256(int4send(i)), 'lucid_' || left(md5(i::text), 8), now() - i * interval '1 s' FROM generate_series(1, 5000) i`,
	`INSERT INTO mqtt_grant (key_id, filter, created_at) SELECT key_id, 'lucid/v1/events/+', now() FROM api_key`,
	`INSERT INTO audit_entry (at, actor, action, target, request_id, prev_hash, hash)
		SELECT now() - i * interval '1 s', 'key_' || i % 50, 'a.' || i % 20, 'node_' || i % 5000, '', sha256(int4send(i)), sha256(int4send(i + 1))
		FROM generate_series(1, 20000) i`,
	`INSERT INTO alert (node_no, kind, state, severity, value, threshold, started_at, fired_at, observed_at, resolved_at)
		SELECT 1 + i % 5000, 'cpu', CASE WHEN i <= 200 THEN 'firing' ELSE 'resolved' END, (ARRAY['warning', 'critical'])[1 + i % 2], 95, 90,
			now(), now(), now(), CASE WHEN i > 200 THEN now() END FROM generate_series(1, 20000) i`,
	`INSERT INTO alert_silence (node_no, starts_at, ends_at, reason, author, created_at)
		SELECT i, now() - i * interval '1 day', now() - i * interval '12 hours', 'work', 'cli', now() FROM generate_series(1, 5000) i`,
	`INSERT INTO event (at, kind, node_id, pool_id, body) SELECT now(), 'node', 'node_' || i % 5000, '', '{}' FROM generate_series(1, 20000) i`,
	`INSERT INTO enrolment_token (token_hash, node_no, created_at, expires_at) SELECT sha256(int4send(i)), i, now() - i * interval '1 s', now() + i * interval '1 s' FROM generate_series(1, 5000) i`,
	`INSERT INTO dead_letter (node_no, received_at, channel, kind, reason, size_bytes, payload)
		SELECT 1 + i % 5000, now(), 'metrics', (ARRAY['malformed', 'time'])[1 + i % 2], 'x', 1, '' FROM generate_series(1, 10000) i`,
	`INSERT INTO webhook (webhook_id, type, url, min_severity, secret_box, created_at, next_at)
		SELECT 'hook_' || i, 'webhook', 'https://ops.example/' || i, 'warning', '', now() - i * interval '1 s', now() FROM generate_series(1, 20) i`,
	`INSERT INTO webhook_delivery (message_id, webhook_id, created_at, body, state, ended_at)
		SELECT 'message_' || i, 'hook_' || 1 + i % 20, now(), '{}', 'delivered', now() FROM generate_series(1, 20000) i`,
	`INSERT INTO pool_scaling (pool_no, at, checked_at, action, reason, actor, target, working_before, working_after, standby, measured, policy)
		SELECT 1 + i % 2000, now(), now(), 'hold', 'cooldown', 'system', 1, 1, 1, 0, 1, '{}' FROM generate_series(1, 20000) i`,
	`ALTER TABLE audit_entry ENABLE TRIGGER ALL`,
	`VACUUM ANALYZE`, `VACUUM`, // twice: the first leaves the table it begins with unmarked
}

// TestNoWholeTableIsRead explains all that is sent: no table of a large
// installation is read from end to end.
func TestNoWholeTableIsRead(t *testing.T) {
	w, plain, sent := bigWorld(t)
	t.Run("by lists", func(t *testing.T) { explainLists(t, w, plain, sent) })
	t.Run("by upkeep", func(t *testing.T) { explainUpkeep(t, w, plain, sent) })
}

// explainLists looks at pages, their counts and the look-up of who asks.
func explainLists(t *testing.T, w *world, plain *db.Pool, sent *dbtest.Recorder) {
	paths := slices.Concat(nodeLists(), []string{
		"/nodes/node_7", "/nodes/node_7/status", "/nodes/node_7/resources", "/nodes/node_7/poot/score", "/nodes/node_7/poot/history",
		"/nodes/node_7/poot/history?cursor=9000", "/nodes/payouts", "/nodes/payouts?status=failed", "/nodes/payouts?status=pending", "/nodes/node_7/payouts", "/nodes/node_7/payouts?status=failed", "/nodes/node_7/payouts?cursor=9000",
		"/nodes/node_7/earnings", "/nodes/node_7/statements?limit=2", "/nodes/node_7/statements?start_time=2030-01-01T00:00:00Z&end_time=2030-01-02T00:00:00Z", "/nodes/node_7/poot/explain", "/nodes/poot/leaderboard", "/nodes/poot/leaderboard?page=50", "/nodes/poot/leaderboard?pool_id=pool_7",
		"/nodes/pools/", "/nodes/pools/?page=50", "/nodes/pools/?auto_scaling=true", "/nodes/pools/?auto_scaling=false", "/nodes/pools/?q=cafe",
		"/nodes/pools/?q=cafe&auto_scaling=true", "/nodes/pools/pool_7", "/nodes/pools/pool_7/nodes", "/nodes/pools/pool_7/nodes?page=2",
		"/alerts", "/alerts?page=50", "/alerts?active_only=true", "/alerts?severity=critical", "/alerts/silences", "/nodes/node_7/resources/alerts",
		"/nodes/node_7/resources/thresholds", "/nodes/pools/pool_7/thresholds", "/enrolment-tokens",
		"/nodes/pools/pool_7/scaling", "/webhooks", "/webhooks/hook_7/deliveries",
		"/dead-letters", "/dead-letters?node_id=node_7", "/dead-letters?channel=metrics", "/dead-letters?reason=time", "/dead-letters?node_id=node_7&reason=time",
		"/users", "/users?page=100", "/apikeys", "/apikeys?page=100", "/apikeys/key_8f14e45fceea167a/grants",
		"/fraud/flags", "/fraud/flags?state=open", "/nodes/node_7/fraud/flags",
		"/audit", "/audit?actor=key_7", "/audit?action=a.3", "/audit?target=node_9", "/audit?since=2030-01-01T00:00:00Z", "/audit?actor=key_7&action=a.7",
	})
	for _, path := range paths {
		for path != "" {
			a := w.send(http.MethodGet, basePath+path, "", as(w.keys[access.Admin]))
			if a.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d %s", path, a.StatusCode, a.body)
			}
			if dbtest.WantIndexes(t, plain, path, sent.Take()...) == 0 {
				t.Errorf("%s asks the database nothing", path)
			}
			path = nextPage(path, a.body)
		}
	}
	for _, item := range w.huma.OpenAPI().Paths {
		for _, op := range methods(item) {
			called := strings.Contains(w.log.String(), `"operation":"`+op.OperationID+`"`)
			if strings.HasPrefix(op.OperationID, "list") && op.OperationID != "listPoolMoves" && !called { // which weighs the whole fleet
				t.Errorf("%s is a list, and no page of it is looked at", op.OperationID)
			}
		}
	}
}

// nodeLists is every filter in every order.
func nodeLists() (paths []string) {
	for _, filter := range []string{
		"", "status=error", "status=active", "node_type=storage", "node_type=worker", "pool_id=pool_7", "online=true", "online=false",
		"labels=site:s17", "q=pi-1234", "q=city417", "q=node_99", "page=200", "status=active&pool_id=pool_7&online=true&q=pi-7",
	} {
		for _, sort := range []string{"created_at", "updated_at", "name", "poot_score", "last_heartbeat"} {
			for _, order := range []string{"asc", "desc"} {
				paths = append(paths, fmt.Sprintf("/nodes/?%s&sort=%s&order=%s", filter, sort, order))
			}
		}
	}
	return paths
}

// nextPage is the second page of a list, by cursor.
func nextPage(path string, body []byte) string {
	var list struct {
		Pagination struct {
			NextCursor *string `json:"next_cursor"`
		} `json:"pagination"`
	}
	if json.Unmarshal(body, &list) != nil || list.Pagination.NextCursor == nil || strings.Contains(path, "cursor=") {
		return ""
	}
	path, query, _ := strings.Cut(path, "?")
	return path + "?" + query + "&cursor=" + *list.Pagination.NextCursor
}

// explainUpkeep looks at what is read beside the lists: events that were
// missed, and what is looked for all the time.
func explainUpkeep(t *testing.T, w *world, plain *db.Pool, sent *dbtest.Recorder) {
	for what, do := range map[string]func(context.Context) error{
		"missed events": func(ctx context.Context) error {
			after := int64(15_000)
			l, err := w.Events.Listen(ctx, event.Filter{NodeIDs: []string{"node_7"}}, &after)
			if err != nil {
				return err
			}
			defer l.Close()
			_, err = l.Next(ctx)
			return err
		},
		"upkeep of nodes": w.Nodes.RunOnce,
		"deletion": func(ctx context.Context) error {
			return w.Nodes.Delete(ctx, audit.By{Actor: audit.CLI}, "node_9", nil)
		},
	} {
		if err := do(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if dbtest.WantIndexes(t, plain, what, sent.Take()...) == 0 {
			t.Errorf("%s asks the database nothing", what)
		}
	}
}

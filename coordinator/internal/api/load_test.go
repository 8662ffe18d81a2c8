package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/garbage"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

const (
	loadConnections = 64
	loadRound       = 4000 // requests for the one before those for the other
	loadPath        = basePath + "/load"
)

type loadBody struct {
	One int `json:"one"`
}

// BenchmarkLoad measures reads over real connections, with a token, beside
// SELECT 1 through the same server, on a fleet of 10,000 nodes. Client, server
// and Postgres share the machine, so the share of SELECT 1 says most:
//
//	go test ./internal/api -run '^$' -bench Load -benchtime 3s
func BenchmarkLoad(b *testing.B) {
	w := newWorld(b, func(c *Config) {
		c.Limits = Limits{Anonymous: 1e8, User: 1e8, Service: 1e8} // counted, never reached
		c.Logger = slog.New(slog.NewJSONHandler(io.Discard, nil))
	})
	n := loadFleet(b, w)
	go garbage.Pace(b.Context()) // as the program does
	register(w.server, operation{
		id: "selectOne", method: http.MethodGet, path: loadPath, tag: "load", role: access.Viewer, summary: "-", description: "-",
	}, func(ctx context.Context, _ *struct{}) (*answer[loadBody], error) {
		var body loadBody
		err := w.db.QueryRow(ctx, "SELECT 1").Scan(&body.One)
		if err != nil {
			return nil, err
		}
		return answered(body)
	})
	var token tokenBody
	w.decode(w.send(http.MethodPost, "/api/v1/auth/token", "", as(w.keys[access.Service])).body, &token)
	address := serveLoad(b, w)
	for _, read := range []struct{ name, path string }{
		{"SELECT-1", "/load"},
		{"nodes", "/nodes/?limit=20"},
		{"nodes-by-status", "/nodes/?limit=20&status=active"},
		{"nodes-by-heartbeat", "/nodes/?limit=20&sort=last_heartbeat"},
		{"nodes-search", "/nodes/?limit=20&q=load-77"},
		{"pools", "/nodes/pools/?limit=20"},
		{"node", "/nodes/" + n.ID},
		{"status", "/nodes/" + n.ID + "/status"},
		{"score", "/nodes/" + n.ID + "/poot/score"},
		{"resources", "/nodes/" + n.ID + "/resources"},
	} {
		b.Run(read.name, func(b *testing.B) { load(b, address, token.AccessToken, basePath+read.path, loadPath) })
	}
}

// loadFleet fills the database: one node that came in as nodes do, and so many
// more as rows, as an enrolment leaves them, in a hundred pools.
func loadFleet(b *testing.B, w *world) node.Node {
	w.createPool("pool_home", 0)
	n := w.enrol("attic-pi", "pool_home")
	w.connect(n)
	w.judge(n, "valid", "")
	usage := 12.5
	w.ingest(n, wire.Sample{
		Seq: 1, AtMs: w.now().UnixMilli(), CPU: &wire.CPU{UsagePercent: &usage, Cores: 4}, Memory: &wire.Memory{TotalBytes: 4 << 30},
	})
	if err := w.Samples.FlushLatest(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, sql := range []string{
		`INSERT INTO pool (pool_id, name) SELECT 'pool_' || i, 'pool-' || i FROM generate_series(1, 100) i`,
		`INSERT INTO node (node_id, name, node_type, status, online, pool_no, inventory, last_heartbeat, created_at, updated_at)
			SELECT 'node_load' || i, 'load-' || i, 'worker', 'active', i % 10 > 0, (SELECT pool_no FROM pool WHERE pool_id = 'pool_' || 1 + i % 100),
				h.inventory, h.last_heartbeat, h.created_at + i * interval '1 second', h.created_at
			FROM generate_series(1, 9999) i, node h WHERE h.name = 'attic-pi'`,
		`INSERT INTO node_presence (node_no, from_at) SELECT node_no, last_heartbeat FROM node WHERE online AND name LIKE 'load-%'`,
		`INSERT INTO sample_latest SELECT n.node_no, l.at, l.received_at + n.node_no * interval '1 millisecond', l.run_no, l.seq, l.body
			FROM node n, sample_latest l WHERE l.node_no <> n.node_no`,
		`VACUUM ANALYZE`,
	} {
		if _, err := w.db.Exec(b.Context(), sql); err != nil {
			b.Fatalf("%s: %v", sql, err)
		}
	}
	return n
}

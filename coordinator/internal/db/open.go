package db

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pool settings. Whatever the URL names itself (pool_max_conns and the like)
// is left alone.
const (
	maxConns        = 20
	connectTimeout  = 5 * time.Second
	healthCheck     = 15 * time.Second
	maxConnIdle     = 5 * time.Minute
	statementLimit  = "60s" // a statement beyond it holds a connection hostage
	idleInTxLimit   = "60s" // a forgotten transaction holds locks and stops vacuum
	applicationName = "lucid-coordinator"
	// Postgres takes a page read out of turn for four in turn, as on a turning
	// disk, and would read tables whole that an index serves.
	randomPageCost = "1.1"
)

// Open connects to the database at url (postgres:// or key=value form) and
// returns the pool once the server has answered. Times read through it are UTC.
func Open(ctx context.Context, url string) (*Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database URL cannot be read: %w", err)
	}
	tune(config, url)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connection pool for %s: %w", place(config.ConnConfig), err)
	}
	version, err := serverVersion(ctx, pool)
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("database %s does not answer: %w", place(config.ConnConfig), err)
	}
	if err := checkServer(version); err != nil {
		pool.Close()
		return nil, fmt.Errorf("database %s: %w", place(config.ConnConfig), err)
	}
	return pool, nil
}

// leastServer is the first version of Postgres that has what the schema uses
// (UNIQUE NULLS NOT DISTINCT).
const leastServer = 15

// serverVersion is what the server says when a connection begins.
func serverVersion(ctx context.Context, pool *Pool) (string, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Release()
	return conn.Conn().PgConn().ParameterStatus("server_version"), conn.Ping(ctx)
}

// checkServer refuses a version such as "13.22 (Debian 13.22-0+deb11u1)".
func checkServer(version string) error {
	digits := version[:len(version)-len(strings.TrimLeft(version, "0123456789"))]
	if major, err := strconv.Atoi(digits); err == nil && major < leastServer {
		return fmt.Errorf("PostgreSQL %d or newer is needed, this is %s", leastServer, version)
	}
	return nil // a name that says no number is somebody's own build
}

// Reserve opens a further pool to the database of another: whoever has it never
// queues behind all the others. So many connections stand from the start, also
// when the server soon has none left to give; up to most are made when needed.
func Reserve(ctx context.Context, of *Pool, standing, most int32) (*Pool, error) {
	config := of.Config()
	config.MinConns, config.MaxConns, config.MinIdleConns = standing, most, 0
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("reserved connections to %s: %w", place(config.ConnConfig), err)
	}
	return pool, nil
}

func tune(config *pgxpool.Config, url string) {
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConns
	}
	if !strings.Contains(url, "connect_timeout") {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	config.HealthCheckPeriod = healthCheck
	config.MaxConnIdleTime = maxConnIdle
	for name, value := range map[string]string{
		"application_name":                    applicationName,
		"timezone":                            "UTC",
		"statement_timeout":                   statementLimit,
		"idle_in_transaction_session_timeout": idleInTxLimit,
		"random_page_cost":                    randomPageCost,
	} {
		if _, set := config.ConnConfig.RuntimeParams[name]; !set {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}
	config.AfterConnect = readTimesAsUTC
}

// readTimesAsUTC keeps the machine's own zone out of every time that is read,
// so equal instants are equal in logs, JSON and hashes.
func readTimesAsUTC(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}

// place names a database without its password.
func place(c *pgx.ConnConfig) string {
	return fmt.Sprintf("%q at %s:%d as user %q", c.Database, c.Host, c.Port, c.User)
}

package db_test

import (
	"database/sql"
	"fmt"
	"os"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"lucid.internal/coordinator/internal/db/dbtest"
)

// firstRelease is the newest migration of the first release: databases of it
// hold data.
const firstRelease = 7

// migrating gives a database without any schema, and what migrates it.
func migrating(t *testing.T) (*sql.DB, *goose.Provider) {
	t.Helper()
	conn, err := sql.Open("pgx", dbtest.Empty(t))
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	provider, err := goose.NewProvider(goose.DialectPostgres, conn, os.DirFS("migrations"))
	must(t, err)
	return conn, provider
}

// TestDataSurvivesUpgradeAndDowngrade migrates a database of the first release
// that holds data, back, and forward again.
func TestDataSurvivesUpgradeAndDowngrade(t *testing.T) {
	conn, provider := migrating(t)
	_, err := provider.UpTo(t.Context(), firstRelease)
	must(t, err)
	run(t, conn, firstReleaseData...)

	_, err = provider.Up(t.Context())
	must(t, err)
	hold(t, conn, "node", 2, `SELECT count(*) FROM node WHERE version = 1 AND deleted_at IS NULL AND labels = '{}'
		AND search LIKE '%' || node_id || '%'`)
	hold(t, conn, "model in search", 1, `SELECT count(*) FROM node WHERE search LIKE '%raspberry pi 5%'`)
	hold(t, conn, "pool", 2, `SELECT count(*) FROM pool WHERE version = 1 AND deleted_at IS NULL AND NOT scales AND node_types = '{}'`)
	hold(t, conn, "membership", 1, `SELECT count(*) FROM pool_membership WHERE priority = 50`)
	hold(t, conn, "API key", 1, `SELECT count(*) FROM api_key WHERE node_ids = '{}'`)
	run(t, conn, // as programs of the first release do that still run
		`INSERT INTO node (node_id, name, status) VALUES ('node_c', 'third', 'starting')`,
		`UPDATE pool SET node_count = node_count + 1 WHERE pool_id = 'pool_a'`,
		`INSERT INTO pool_membership (node_no, pool_no, from_at) SELECT node_no, 1, now() FROM node WHERE node_id = 'node_c'`,
	)
	refuse(t, conn, "a taken name", `INSERT INTO node (node_id, name, status) VALUES ('node_d', 'first', 'starting')`)

	_, err = provider.DownTo(t.Context(), firstRelease)
	must(t, err)
	hold(t, conn, "node", 3, `SELECT count(*) FROM node`)
	hold(t, conn, "pool", 2, `SELECT count(*) FROM pool`)
	refuse(t, conn, "a taken name", `INSERT INTO node (node_id, name, status) VALUES ('node_d', 'first', 'starting')`)
	_, err = provider.Up(t.Context())
	must(t, err)
}

// TestDataOfTodaySurvivesARoundTrip goes back to the first release with what
// only today's schema can hold (deleted nodes and pools, commands, names that
// are free again), and forward again.
func TestDataOfTodaySurvivesARoundTrip(t *testing.T) {
	conn, provider := migrating(t)
	_, err := provider.Up(t.Context())
	must(t, err)
	run(t, conn, firstReleaseData...)
	run(t, conn,
		`UPDATE node SET location = '{"city":"Munich"}', labels = '{"site":"attic"}', version = 7, proven = true, cut_session = 3 WHERE node_id = 'node_a'`,
		`INSERT INTO node (node_id, name, status, status_until, creation_key, creation_input) VALUES
			('node_c', 'third', 'maintenance', now(), 'k', 'i')`,
		`INSERT INTO node (node_id, name, status, deleted_at) SELECT 'node_gone' || i, 'first', 'inactive', now() FROM generate_series(1, 2) i`,
		`INSERT INTO node (node_id, name, status, deleted_at) VALUES ('node_once', 'lone', 'inactive', now())`,
		`INSERT INTO node_command (command_id, node_no, version, kind, issued_at, expires_at) VALUES (gen_random_uuid(), 1, 1, 'stop', now(), now() + interval '1m')`,
		`INSERT INTO pool (pool_id, name, deleted_at, created_at) VALUES ('pool_gone', 'home', now(), now() - interval '1h')`,
		`INSERT INTO challenge (challenge_id, node_no, key_epoch, session_no, issued_at, deadline_at, expires_at, canonical, state)
			VALUES (gen_random_uuid(), 1, 1, 1, now(), now() + interval '1s', now() + interval '1s', '', 'judged')`,
		`INSERT INTO node_key (node_no, key_epoch, root_box, device_public) VALUES (1, 1, '', sha256('d'))`,
		`INSERT INTO verdict (challenge_id, node_no, at, result, rule_version) SELECT challenge_id, 1, now(), 'valid', 1 FROM challenge`,
	)
	_, err = provider.DownTo(t.Context(), firstRelease)
	must(t, err)
	hold(t, conn, "node", 6, `SELECT count(*) FROM node`)
	hold(t, conn, "live name", 1, `SELECT count(*) FROM node WHERE node_id = 'node_a' AND name = 'first'`)
	hold(t, conn, "name that nobody took", 1, `SELECT count(*) FROM node WHERE node_id = 'node_once' AND name = 'lone'`)
	_, err = provider.Up(t.Context())
	must(t, err)
	hold(t, conn, "node", 6, `SELECT count(*) FROM node WHERE search LIKE '%' || node_id || '%'`)
	hold(t, conn, "proven node", 1, `SELECT count(*) FROM node WHERE proven AND node_id = 'node_a'`)
	hold(t, conn, "pool", 2, `SELECT count(*) FROM pool`)
}

// TestTokensOfSeveralUsesEndWhereBoardsAreNotAsked: one from before tokens named
// boards would bring in any, and so would one that names them in an older program.
func TestTokensOfSeveralUsesEndWhereBoardsAreNotAsked(t *testing.T) {
	conn, provider := migrating(t)
	const boardsNamed = 47
	_, err := provider.UpTo(t.Context(), boardsNamed-1)
	must(t, err)
	run(t, conn, `INSERT INTO enrolment_token (token_hash, uses, expires_at) VALUES (sha256('one'), 1, now()), (sha256('any'), 2, now())`)
	_, err = provider.UpTo(t.Context(), boardsNamed)
	must(t, err)
	revoked := `SELECT count(*) FROM enrolment_token WHERE revoked_at IS NOT NULL AND uses > 1`
	hold(t, conn, "revoked by the upgrade", 1, revoked)
	run(t, conn,
		`INSERT INTO enrolment_token (token_hash, uses, expires_at) VALUES (sha256('named'), 2, now())`,
		`INSERT INTO enrolment_board (token_hash, serial_hash) VALUES (sha256('named'), repeat('0f', 32))`,
	)
	_, err = provider.DownTo(t.Context(), boardsNamed-1)
	must(t, err)
	hold(t, conn, "revoked by the downgrade", 2, revoked)
	hold(t, conn, "token of one use", 1, `SELECT count(*) FROM enrolment_token WHERE revoked_at IS NULL`)
}

// TestOlderProgramBringsInNoBoardOfATokenThatNamesThem: while a fleet is upgraded, a
// program that asks no token for its boards works on the newest schema.
func TestOlderProgramBringsInNoBoardOfATokenThatNamesThem(t *testing.T) {
	conn, provider := migrating(t)
	_, err := provider.Up(t.Context())
	must(t, err)
	run(t, conn, firstReleaseData...)
	run(t, conn,
		`INSERT INTO enrolment_token (token_hash, uses, expires_at) VALUES (sha256('named'), 2, now()), (sha256('any'), 2, now())`,
		`INSERT INTO enrolment_board (token_hash, serial_hash) VALUES (sha256('named'), repeat('0f', 32)), (sha256('named'), repeat('1f', 32))`,
	)
	const use = `INSERT INTO enrolment_use (token_hash, request_hash, node_no, used_at, response`
	refuse(t, conn, "a board that says nothing", use+`) VALUES (sha256('named'), sha256('r'), 1, now(), '{}')`)
	run(t, conn,
		use+`) VALUES (sha256('any'), sha256('r'), 1, now(), '{}')`,
		use+`, serial_hash) VALUES (sha256('named'), sha256('r'), 1, now(), '{}', repeat('0f', 32))`,
	)
}

// TestDecisionsOfBeforeRememberTheirPayouts: by the times that tell in their records,
// and those of an older program that still runs by their order.
func TestDecisionsOfBeforeRememberTheirPayouts(t *testing.T) {
	conn, err := sql.Open("pgx", dbtest.Empty(t))
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	provider, err := goose.NewProvider(goose.DialectPostgres, conn, os.DirFS("migrations"))
	must(t, err)
	const numbered = 57
	_, err = provider.UpTo(t.Context(), numbered-1)
	must(t, err)
	run(t, conn, firstReleaseData...)
	flag := func(nodeNo int) string {
		return fmt.Sprintf(`INSERT INTO fraud_flag (node_no, rule, rule_version, layer, severity, subject, evidence, at, found_at)
			VALUES (%d, 'a', 1, 0, 'critical', gen_random_uuid(), '{}', now(), now())`, nodeNo)
	}
	paid := func(nodeNo int, ago string) []string {
		return []string{fmt.Sprintf(`INSERT INTO payout (payout_id, node_no, amount, fee, net_amount, wallet_address, created_at, updated_at)
			VALUES ('payout_' || replace(gen_random_uuid()::text, '-', ''), %d, 5, 1, 4, 'T', now() - interval '%s', now())`, nodeNo, ago), `UPDATE payout SET status = 'cancelled'
			WHERE status = 'pending'`}
	}
	const decided = `INSERT INTO fraud_decision (flag_no, decision, reason, decided_by, at) VALUES (%d, 'confirmed', 'seen', 'user_ada', now() - interval '1 h')`
	run(t, conn, flag(1), flag(2), flag(1))
	run(t, conn, paid(1, "2 h")...)
	run(t, conn, paid(2, "2 h")...)
	run(t, conn, paid(1, "1 min")...)
	run(t, conn, fmt.Sprintf(decided, 1))
	_, err = provider.UpTo(t.Context(), numbered)
	must(t, err)
	run(t, conn, fmt.Sprintf(decided, 2), fmt.Sprintf(decided, 3))
	hold(t, conn, "number", 3, `SELECT count(*) FROM fraud_decision WHERE (flag_no, newest_payout_no) IN ((1, 1), (2, 2), (3, 3))`)
	refuse(t, conn, "a change of a decision", `UPDATE fraud_decision SET reason = 'another'`)
	_, err = provider.DownTo(t.Context(), numbered-1)
	must(t, err)
	hold(t, conn, "forfeited", 1, `SELECT count(*) FROM forfeited_by(2, now() - interval '2 h')`)
}

var firstReleaseData = []string{
	`INSERT INTO api_key (key_id, name, role, hash, prefix, created_at) VALUES ('key_a', 'admin', 'admin', sha256('a'), 'lucid_', now())`,
	`INSERT INTO pool (pool_id, name, node_count, reward_per_epoch) VALUES ('pool_a', 'home', 1, 5000000), ('pool_b', 'empty', 0, 0)`,
	`INSERT INTO node (node_id, name, status, pool_no, inventory, online, serial_hash) VALUES
		('node_a', 'first', 'active', 1, '{"model":"Raspberry Pi 5"}', true, 'same'), ('node_b', 'second', 'suspended', NULL, '{}', false, 'same')`,
	`INSERT INTO node_state (node_no, status, from_at) VALUES (1, 'active', now())`,
	`INSERT INTO node_presence (node_no, from_at) VALUES (1, now())`,
	`INSERT INTO pool_membership (node_no, pool_no, from_at) VALUES (1, 1, now())`,
	`INSERT INTO enrolment_token (token_hash, pool_no, expires_at) VALUES (sha256('t'), 1, now())`,
}

func run(t *testing.T, conn *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func refuse(t *testing.T, conn *sql.DB, what, statement string) {
	t.Helper()
	if _, err := conn.ExecContext(t.Context(), statement); err == nil {
		t.Errorf("%s is let in", what)
	}
}

func hold(t *testing.T, conn *sql.DB, what string, want int, query string) {
	t.Helper()
	var got int
	must(t, conn.QueryRowContext(t.Context(), query).Scan(&got))
	if got != want {
		t.Errorf("%s: %d rows, want %d", what, got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package ledger_test

import (
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/ledger"
)

// openEntry inserts a well-formed entry without postings, by plain SQL.
const openEntry = `INSERT INTO entry (entry_id, kind, ref, input_hash, prev_hash, hash, at)
	SELECT '00000000-0000-8000-8000-000000000001', 'accrue', 'cheat', decode(repeat('11', 32), 'hex'), hash,
	decode(repeat('22', 32), 'hex'), now() FROM ledger_head;`

// move adds one posting to the cheat's entry.
const (
	give = `INSERT INTO posting SELECT '00000000-0000-8000-8000-000000000001', account_no, 5 FROM account WHERE kind = 'payable';`
	both = `INSERT INTO posting SELECT '00000000-0000-8000-8000-000000000001', account_no,
		CASE kind WHEN 'payable' THEN 5 ELSE -5 END FROM account WHERE kind IN ('payable', 'pool_expense');`
)

// tell publishes the head.
const tell = `INSERT INTO ledger_publication (hour, entry_no, hash, at) SELECT '2026-03-01T12:00:00Z', entry_no, entry.hash, at FROM entry JOIN ledger_head USING (hash);`

// cheats are tries to move money past the rules, with the refusal that each must meet.
var cheats = map[string]struct{ sql, want string }{
	"entry without postings":        {openEntry, "fewer than two postings"},
	"one-sided entry":               {openEntry + give, "do not sum to zero"},
	"unbalanced after early check":  {openEntry + both + `SET CONSTRAINTS ALL IMMEDIATE;` + strings.Replace(give, "'payable'", "'held'", 1), "do not sum to zero"},
	"unbalanced in two statements":  {openEntry + give + strings.Replace(strings.Replace(give, "'payable'", "'pool_expense'", 1), "5", "-5", 1), "do not sum to zero"},
	"posting to an old entry":       {`INSERT INTO posting SELECT entry_id, account_no, CASE account.kind WHEN 'held' THEN 5 ELSE -5 END FROM entry, account WHERE ref = 'e2' AND account.kind IN ('held', 'payable')`, "earlier transaction"},
	"posting to no entry":           {`INSERT INTO posting SELECT '00000000-0000-8000-8000-000000000009', account_no, CASE kind WHEN 'payable' THEN 5 ELSE -5 END FROM account WHERE kind IN ('payable', 'pool_expense')`, "not there"},
	"posting to no account":         {openEntry + both + strings.Replace(give, "account_no, 5 FROM account WHERE kind = 'payable'", "n, 5 - 10 * (n % 2) FROM generate_series(1000, 1001) n", 1), "not there"},
	"posting of nothing":            {openEntry + strings.Replace(both, "-5", "0", 1), "posting_amount_check"},
	"overdraft":                     {openEntry + strings.NewReplacer("THEN 5", "THEN -6", "-5 END", "6 END").Replace(both), "account_covers"},
	"entry beside the chain":        {strings.Replace(openEntry, "SELECT '00000000-0000-8000-8000-000000000001', 'accrue', 'cheat', decode(repeat('11', 32), 'hex'), hash", "SELECT '00000000-0000-8000-8000-000000000001', 'accrue', 'cheat', decode(repeat('11', 32), 'hex'), decode(repeat('00', 32), 'hex')", 1), "does not follow"},
	"unknown kind of entry":         {strings.Replace(openEntry, "'accrue'", "'gift'", 1), "entry_kind_check"},
	"change of an entry":            {`UPDATE entry SET ref = 'other'`, "append-only"},
	"deletion of an entry":          {`DELETE FROM entry`, "append-only"},
	"emptying the entries":          {`TRUNCATE entry CASCADE`, "append-only"},
	"change of a posting":           {`UPDATE posting SET amount = amount * 2`, "append-only"},
	"deletion of a posting":         {`DELETE FROM posting`, "append-only"},
	"emptying the postings":         {`TRUNCATE posting`, "append-only"},
	"change of a balance":           {`UPDATE account SET balance = balance + 1 WHERE kind = 'payable'`, "direct UPDATE refused"},
	"change of a minimum":           {`UPDATE account SET min_balance = -100`, "direct UPDATE refused"},
	"account that opens with money": {`INSERT INTO account (kind, owner, balance) VALUES ('payable', 'node_cheat', 5)`, "opens with balance 0"},
	"account with credit":           {`INSERT INTO account (kind, owner, min_balance) VALUES ('payable', 'node_cheat', -5)`, "account_check"},
	"second account of an owner":    {`INSERT INTO account (kind, owner) VALUES ('payable', 'node_a')`, "account_kind_owner_asset_key"},
	"account of an unknown kind":    {`INSERT INTO account (kind, owner) VALUES ('pocket', 'node_a')`, "account_kind_check"},
	"deletion of an account":        {`DELETE FROM account`, "append-only"},
	"emptying the accounts":         {`TRUNCATE account CASCADE`, "append-only"},
	"change of the head":            {`UPDATE ledger_head SET hash = decode(repeat('33', 32), 'hex')`, "direct UPDATE refused"},
	"deletion of the head":          {`DELETE FROM ledger_head`, "append-only"},
	"emptying the head":             {`TRUNCATE ledger_head`, "append-only"},
	"change of a publication":       {tell + `UPDATE ledger_publication SET entry_no = 2`, "append-only"},
	"deletion of a publication":     {tell + `DELETE FROM ledger_publication`, "append-only"},
	"emptying the publications":     {`TRUNCATE ledger_publication`, "append-only"},
	"second head":                   {`INSERT INTO ledger_head (one, hash) VALUES (false, decode(repeat('33', 32), 'hex'))`, "ledger_head_one_check"},
}

// Whoever reaches the database with plain SQL is refused by it.
func TestDatabaseRefusesCheats(t *testing.T) {
	for name, c := range cheats {
		t.Run(name, func(t *testing.T) {
			pool := dbtest.New(t)
			mustPost(t, pool, ledger.Accrue("e1", noon, "pool_a", []ledger.Share{{NodeID: "node_a", Amount: 5}, {NodeID: "node_a", Amount: 5, Held: true}}, 0))
			mustPost(t, pool, ledger.Accrue("e2", noon, "pool_a", nil, 5))
			err := db.InTx(t.Context(), pool, func(tx db.Tx) error {
				_, err := tx.Exec(t.Context(), c.sql)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want a refusal with %q", err, c.want)
			}
			wantSound(t, pool, 2)
		})
	}
}

// programCheats are tries that only who owns no table must be refused: they go
// round the triggers. It is refused the other cheats too.
var programCheats = map[string]string{
	"triggers off":                 `SET session_replication_role = replica; UPDATE account SET balance = 5`,
	"triggers disabled":            `ALTER TABLE account DISABLE TRIGGER ALL; UPDATE account SET balance = 5`,
	"trigger dropped":              `DROP TRIGGER account_guard ON account; UPDATE account SET balance = 5`,
	"constraint dropped":           `ALTER TABLE account DROP CONSTRAINT account_covers`,
	"function replaced":            `CREATE OR REPLACE FUNCTION posting_applies() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`,
	"history rewritten by a table": `ALTER TABLE entry RENAME TO gone; CREATE TABLE entry (LIKE gone)`,
	"balance from a trigger of its own": `CREATE TEMP TABLE mine (n int);
		CREATE FUNCTION pg_temp.deeper() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE account SET balance = balance + 1; RETURN NULL; END $$;
		CREATE TRIGGER deeper AFTER INSERT ON mine EXECUTE FUNCTION pg_temp.deeper(); INSERT INTO mine VALUES (1)`,
	"balance by a borrowed trigger": openEntry + both + `CREATE TEMP TABLE mine (entry_id uuid, account_no int, amount bigint);
		CREATE TRIGGER borrowed AFTER INSERT ON mine REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION posting_applies();` +
		strings.Replace(both, "INTO posting", "INTO mine", 1),
	"end of the chain by a borrowed trigger": `CREATE TEMP TABLE mine (entry_id uuid, prev_hash bytea, hash bytea, xid xid8);
		CREATE TRIGGER borrowed BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION entry_joins_chain();
		INSERT INTO mine (prev_hash, hash) SELECT hash, decode(repeat('33', 32), 'hex') FROM ledger_head`,
	shadow: `CREATE TEMP TABLE account (account_no int, asset text, balance bigint);
		INSERT INTO account SELECT account_no, 'USDT', 0 FROM public.account;` + openEntry + strings.ReplaceAll(both, "FROM account", "FROM public.account"),
}

// shadow is a balanced entry, which is let in, while a table of the cheat's own
// stands before the accounts: the real balances have to follow.
const shadow = "account of its own before the real one"

func TestDatabaseRefusesCheatsOfAProgram(t *testing.T) {
	run := func(name, sql string) {
		t.Run(name, func(t *testing.T) {
			owner := dbtest.New(t)
			program, err := db.Open(t.Context(), dbtest.ProgramURL(t, owner.Config().ConnString()))
			if err != nil {
				t.Fatal(err)
			}
			defer program.Close()
			mustPost(t, program, ledger.Accrue("e1", noon, "pool_a", []ledger.Share{{NodeID: "node_a", Amount: 5}, {NodeID: "node_a", Amount: 5, Held: true}}, 0))
			mustPost(t, program, ledger.Accrue("e2", noon, "pool_a", nil, 5))
			_, cheated := program.Exec(t.Context(), sql)
			if refused := cheated != nil; refused != (name != shadow) {
				t.Errorf("refused with %v", cheated)
			}
			var sums int
			err = owner.QueryRow(t.Context(), `SELECT count(*) FROM account a
				WHERE balance <> (SELECT coalesce(sum(amount), 0) FROM posting p WHERE p.account_no = a.account_no)`).Scan(&sums)
			if err != nil || sums != 0 {
				t.Errorf("%d balances are not the sum of their postings, %v", sums, err)
			}
		})
	}
	for name, c := range cheats {
		run(name, c.sql)
	}
	for name, sql := range programCheats {
		run(name, sql)
	}
}

// The cheats above fail for their own reason: without a fault the same SQL passes.
func TestDatabaseAcceptsHonestSQL(t *testing.T) {
	pool := dbtest.New(t)
	mustPost(t, pool, pay("node_a", 5))
	if _, err := pool.Exec(t.Context(), openEntry+both); err != nil {
		t.Fatal(err)
	}
	if got := balance(t, pool, ledger.KindPayable, "node_a"); got != 10 {
		t.Errorf("payable %s", got)
	}
}

// Whoever opens an entry in the name of another transaction, to add to it then,
// is not believed.
func TestDatabaseNotesTheTransactionItself(t *testing.T) {
	pool := dbtest.New(t)
	mustPost(t, pool, pay("node_a", 5))
	claim := strings.NewReplacer("hash, at)", "hash, at, xid)", "now() FROM", "now(), '987654321' FROM").Replace(openEntry)
	if _, err := pool.Exec(t.Context(), claim+both); err != nil {
		t.Fatal(err)
	}
	var claimed int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM entry WHERE xid = '987654321'`).Scan(&claimed); err != nil || claimed != 0 {
		t.Errorf("%d entries with a claimed transaction, %v", claimed, err)
	}
}

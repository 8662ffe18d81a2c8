package seal

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
)

// Table is where a package keeps boxes. All but Name and Box are SQL, over the
// table's row t.
type Table struct {
	Name       string
	Box        string // the column
	Additional string // expression: what the box was sealed with, as text
}

// SecretTable is that of a Store's secrets.
func SecretTable() Table {
	return Table{Name: "sealed_secret", Box: "box", Additional: "'sealed_secret/' || t.name"}
}

// resealBatch bounds a transaction, and with it how long a row waits.
const resealBatch = 500

// reseal seals anew up to a batch of the table's boxes that are not under the
// key with this id, and tells how many.
func (t Table) reseal(ctx context.Context, pool *db.Pool, box *Box, id byte) (count int, err error) {
	err = db.InTx(ctx, pool, func(tx db.Tx) error {
		rows, err := tx.Query(ctx, fmt.Sprintf(
			`SELECT t.ctid::text, t.%[2]s, %[3]s FROM %[1]s t WHERE %[4]s LIMIT %[5]d FOR UPDATE OF t`, t.Name, t.Box, t.Additional, t.others(), resealBatch), []byte{id})
		if err != nil {
			return err
		}
		type found struct {
			At         string
			Box        []byte
			Additional string
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[found])
		if err != nil {
			return err
		}
		batch := new(pgx.Batch)
		for _, f := range all {
			plain, err := box.Open(f.Box, []byte(f.Additional))
			if err != nil {
				return fmt.Errorf("%q: %w", f.Additional, err)
			}
			batch.Queue(fmt.Sprintf(`UPDATE %s SET %s = $1 WHERE ctid = $2::text::tid`, t.Name, t.Box), box.Seal(plain, []byte(f.Additional)), f.At)
		}
		count = len(all)
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return 0, fmt.Errorf("seal %s anew: %w", t.Name, err)
	}
	return count, nil
}

// left counts the boxes that are not under the key with this id.
func (t Table) left(ctx context.Context, tx db.Tx, id byte) (n int64, err error) {
	err = tx.QueryRow(ctx, fmt.Sprintf(`SELECT count(*) FROM %s t WHERE %s`, t.Name, t.others()), []byte{id}).Scan(&n)
	return n, err
}

// others is the condition that a box is not under the key with the id $1.
func (t Table) others() string {
	return fmt.Sprintf("length(t.%[1]s) > 0 AND substring(t.%[1]s FROM 1 FOR 1) <> $1", t.Box)
}

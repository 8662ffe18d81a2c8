package manual

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/manual/sqlgen"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/publicid"
)

// Export is what was handed out to be paid. It never changes, whatever becomes
// of its payouts.
type Export struct {
	ID        string
	CreatedBy string
	CreatedAt time.Time
	Version   int    // of its file
	Lines     []Line // in the order of the payouts' creation
}

// withGross is the version of files, the newest, from which on gross_amount and fee
// stand behind the columns of the first.
const withGross = 2

// Line is one payment to be made.
type Line struct {
	PayoutID      string
	NodeID        string
	WalletAddress string
	NetAmount     ledger.Amount // what is paid
	Amount        ledger.Amount // gross: what it costs the node
	Fee           ledger.Amount
}

// CSV is the export as a file, of the same bytes each time: payout_id, node_id,
// wallet_address, amount (net), currency, gross_amount and fee under a line of these
// names; without the last two where it was made before they were known.
func (e Export) CSV() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b) // into memory: it cannot fail
	write := func(first []string, grossAndFee ...string) {
		if e.Version >= withGross {
			first = append(first, grossAndFee...)
		}
		_ = w.Write(first)
	}
	write([]string{"payout_id", "node_id", "wallet_address", "amount", "currency"}, "gross_amount", "fee")
	for _, l := range e.Lines {
		write([]string{l.PayoutID, l.NodeID, l.WalletAddress, l.NetAmount.String(), ledger.Asset}, l.Amount.String(), l.Fee.String())
	}
	w.Flush()
	return b.Bytes()
}

// Export takes the next payouts of the queue, at most so many, to be paid by
// hand: they are processing from then on. The same call under the same key
// again gives the same export. With nothing to pay it is fault.StateNotAllowed;
// when what was made cannot be remembered, fault.DatabaseDown; when the database
// forgot it meanwhile, fault.StateNotAllowed, and payouts are halted.
func (s *Store) Export(ctx context.Context, by audit.By, key string, most int) (e Export, err error) {
	if most < 1 || most > payout.MostInBatch {
		return Export{}, fault.New(fault.Validation, "an export holds 1 to %d payouts, not %d", payout.MostInBatch, most).
			WithFields(fault.Field{Name: "limit", Reason: fmt.Sprintf("is not from 1 to %d", payout.MostInBatch)})
	}
	if err := s.cfg.Payouts.Remember(ctx); err != nil {
		return Export{}, notRemembered(err, "nothing is exported")
	}
	at := s.cfg.Now()
	err = db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		id, err := payout.Once(ctx, tx, by, key, "export payouts", most, at, func() (string, error) {
			return s.export(ctx, tx, by, most, at)
		})
		if err == nil {
			e, err = read(ctx, tx, id)
		}
		return err
	})
	if err != nil {
		return Export{}, err
	}
	return s.handOut(ctx, e)
}

// notRemembered tells what became of an export, and which of folder and
// database kept it from being remembered.
func notRemembered(err error, became string) error {
	why := "the database could not be asked what it holds"
	if f, told := errors.AsType[*fault.Error](err); told {
		why = f.Message + "; /ready says why"
	}
	return fault.Wrap(fault.DatabaseDown, err, "%s: %s", became, why)
}

// handOut gives an export once it is remembered: a database that forgets it,
// as an asynchronous standby may, or has already, is halted then and does not
// hand its payouts out again.
func (s *Store) handOut(ctx context.Context, e Export) (Export, error) {
	err := s.cfg.Payouts.RememberThat(ctx, e.ID, func(ctx context.Context, tx db.Tx) (bool, error) {
		_, err := read(ctx, tx, e.ID)
		if fault.Has(err, fault.OtherNotFound) {
			return false, nil
		}
		return err == nil, err
	})
	if fault.Has(err, fault.StateNotAllowed) {
		return Export{}, err
	} else if err != nil {
		return Export{}, notRemembered(err, e.ID+" is made, and handed out when it is read by its id again")
	}
	return e, nil
}

func (s *Store) export(ctx context.Context, tx db.Tx, by audit.By, most int, at time.Time) (string, error) {
	taken, err := s.cfg.Payouts.Take(ctx, tx, by, payout.Manual, most)
	if err != nil {
		return "", err
	}
	if len(taken) == 0 {
		return "", fault.New(fault.StateNotAllowed, "no payout can be paid now; the queue says what they wait for")
	}
	nos := make([]int64, len(taken))
	for i, p := range taken {
		nos[i] = p.No
	}
	id, q := publicid.New("export"), sqlgen.New(tx)
	if err := q.InsertExport(ctx, sqlgen.InsertExportParams{ExportID: id, CreatedBy: by.Actor, CreatedAt: at, FileVersion: withGross}); err != nil {
		return "", fmt.Errorf("store an export: %w", err)
	}
	if err := q.InsertLines(ctx, sqlgen.InsertLinesParams{ExportID: id, PayoutNos: nos}); err != nil {
		return "", fmt.Errorf("store the lines of an export: %w", err)
	}
	return id, nil
}

// Read gives an export again, as Export gives it.
func (s *Store) Read(ctx context.Context, exportID string) (Export, error) {
	e, err := read(ctx, s.cfg.Pool, exportID)
	if err != nil {
		return Export{}, err
	}
	return s.handOut(ctx, e)
}

func read(ctx context.Context, on sqlgen.DBTX, exportID string) (Export, error) {
	q := sqlgen.New(on)
	row, err := q.Export(ctx, exportID)
	if errors.Is(err, pgx.ErrNoRows) {
		return Export{}, fault.New(fault.OtherNotFound, "no export %s", exportID)
	} else if err != nil {
		return Export{}, fmt.Errorf("read export %s: %w", exportID, err)
	}
	lines, err := q.Lines(ctx, exportID)
	if err != nil {
		return Export{}, fmt.Errorf("read the lines of %s: %w", exportID, err)
	}
	e := Export{ID: row.ExportID, CreatedBy: row.CreatedBy, CreatedAt: row.CreatedAt, Version: int(row.FileVersion)}
	for _, l := range lines {
		e.Lines = append(e.Lines, Line{l.PayoutID, l.NodeID, l.WalletAddress, ledger.Amount(l.NetAmount), ledger.Amount(l.Amount), ledger.Amount(l.Fee)})
	}
	return e, nil
}

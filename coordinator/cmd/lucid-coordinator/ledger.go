package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"lucid.internal/coordinator"
)

type ledgerCmd struct {
	Verify ledgerVerifyCmd `cmd:"" help:"Recompute the ledger from its rows: sums, balances, the chain of hashes."`
}

type ledgerVerifyCmd struct{ settings }

// Run recomputes the ledger and fails at the first difference.
func (c *ledgerVerifyCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		v, err := f.VerifyLedger(ctx)
		if err != nil {
			return err
		}
		if v.Difference != "" {
			return fmt.Errorf("the ledger is not what was posted: after %d sound entries, %s", v.Entries, v.Difference)
		}
		fmt.Printf("%d entries sum to zero, each follows from the one before, every balance is the sum of its postings; head %x\n", v.Entries, v.Head)
		return nil
	})
}

// between is a span of time on the command line.
type between struct {
	From time.Time `required:"" placeholder:"TIME" help:"Beginning, as 2026-05-01T00:00:00Z."`
	To   time.Time `required:"" placeholder:"TIME" help:"End, not included."`
}

// check refuses a span that ends before it begins.
func (b between) check() error {
	if !b.From.Before(b.To) {
		return fmt.Errorf("--from %s must be before --to %s", stamp(b.From), stamp(b.To))
	}
	return nil
}

type statementCmd struct {
	settings
	between
	Node   string `arg:"" help:"Id of the node, node_..."`
	Format string `enum:"json,csv" default:"json" help:"json or csv."`
}

// Run prints what the node earned, with all evidence.
func (c *statementCmd) Run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		s, err := f.Statement(ctx, c.Node, c.From, c.To)
		if err != nil {
			return err
		}
		if c.Format == "csv" {
			return s.WriteCSV(os.Stdout)
		}
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(s)
	})
}

type exportCmd struct {
	settings
	between
	File string `placeholder:"FILE" help:"Write there, not to standard output."`
}

// Run writes the export.
func (c *exportCmd) Run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		if c.File == "" {
			return f.Statements().Export(ctx, os.Stdout, c.From, c.To)
		}
		file, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		if err := f.Statements().Export(ctx, file, c.From, c.To); err != nil {
			file.Close()
			return fmt.Errorf("%w; %s is not whole", err, c.File)
		}
		return file.Close()
	})
}

type verifyCmd struct {
	File string `arg:"" help:"An export; - for standard input."`
}

// Run recomputes an export and fails at the first difference. It opens no
// database and reads no settings.
func (c *verifyCmd) Run() error {
	var in io.Reader = os.Stdin
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	r, err := coordinator.VerifyExport(bufio.NewReader(in))
	if err != nil {
		return err
	}
	if r.Difference != "" {
		return fmt.Errorf("%s: %s", c.File, r.Difference)
	}
	fmt.Printf("closed from %s to %s: %d epochs, %d lines and %d ledger entries, all recomputed; head %x\n",
		stamp(r.From), stamp(r.To), r.Epochs, r.Lines, r.Entries, r.Head)
	return nil
}

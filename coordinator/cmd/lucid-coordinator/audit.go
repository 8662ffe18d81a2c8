package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"lucid.internal/coordinator"
)

type auditCmd struct {
	List   auditListCmd   `cmd:"" help:"Show who changed what, newest first."`
	Verify auditVerifyCmd `cmd:"" help:"Check that no entry of the audit log was changed or taken out."`
}

type auditListCmd struct {
	settings
	Actor  string        `placeholder:"ID" help:"Only what this key or user, cli:USER, device or system did."`
	Action string        `placeholder:"NOUN.VERB" help:"Only this action, as pool.create."`
	Target string        `placeholder:"ID" help:"Only what was done to this thing."`
	Since  time.Duration `placeholder:"DURATION" help:"Only the time until now of this length, as 24h."`
	Before int64         `placeholder:"NO" help:"Only entries before this number: the next page."`
	Limit  int           `default:"50" help:"Entries at most."`
}

// Run prints a table of entries.
func (c *auditListCmd) Run(ctx context.Context) error {
	if c.Limit < 1 || c.Limit > 10_000 {
		return fmt.Errorf("--limit must be from 1 to 10000, not %d", c.Limit)
	}
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		filter := coordinator.AuditFilter{Actor: c.Actor, Action: c.Action, Target: c.Target, Before: c.Before, Limit: c.Limit}
		if c.Since > 0 {
			filter.Since = time.Now().Add(-c.Since)
		}
		entries, next, err := f.Audit.List(ctx, filter)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "NO\tAT\tACTOR\tACTION\tTARGET\tBEFORE\tAFTER")
		for _, e := range entries {
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", e.No, stamp(e.At), e.Actor, e.Action, e.Target,
				cmp.Or(string(e.Before), "-"), cmp.Or(string(e.After), "-"))
		}
		if err := table.Flush(); err != nil {
			return err
		}
		if next != 0 {
			fmt.Fprintf(os.Stderr, "more: --before %d\n", next)
		}
		return nil
	})
}

type auditVerifyCmd struct{ settings }

// Run recomputes the chain and fails at the first difference.
func (c *auditVerifyCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		v, err := f.Audit.Verify(ctx)
		if err != nil {
			return err
		}
		if v.Difference != "" {
			return fmt.Errorf("the audit log is not what was written: after %d sound entries, %s", v.Entries, v.Difference)
		}
		fmt.Printf("%d entries, each follows from the one before; head %x\n", v.Entries, v.Head)
		return nil
	})
}

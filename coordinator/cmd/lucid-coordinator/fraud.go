package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"lucid.internal/coordinator"
)

type fraudCmd struct {
	Replay fraudReplayCmd `cmd:"" help:"Run a rule over stored evidence and show whom it would flag. Nothing is stored."`
}

type fraudReplayCmd struct {
	settings
	Rule string `required:"" help:"Id of the rule, as docs/fraud.md lists them."`
	Days int    `default:"7" help:"How many days back."`
	JSON bool   `name:"json" help:"An array of objects, with the evidence."`
}

// Run prints what the rule says.
func (c *fraudReplayCmd) Run(ctx context.Context) error {
	if c.Days < 1 {
		return fmt.Errorf("--days %d: at least one", c.Days)
	}
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		until := time.Now()
		flags, err := f.Fraud.Replay(ctx, c.Rule, until.AddDate(0, 0, -c.Days), until)
		if err != nil {
			return err
		}
		if c.JSON {
			out := json.NewEncoder(os.Stdout)
			out.SetIndent("", "  ")
			return out.Encode(append([]coordinator.Replayed{}, flags...)) // never null
		}
		if len(flags) == 0 {
			fmt.Fprintf(os.Stderr, "%s would flag nobody by the evidence of these %d days\n", c.Rule, c.Days)
			return nil
		}
		table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "NODE\tRULE\tVERSION\tAT\tSUBJECT\tFLAGGED ALREADY")
		for _, r := range flags {
			fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%v\n", r.NodeID, r.Rule, r.Version, stamp(r.At), r.Subject, r.Stored)
		}
		return table.Flush()
	})
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"lucid.internal/coordinator"
)

type updateCmd struct {
	Announce updateAnnounceCmd `cmd:"" help:"Tell the agents of a ring of a version. They show it and never install anything."`
	Withdraw updateWithdrawCmd `cmd:"" help:"Take a ring's announcement back."`
	List     updateListCmd     `cmd:"" help:"List what each ring is told of."`
}

type updateAnnounceCmd struct {
	settings
	Release string `arg:"" help:"Version of the agent, such as 1.4.0."`
	Ring    string `default:"stable" help:"Part of the fleet: nodes whose label \"ring\" says so; those without it are in stable."`
	Window  string `placeholder:"HH:MM-HH:MM" help:"When to install it, at the node's place (default: any time)."`
}

// Run announces a version and says to how many nodes.
func (c *updateAnnounceCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		nodes, err := f.Nodes.Announce(ctx, coordinator.ByCLI(), coordinator.Update{Version: c.Release, Ring: c.Ring, Window: c.Window})
		if err != nil {
			return err
		}
		fmt.Printf("%s is announced to ring %s: %d nodes, and those that join it\n", c.Release, c.Ring, nodes)
		return nil
	})
}

type updateWithdrawCmd struct {
	settings
	Ring string `default:"stable" help:"Part of the fleet."`
}

// Run takes an announcement back.
func (c *updateWithdrawCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		nodes, err := f.Nodes.Withdraw(ctx, coordinator.ByCLI(), c.Ring)
		if err != nil {
			return err
		}
		fmt.Printf("nothing is announced to ring %s any more: %d nodes\n", c.Ring, nodes)
		return nil
	})
}

type updateListCmd struct{ settings }

// Run lists announcements.
func (c *updateListCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		list, err := f.Nodes.Announcements(ctx)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			fmt.Fprintln(os.Stderr, "no ring is told of a version")
			return nil
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "RING\tVERSION\tWINDOW\tANNOUNCED")
		for _, a := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", a.Ring, a.Version, cmp.Or(a.Window, "any time"), stamp(a.At))
		}
		return w.Flush()
	})
}

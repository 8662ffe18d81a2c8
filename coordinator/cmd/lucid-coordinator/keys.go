package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lucid.internal/coordinator"
)

type keysCmd struct {
	Status       keysStatusCmd       `cmd:"" help:"Show how far rotations are."`
	Rotate       keysRotateCmd       `cmd:"" help:"Give nodes new keys over their running connections."`
	RotateMaster keysRotateMasterCmd `cmd:"" name:"rotate-master" help:"Make a new master key and seal every secret anew under it, while coordinators run. Backups from before need the old key, which leaves master.key at the end: keep a copy of that file with them first."`
	RotateCA     keysRotateCACmd     `cmd:"" name:"rotate-ca" help:"Make a new CA, trusted beside the old one first, then in its place."`
}

type keysStatusCmd struct{ settings }

// Run prints one line for each kind of key.
func (c *keysStatusCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		r, err := f.Nodes.Rotation(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("node keys: %d, the oldest %s old; asked for and not yet rotated: %d; old ones still good: %d\n",
			r.Nodes, time.Since(r.Oldest).Round(time.Second), r.Asked, r.Overlapping)
		return printCA(ctx, f)
	})
}

type keysRotateCmd struct {
	settings
	Node []string `placeholder:"NODE_ID" help:"Of this node. May be given several times."`
	All  bool     `help:"Of all nodes."`
}

// Run asks for new keys; the coordinator that has the broker does the rest.
func (c *keysRotateCmd) Run(ctx context.Context) error {
	if c.All == (len(c.Node) > 0) {
		return errors.New("say whose keys: --node NODE_ID or --all")
	}
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		asked, err := f.Nodes.RotateKeys(ctx, coordinator.ByCLI(), c.Node)
		if err != nil {
			return err
		}
		fmt.Printf("nodes that get new keys while they are connected: %d; the keys before stay good for %s more (keys status shows how far it is)\n",
			asked, f.Config.Node.KeyOverlap)
		return nil
	})
}

type keysRotateMasterCmd struct{ settings }

// Run ends when the old master key is used nowhere any more. Interrupted, it
// goes on where it was when it is run again.
func (c *keysRotateMasterCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		return f.RotateMaster(ctx, func(line string) { fmt.Println(line) })
	})
}

func printCA(ctx context.Context, f *coordinator.Foundation) error {
	untold, err := f.Nodes.Untold(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("CA: pin %s; nodes that do not know yet where the coordinator is and which CAs to trust: %d\n", f.Authority.Pin(), untold)
	if p, ok := f.Authority.Newest(); ok {
		fmt.Printf("newest CA: announced %s, makes certificates from %s, the one before is trusted until %s\n",
			stamp(p.Announced), stamp(p.IssuesFrom), stamp(p.OldUntil))
	}
	return nil
}

type keysRotateCACmd struct {
	settings
	Overlap time.Duration `default:"336h" help:"How long nodes have to learn of the new CA before certificates are made by it, and again until the old one is not trusted any more."`
}

// Run makes the CA; running coordinators do the rest when the time comes.
func (c *keysRotateCACmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		if err := f.RotateCA(ctx, c.Overlap); err != nil {
			return err
		}
		return printCA(ctx, f)
	})
}

package main

import (
	"context"
	"fmt"

	"lucid.internal/coordinator"
)

type poolCmd struct {
	Create poolCreateCmd `cmd:"" help:"Make a pool and print its id."`
}

type poolCreateCmd struct {
	settings
	Name        string           `required:"" help:"3 to 100 letters, digits, _ or -."`
	Description string           `help:"What it is for."`
	Reward      coordinator.USDT `default:"0" placeholder:"USDT" help:"What it shares out each epoch."`
	MaxNodes    int              `default:"100" help:"Places, at most 100."`
}

// Run prints the new pool's id.
func (c *poolCreateCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		p, err := f.CreatePool(ctx, coordinator.NewPool{
			Name: c.Name, Description: c.Description, RewardPerEpoch: c.Reward, MaxNodes: c.MaxNodes,
		})
		if err != nil {
			return err
		}
		fmt.Println(p.ID)
		return nil
	})
}

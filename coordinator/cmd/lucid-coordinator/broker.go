package main

import (
	"context"
	"fmt"

	"lucid.internal/coordinator"
)

type brokerCmd struct {
	MosquittoConfig mosquittoConfigCmd `cmd:"" name:"mosquitto-config" help:"Write settings, access rules, passwords and a certificate for a Mosquitto. Again after each enrolment, then send it SIGHUP."`
}

type mosquittoConfigCmd struct {
	settings
	Out string `required:"" placeholder:"DIR" help:"Folder to write to; Mosquitto's user must be able to write there too."`
}

// Run writes the files.
func (c *mosquittoConfigCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		if err := f.WriteMosquitto(ctx, c.Out); err != nil {
			return err
		}
		fmt.Printf("written to %s; start it with mosquitto -c %s/mosquitto.conf, or send it SIGHUP\n", c.Out, c.Out)
		return nil
	})
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"

	"lucid.internal/coordinator/client"
)

type nodesPayoutAddressCmd struct {
	File string `arg:"" help:"What lucid-agent sign --payout-address printed; - for standard input."`
}

// Run hands the signed change in. Its signature is the credential, so none is sent.
func (c *nodesPayoutAddressCmd) Run(ctx context.Context, a *app) error {
	change, err := c.read(a.in)
	if err != nil {
		return err
	}
	api, err := a.open(nil)
	if err != nil {
		return err
	}
	n, err := answer[client.Node](api.ChangePayoutAddress(ctx, change.NodeId, change))
	if err != nil {
		return err
	}
	return show(a.printer, n, []column[client.Node]{
		{"node_id", false, func(n client.Node) any { return n.NodeId }},
		{"payout_address", false, func(n client.Node) any { return n.PayoutAddress }},
		{"payout_address_from", false, func(n client.Node) any { return n.PayoutAddressFrom }},
	})
}

func (c *nodesPayoutAddressCmd) read(in io.Reader) (change client.SignedAddress, err error) {
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return change, err
		}
		defer file.Close()
		in = file
	}
	err = json.NewDecoder(in).Decode(&change)
	if err == nil && change.NodeId == "" {
		err = errors.New("it names no node")
	}
	if err != nil {
		return change, usage("%s is not what lucid-agent sign --payout-address prints: %w", c.File, err)
	}
	return change, nil
}

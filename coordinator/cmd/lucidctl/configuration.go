package main

import (
	"context"
	"encoding/json"

	"lucid.internal/coordinator/client"
)

// configuration is the flags that change a part of a node's configuration.
type configuration struct {
	intervals
	difficulty
}

// read is the node's configuration with the flags, and the node's ETag: the API
// replaces a configuration as a whole, so that one which changed in between is
// not to be overwritten. nil without a flag.
func (f configuration) read(ctx context.Context, api *client.Client, nodeID string) (*client.ConfigurationInput, string, error) {
	settings := f.settings()
	if settings == nil && f.SampleInterval == nil {
		return nil, "", nil
	}
	response, err := api.GetNode(ctx, nodeID)
	n, err := answer[client.Node](response, err)
	if err != nil {
		return nil, "", err
	}
	// What is shown is what can be sent, but for the agent's part.
	shown, err := json.Marshal(n.Configuration)
	if err != nil {
		return nil, "", err
	}
	var wanted client.ConfigurationInput
	if err := json.Unmarshal(shown, &wanted); err != nil {
		return nil, "", err
	}
	if settings != nil {
		wanted.Challenge = settings
	}
	return &wanted, response.Header.Get("ETag"), f.change(&wanted)
}

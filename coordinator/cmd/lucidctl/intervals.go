package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"lucid.internal/coordinator/client"
)

// intervals are the flags of how often a node's agent samples and publishes:
// it takes both or none.
type intervals struct {
	SampleInterval  *time.Duration `and:"intervals" placeholder:"10s" help:"How often its agent samples, in whole seconds; 0s for both leaves it to the agent's own settings."`
	PublishInterval *time.Duration `and:"intervals" placeholder:"1m" help:"How often it publishes."`
}

// configuration is the node's with these intervals, and the node's ETag: the API
// replaces a configuration as a whole, so that one which changed in between is
// not to be overwritten. nil when no interval was given.
func (i intervals) configuration(ctx context.Context, api *client.Client, nodeID string) (*client.ConfigurationInput, string, error) {
	if i.SampleInterval == nil {
		return nil, "", nil
	}
	sample, err := wholeSeconds(*i.SampleInterval)
	publish, err2 := wholeSeconds(*i.PublishInterval)
	if err := cmp.Or(err, err2); err != nil {
		return nil, "", err
	}
	response, err := api.GetNode(ctx, nodeID)
	n, err := answer[client.Node](response, err)
	if err != nil {
		return nil, "", err
	}
	limits := client.NodeLimitsInput(n.Configuration.ResourceLimits)
	return &client.ConfigurationInput{
		AutoScaling: n.Configuration.AutoScaling, MaxSessions: n.Configuration.MaxSessions,
		MaintenanceWindow: n.Configuration.MaintenanceWindow, ResourceLimits: &limits,
		SampleIntervalSeconds: sample, PublishIntervalSeconds: publish,
	}, response.Header.Get("ETag"), nil
}

// wholeSeconds of a duration; nil for none.
func wholeSeconds(d time.Duration) (*int64, error) {
	if d%time.Second != 0 || d < 0 {
		return nil, errors.New(d.String() + " is not a number of whole seconds")
	}
	if d == 0 {
		return nil, nil
	}
	seconds := int64(d / time.Second)
	return &seconds, nil
}

package main

import (
	"cmp"
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

// change sets them in a configuration, when they are given.
func (i intervals) change(c *client.ConfigurationInput) error {
	if i.SampleInterval == nil {
		return nil
	}
	sample, err := wholeSeconds(*i.SampleInterval)
	publish, err2 := wholeSeconds(*i.PublishInterval)
	c.SampleIntervalSeconds, c.PublishIntervalSeconds = sample, publish
	return cmp.Or(err, err2)
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

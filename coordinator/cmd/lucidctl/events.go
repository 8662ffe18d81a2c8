package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"lucid.internal/coordinator/client"
)

type eventsCmd struct {
	Follow eventsFollowCmd `cmd:"" help:"Print events as they come, until Ctrl-C; comes back by itself after a break."`
}

type eventsFollowCmd struct {
	Kind   []string `help:"Only this kind: node, proof, score, alert, fraud, payout, pool, sample; may be given several times (default: all but sample)."`
	Node   string   `placeholder:"NODE_ID" help:"Only what is about this node."`
	LastID string   `placeholder:"NUMBER" help:"Begin after this event instead of now."`
	Count  int      `help:"End after so many events (default: never)."`
}

// happening is an event as the API sends it.
type happening struct {
	V      int             `json:"v"`
	No     int64           `json:"event_no,omitempty"`
	Kind   string          `json:"kind"`
	At     time.Time       `json:"at"`
	NodeID string          `json:"node_id,omitempty"`
	PoolID string          `json:"pool_id,omitempty"`
	Data   json.RawMessage `json:"data"`
}

func eventColumns() []column[happening] {
	return []column[happening]{
		{"at", false, func(h happening) any { return clock(h.At) }},
		{"event_no", true, func(h happening) any { return h.No }},
		{"kind", false, func(h happening) any { return h.Kind }},
		{"node_id", false, func(h happening) any { return h.NodeID }},
		{"pool_id", true, func(h happening) any { return h.PoolID }},
		{"data", false, func(h happening) any { return h.Data }},
	}
}

// Breaks between two streams; a coordinator that starts anew is soon back.
const (
	firstPause = time.Second
	mostPause  = 30 * time.Second
)

// errEnough ends a stream of which there was to be so much.
var errEnough = errors.New("enough")

// Run prints events until ctx ends.
func (c *eventsFollowCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	f := &follower{command: c, app: a, last: c.LastID, print: follow(a.printer, eventColumns())}
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		before := f.last
		err := f.stream(ctx, api)
		if refused, is := errors.AsType[refusal](err); is && refused.status < http.StatusInternalServerError && refused.status != http.StatusTooManyRequests {
			return err
		}
		_, lacking := errors.AsType[notAllowed](err)
		switch {
		case errors.Is(err, errEnough):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case lacking || f.broken != nil:
			return errors.Join(err, f.broken)
		}
		if f.last != before {
			pause = firstPause
		}
		a.note("the stream ended (%v); trying again in %s", err, pause)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// follower reads one stream after another and knows where it stands.
type follower struct {
	command *eventsFollowCmd
	app     *app
	last    string // id of the last event
	seen    int
	print   func(happening) error
	broken  error // standard output's end
}

func (f *follower) stream(ctx context.Context, api *client.Client) error {
	p := client.StreamEventsParams{NodeId: given(f.command.Node), LastEventID: given(f.last)}
	if len(f.command.Kind) > 0 {
		p.Kind = &f.command.Kind
	}
	response, err := api.StreamEvents(ctx, &p)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := refused(response); err != nil {
		return err
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20) // an event is far smaller
	var kind, id string
	for lines.Scan() {
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			id = string(value)
		case "event":
			kind = string(value)
		case "data":
			if err := f.event(kind, value); err != nil {
				return err
			}
		case "":
			if len(lines.Bytes()) == 0 && id != "" { // the event is whole: it counts as received
				f.last, kind, id = id, "", ""
			}
		}
		if f.command.Count > 0 && f.seen >= f.command.Count {
			return errEnough
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

func (f *follower) event(kind string, data []byte) error {
	if kind == "reset" {
		f.app.note("events since the last one may be missing: read the state anew")
		return nil
	}
	var h happening
	if err := json.Unmarshal(data, &h); err != nil {
		return fmt.Errorf("an event could not be read: %w", err)
	}
	f.seen++
	f.broken = f.print(h)
	return f.broken
}

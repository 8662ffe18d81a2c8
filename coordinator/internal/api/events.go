package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fault"
)

func (s *server) eventOperations() {
	register(s, operation{
		id: "streamEvents", method: http.MethodGet, path: eventsPath, tag: "events", role: access.Viewer, owner: true, stream: true,
		summary: "Follow what happens",
		description: "Server-sent events, each with its kind as event and its number as id. Come back with the last id as Last-Event-ID " +
			"and nothing is missed or repeated, for as long as events are kept (a day). An event of kind reset says that some may be " +
			"missing: read the state anew.\n\nSamples come only when asked for, at most one a second a node; they have no id and are not " +
			"repeated. Without anything to tell, a comment comes every 15 seconds. The stream ends with the credential, and when its " +
			"reader does not keep up. One caller may have 20 streams open. A browser may come with the cookie that its login set instead of a header.",
		errors:  []fault.Code{fault.NodeNotFound, fault.RateLimited},
		example: exampleEvents(),
	}, s.streamEvents)
}

// eventsInput selects events.
type eventsInput struct {
	Kind   []string `query:"kind,explode" maxItems:"8" enum:"node,proof,score,alert,fraud,payout,pool,sample" doc:"Only these kinds; may be given several times. Default: all but sample."`
	NodeID string   `query:"node_id" pattern:"^(node_[a-zA-Z0-9_-]+)?$" patternDescription:"a node's id" maxLength:"64" doc:"Only what is about this node."`
	LastID string   `header:"Last-Event-ID" pattern:"^[0-9]{0,18}$" patternDescription:"an event's id" doc:"Id of the last event that was received."`
}

func (in *eventsInput) filter(bound []string) (event.Filter, error) {
	f := event.Filter{NodeIDs: bound}
	for _, kind := range in.Kind {
		f.Kinds = append(f.Kinds, event.Kind(kind))
	}
	if in.NodeID == "" {
		return f, nil
	}
	if len(bound) > 0 && !slices.Contains(bound, in.NodeID) {
		return f, fault.New(fault.NodeNotFound, "no such node among those that this credential is bound to")
	}
	f.NodeIDs = []string{in.NodeID}
	return f, nil
}

func (s *server) streamEvents(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	filter, err := in.filter(callOf(ctx).principal.NodeIDs)
	if err != nil {
		return nil, err
	}
	var after *int64
	if in.LastID != "" {
		no, _ := strconv.ParseInt(in.LastID, 10, 64) // its pattern lets only numbers through
		after = &no
	}
	caller := callOf(ctx).principal.ID
	if !s.streams.begin(caller) {
		return nil, fault.New(fault.RateLimited, "%d streams of yours are open already; close one", mostStreams)
	}
	opening, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	listener, err := s.Events.Listen(opening, filter, after)
	if err != nil {
		s.streams.end(caller)
	}
	switch {
	case errors.Is(err, event.ErrFull):
		return nil, fault.Wrap(fault.RateLimited, err, "too many streams are open; try again later")
	case errors.Is(err, event.ErrClosed):
		return nil, fault.Wrap(fault.DatabaseDown, err, "the coordinator is stopping; try again")
	case err != nil:
		return nil, err
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		defer s.streams.end(caller)
		defer listener.Close()
		c := humagin.Unwrap(h)
		st := &stream{server: s, writer: c.Writer, request: c.Request, listener: listener}
		if err := st.run(c.Request.Context()); err != nil {
			s.Logger.InfoContext(c.Request.Context(), "event stream ended", "request_id", callOf(ctx).id, "reason", err)
		}
	}}, nil
}

// mostStreams is how many streams one caller may have open: the feed has room
// for a number of them, and the way out over MQTT needs a place too.
const mostStreams = 20

// openStreams counts the streams of each caller.
type openStreams struct {
	mu sync.Mutex
	by map[string]int
}

func newOpenStreams() *openStreams { return &openStreams{by: map[string]int{}} }

// begin is false when the caller has as many as one may have.
func (o *openStreams) begin(caller string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.by[caller] >= mostStreams {
		return false
	}
	o.by[caller]++
	return true
}

func (o *openStreams) end(caller string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.by[caller]--; o.by[caller] <= 0 {
		delete(o.by, caller)
	}
}

// exampleEvents is a piece of a stream.
func exampleEvents() string {
	body, _ := json.Marshal(event.Message{ // of constant content
		V: 1, No: 4711, Kind: event.Node, At: exampleTime(), NodeID: "node_4f1c2a", PoolID: "pool_home",
		Body: json.RawMessage(`{"change":"online","status":"active","reason":"proven","online":true}`),
	})
	return string(frame(event.Node, 4711, body)) + heartbeat
}

// heartbeatInterval keeps proxies from taking a quiet stream for a dead one,
// and is how often the credential is looked at again.
const heartbeatInterval = 15 * time.Second

package broker

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"lucid.internal/shared/wire"
)

// counters are what operators see of the broker. Labels come from closed
// lists, never from a client.
type counters struct {
	connections  prometheus.Gauge
	acceptErrors prometheus.Counter
	panics       prometheus.Counter
	dropped      prometheus.Counter
	refused      map[string]prometheus.Counter
	taken        map[wire.Channel]*outcomes
}

// Reasons for which a client is refused something.
const (
	badClientID       = "connect_client_id"
	badUserName       = "connect_user_name"
	badWill           = "connect_will"
	tooManyConnects   = "connect_rate"
	badPassword       = "connect_password"
	loginUnchecked    = "connect_unavailable"
	tooBusy           = "connect_busy"
	notOnline         = "connect_not_online"
	tooManyTries      = "connect_too_many_tries"
	tooManyReaders    = "connect_too_many_readers"
	badPublishTopic   = "publish_topic"
	badPublishQoS     = "publish_qos"
	badSubscribeTopic = "subscribe_topic"
)

var reasons = [...]string{badClientID, badUserName, badWill, tooManyConnects, badPassword, loginUnchecked, tooBusy, notOnline, tooManyTries, tooManyReaders,
	badPublishTopic, badPublishQoS, badSubscribeTopic}

type outcomes struct{ accepted, ignored, failed prometheus.Counter }

func newCounters(registerer prometheus.Registerer) (*counters, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "lucid_mqtt_" + name, Help: help})
	}
	received := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lucid_mqtt_messages_total", Help: "Messages of nodes by channel and result.",
	}, []string{"channel", "result"})
	c := &counters{
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lucid_mqtt_connections", Help: "Open connections, logged in or not."}),
		acceptErrors: counter("accept_errors_total", "Failed attempts to accept a connection."),
		panics:       counter("panics_total", "Panics that ended one connection."),
		dropped:      counter("dropped_total", "Messages that a slow subscriber lost."),
		refused:      make(map[string]prometheus.Counter),
		taken:        make(map[wire.Channel]*outcomes),
	}
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lucid_mqtt_refused_total", Help: "What clients were refused, by reason.",
	}, []string{"reason"})
	for _, reason := range reasons {
		c.refused[reason] = refused.WithLabelValues(reason)
	}
	for _, channel := range []wire.Channel{wire.ChannelStatus, wire.ChannelInfo, wire.ChannelMetrics,
		wire.ChannelResponse, wire.ChannelCommandResult} {
		c.taken[channel] = &outcomes{
			accepted: received.WithLabelValues(string(channel), "accepted"),
			ignored:  received.WithLabelValues(string(channel), "ignored"),
			failed:   received.WithLabelValues(string(channel), "failed"),
		}
	}
	var errs []error
	for _, m := range []prometheus.Collector{c.connections, c.acceptErrors, c.panics, c.dropped, refused, received} {
		errs = append(errs, registerer.Register(m))
	}
	return c, errors.Join(errs...)
}

func (c *counters) messages(channel wire.Channel, count int, err error) {
	o := c.taken[channel]
	switch {
	case o == nil: // not a node's channel; refused before
	case err == nil:
		o.accepted.Add(float64(count))
	case errors.Is(err, ErrIgnore):
		o.ignored.Add(float64(count))
	default:
		o.failed.Add(float64(count))
	}
}

package coordinator

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lucid.internal/coordinator/internal/limit"
	"lucid.internal/shared/wire"
)

// nodePace is how many messages a minute of each kind a node is heard with,
// far more than an agent ever sends. Each costs a transaction, and some an
// event; metrics are bounded by their queue.
var nodePace = map[wire.Channel]int{
	wire.ChannelStatus: 60, wire.ChannelInfo: 20, wire.ChannelCommandResult: 60, wire.ChannelResponse: 600,
}

// pace bounds what one node can make us do.
type pace struct {
	limiter *limit.Limiter[pacedKey]
	ignored prometheus.Counter
	now     func() time.Time
}

type pacedKey struct {
	nodeNo  int32
	channel wire.Channel
}

func newPace(metrics prometheus.Registerer, now func() time.Time) *pace {
	p := &pace{limiter: limit.New[pacedKey](limit.DefaultKeys), now: now, ignored: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "lucid_mqtt_paced_total", Help: "Messages of nodes that were ignored because their node sent too many of their kind.",
	})}
	metrics.MustRegister(p.ignored)
	return p
}

// hears reports whether a message of the node is taken. One that is not is
// acknowledged all the same: it would come back for ever.
func (p *pace) hears(nodeNo int32, channel wire.Channel) bool {
	allowed := p.limiter.Take(pacedKey{nodeNo, channel}, nodePace[channel], p.now()).Allowed
	if !allowed {
		p.ignored.Inc()
	}
	return allowed
}

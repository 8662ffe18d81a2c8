package api

import (
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// meter counts requests by operation, never by path: a path is the caller's
// to choose and would make series without end.
type meter struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMeter() meter {
	return meter{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lucid_api_requests_total", Help: "Requests answered, by operation and status.",
		}, []string{"operation", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lucid_api_request_duration_seconds", Help: "Time from the request's headers to the end of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"operation"}),
	}
}

func (m meter) observe(operation string, status int, took time.Duration) {
	m.requests.WithLabelValues(operation, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(operation).Observe(took.Seconds())
}

// Describe and Collect make the meter one collector.
func (m meter) Describe(d chan<- *prometheus.Desc) {
	m.requests.Describe(d)
	m.duration.Describe(d)
}

func (m meter) Collect(c chan<- prometheus.Metric) {
	m.requests.Collect(c)
	m.duration.Collect(c)
}

// serveMetrics answers Prometheus with everything that was registered, however
// busy others at its address are.
func (s *server) serveMetrics() {
	s.uncounted("getMetrics", "/metrics", gin.WrapH(promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{
		ErrorHandling: promhttp.HTTPErrorOnError,
	})))
}

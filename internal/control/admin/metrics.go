package admin

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"moip/internal/session"
	"moip/internal/switchboard"
)

// Metrics counts what happens to calls, in the form of Prometheus. What is under way
// is counted when somebody asks, so a call costs nothing for it.
type Metrics struct {
	registry *prometheus.Registry
	board    *switchboard.Board

	began, ended, visits, refusals *prometheus.CounterVec
	lasted                         prometheus.Histogram
	bytes                          *prometheus.CounterVec // of calls that have ended

	calls, moved *prometheus.Desc
}

// NewMetrics returns Metrics of the calls of a board.
func NewMetrics(b *switchboard.Board) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		board:    b,
		began:    counter("moip_calls_total", "Calls that have begun.", "transport"),
		ended:    counter("moip_calls_ended_total", "Calls that have ended, by the reason that the log tells.", "reason"),
		visits:   counter("moip_visits_ended_total", "Redirections that have ended, those that failed included, by reason.", "reason"),
		refusals: counter("moip_refusals_total", "Callers who were not let in, by reason.", "transport", "reason"),
		bytes:    counter("moip_call_bytes_total", "Bytes from callers (in) and to them (out), in calls that have ended.", "direction"),
		lasted: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "moip_call_seconds", Help: "How long calls lasted.", Buckets: []float64{1, 5, 15, 60, 300, 900, 1800, 3600, 7200},
		}),
		calls: prometheus.NewDesc("moip_calls", "Calls under way.", []string{"transport", "state"}, nil),
		moved: prometheus.NewDesc("moip_calls_bytes", "Bytes from callers (in) and to them (out), in calls under way.", []string{"direction"}, nil),
	}
	m.registry.MustRegister(m, m.began, m.ended, m.visits, m.refusals, m.bytes, m.lasted,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Note is told of each event of each call. It blocks nobody.
func (m *Metrics) Note(e session.Event) {
	switch e.Type {
	case session.Began:
		m.began.WithLabelValues(e.Caller.Transport).Inc()
	case session.Returned:
		m.visits.WithLabelValues(string(e.Reason)).Inc()
	case session.Ended:
		m.ended.WithLabelValues(string(e.Reason)).Inc()
		m.lasted.Observe(e.At.Sub(e.Began).Seconds())
		m.bytes.WithLabelValues("in").Add(float64(e.In))
		m.bytes.WithLabelValues("out").Add(float64(e.Out))
	}
}

// CountRefusal is told of each caller who is not let in. It blocks nobody.
func (m *Metrics) CountRefusal(transport, reason string) {
	m.refusals.WithLabelValues(transport, reason).Inc()
}

// Describe is Prometheus's.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.calls
	to <- m.moved
}

// Collect is Prometheus's.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	type kind struct{ transport, state string }
	calls, in, out := map[kind]int{}, uint64(0), uint64(0)
	for _, info := range m.board.Calls() {
		calls[kind{info.Caller.Transport, info.State.String()}]++
		in, out = in+info.In, out+info.Out
	}
	for k, n := range calls {
		to <- prometheus.MustNewConstMetric(m.calls, prometheus.GaugeValue, float64(n), k.transport, k.state)
	}
	to <- prometheus.MustNewConstMetric(m.moved, prometheus.GaugeValue, float64(in), "in")
	to <- prometheus.MustNewConstMetric(m.moved, prometheus.GaugeValue, float64(out), "out")
}

// ServeHTTP tells what was counted.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

package admin

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"moip/internal/policy/outbound"
	"moip/internal/session"
	"moip/internal/switchboard"
)

// Metrics counts what happens to calls, in the form of Prometheus. What is under way
// is counted when somebody asks, so a call costs nothing for it.
type Metrics struct {
	registry *prometheus.Registry
	board    *switchboard.Board

	began, ended, visits, refusals, forbidden *prometheus.CounterVec
	lasted                                    prometheus.Histogram
	shortages                                 prometheus.Counter

	calls, recorded, bytes *prometheus.Desc

	mu   sync.Mutex
	away map[session.ID]bool // calls that are redirected
	past traffic             // of calls that have ended
	told traffic             // the most that was told of

	refusedBy map[kindOfRefusal]uint64
}

// traffic is bytes from callers, and to them.
type traffic struct{ in, out uint64 }

// NewMetrics returns Metrics of the calls of a board.
func NewMetrics(b *switchboard.Board) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		registry:  prometheus.NewRegistry(),
		board:     b,
		away:      map[session.ID]bool{},
		refusedBy: map[kindOfRefusal]uint64{},
		began:     counter("moip_calls_total", "Calls that have begun.", "transport"),
		ended:     counter("moip_calls_ended_total", "Calls that have ended, by the reason that the log tells.", "reason"),
		visits:    counter("moip_visits_ended_total", "Redirections that have ended, those that failed or ended with their call included, by reason.", "reason"),
		refusals:  counter("moip_refusals_total", "Callers who were not let in, by reason.", "transport", "reason"),
		forbidden: counter("moip_redirects_refused_total", "Redirections that the rules about them refuse, by reason.", "reason"),
		lasted: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "moip_call_seconds", Help: "How long calls lasted.", Buckets: []float64{1, 5, 15, 60, 300, 900, 1800, 3600, 7200},
		}),
		shortages: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "moip_descriptor_shortages_total", Help: "Times that somebody was not accepted, or a service not dialled, for want of a descriptor.",
		}),
		calls:    prometheus.NewDesc("moip_calls", "Calls under way.", []string{"transport", "state"}, nil),
		recorded: prometheus.NewDesc("moip_calls_recorded", "Calls under way that are being recorded.", nil, nil),
		bytes:    prometheus.NewDesc("moip_bytes_total", "Bytes from callers (in) and to them (out).", []string{"direction"}, nil),
	}
	m.registry.MustRegister(m, m.began, m.ended, m.visits, m.refusals, m.forbidden, m.lasted, m.shortages,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Note is told of each event of each call. It blocks nobody.
func (m *Metrics) Note(e session.Event) {
	switch e.Type {
	case session.Began:
		m.began.WithLabelValues(e.Caller.Transport).Inc()
	case session.Redirecting:
		m.leaves(e.Call)
	case session.Returned:
		m.returns(e)
		m.countForbidden(e.Err)
	case session.Ended:
		m.returns(e) // who leaves during a visit
		m.ended.WithLabelValues(string(e.Reason)).Inc()
		m.lasted.Observe(e.At.Sub(e.Began).Seconds())
		m.mu.Lock()
		defer m.mu.Unlock()
		m.past.in, m.past.out = m.past.in+e.In, m.past.out+e.Out
	}
}

func (m *Metrics) leaves(call session.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away[call] = true
}

// returns counts a visit that ends, if there is one.
func (m *Metrics) returns(e session.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away[e.Call] {
		delete(m.away, e.Call)
		m.visits.WithLabelValues(string(e.Reason)).Inc()
	}
}

// CountRefusal is told of each caller who is not let in. It blocks nobody.
func (m *Metrics) CountRefusal(transport, reason string) {
	m.refusals.WithLabelValues(transport, reason).Inc()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refusedBy[kindOfRefusal{transport, reason}]++
}

// CountShortage is told of each time that a descriptor was wanting. It blocks nobody.
func (m *Metrics) CountShortage() { m.shortages.Inc() }

// countForbidden counts a redirection that failed with err if the rules refuse it, and
// reports whether they do.
func (m *Metrics) countForbidden(err error) bool {
	refusal, ok := errors.AsType[*outbound.Refusal](err)
	if ok {
		m.forbidden.WithLabelValues(string(refusal.Reason)).Inc()
	}
	return ok
}

// Describe is Prometheus's.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	to <- m.calls
	to <- m.recorded
	to <- m.bytes
}

// Collect is Prometheus's.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	type kind struct{ transport, state string }
	calls, recorded := map[kind]int{}, 0
	all := m.ofPast()
	for _, info := range m.board.Calls() {
		calls[kind{info.Caller.Transport, info.State.String()}]++
		all.in, all.out = all.in+info.In, all.out+info.Out
		if info.Recorded {
			recorded++
		}
	}
	for k, n := range calls {
		to <- prometheus.MustNewConstMetric(m.calls, prometheus.GaugeValue, float64(n), k.transport, k.state)
	}
	to <- prometheus.MustNewConstMetric(m.recorded, prometheus.GaugeValue, float64(recorded))
	all = m.upTo(all)
	to <- prometheus.MustNewConstMetric(m.bytes, prometheus.CounterValue, float64(all.in), "in")
	to <- prometheus.MustNewConstMetric(m.bytes, prometheus.CounterValue, float64(all.out), "out")
}

func (m *Metrics) ofPast() traffic {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.past
}

// upTo returns all, or what was told before, if that is more: a call that ends just now
// may be missing from all, and a counter that falls looks like a gateway that began anew.
func (m *Metrics) upTo(all traffic) traffic {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told.in, m.told.out = max(m.told.in, all.in), max(m.told.out, all.out)
	return m.told
}

package admin

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// What is told of the gateway itself, besides its calls.
var (
	houseInfo      = prometheus.NewDesc("moip_info", "1, for the version that runs.", []string{"version"}, nil)
	houseReady     = prometheus.NewDesc("moip_ready", "1 if calls may come, as /readyz has it.", nil, nil)
	linkUp         = prometheus.NewDesc("moip_link_up", "1 if the control link to the portal is up; not there without one.", nil, nil)
	refusedDoor    = prometheus.NewDesc("moip_admin_refusals_total", "Requests at the operators' door that were refused, by reason.", []string{"reason"}, nil)
	historyLost    = prometheus.NewDesc("moip_history_lost_total", "What the history has lost because it could not be written.", nil, nil)
	certificateEnd = prometheus.NewDesc("moip_certificate_expiry_timestamp_seconds", "When a certificate ends, 0 if there is none yet; the first to end of a name.", []string{"name"}, nil)
	linesLost      = prometheus.NewDesc("moip_log_lines_lost_total", "Lines of the log that were not written, or not in time.", nil, nil)
	historyWaiting = prometheus.NewDesc("moip_history_waiting", "Calls that have ended, and wait to be written into the history.", nil, nil)
)

// Describe is Prometheus's. What is told depends on what there is.
func (desk) Describe(chan<- *prometheus.Desc) {}

// Collect is Prometheus's.
func (d desk) Collect(to chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	state := d.House.State()
	gauge(houseInfo, 1, state.Version)
	gauge(houseReady, oneIf(state.Ready))
	ends := map[string]float64{}
	for _, c := range state.Certificates {
		at := 0.0
		if !c.Until.IsZero() {
			at = float64(c.Until.Unix())
		}
		if first, known := ends[c.Name]; !known || at < first {
			ends[c.Name] = at
		}
	}
	for name, at := range ends {
		gauge(certificateEnd, at, name)
	}
	d.collectLimits(gauge)
	d.collectHub(gauge)
	if d.Link != nil {
		gauge(linkUp, oneIf(d.Link().Up))
	}
	for reason, n := range d.Gate.Refused() {
		to <- prometheus.MustNewConstMetric(refusedDoor, prometheus.CounterValue, float64(n), reason)
	}
	if d.Bans != nil {
		d.collectBans(to)
	}
	if d.Shield != nil {
		d.collectShield(to)
	}
	if !d.Events.Alone() {
		collectEvents(d.Events.Counts(), to)
	}
	if d.Shipping != nil {
		collectShipping(d.Shipping(), to)
	}
	if d.Unlogged != nil {
		to <- prometheus.MustNewConstMetric(linesLost, prometheus.CounterValue, float64(d.Unlogged()))
	}
	if d.History != nil {
		lost, waiting := d.History.Losses()
		to <- prometheus.MustNewConstMetric(historyLost, prometheus.CounterValue, float64(lost))
		gauge(historyWaiting, float64(waiting))
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// metrics tells what was counted, and of the gateway itself.
func (d desk) metrics(w http.ResponseWriter, r *http.Request) {
	house := prometheus.NewRegistry()
	house.MustRegister(d)
	promhttp.HandlerFor(prometheus.Gatherers{d.Metrics.registry, house}, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

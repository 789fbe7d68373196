package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"moip/internal/control/cluster/news"
)

var (
	publishedEvents = prometheus.NewDesc("moip_events_published_total", "Events that were told to the other gateways of the hub; not there for a gateway that is alone.", nil, nil)
	waitingEvents   = prometheus.NewDesc("moip_events_waiting", "Events that wait to be told to the other gateways, while the bus is down.", nil, nil)
	lostEvents      = prometheus.NewDesc("moip_events_lost_total", "Events for which there was no room while the bus was down.", nil, nil)
)

func collectEvents(c news.Counts, to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(publishedEvents, prometheus.CounterValue, float64(c.Published))
	to <- prometheus.MustNewConstMetric(waitingEvents, prometheus.GaugeValue, float64(c.Waiting))
	to <- prometheus.MustNewConstMetric(lostEvents, prometheus.CounterValue, float64(c.Lost))
}

package admin

import "github.com/prometheus/client_golang/prometheus"

// Shipping is how the records of calls get to a stream.
type Shipping struct {
	Shipped uint64 // since the gateway was started
	Waiting int
	Missed  int  // since then: deleted before they could be shipped
	Failing bool // what was tried last
}

var (
	shippedRecords = prometheus.NewDesc("moip_records_shipped_total", "Records of calls that have arrived at the stream; not there without one.", nil, nil)
	missedRecords  = prometheus.NewDesc("moip_records_missed_total", "Records that the history has deleted before they were shipped.", nil, nil)
	waitingRecords = prometheus.NewDesc("moip_records_waiting", "Records that wait in the history to be shipped.", nil, nil)
	shippingFails  = prometheus.NewDesc("moip_records_failing", "1 if records could not be shipped when that was tried last.", nil, nil)
)

func collectShipping(s Shipping, to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(shippedRecords, prometheus.CounterValue, float64(s.Shipped))
	to <- prometheus.MustNewConstMetric(missedRecords, prometheus.CounterValue, float64(s.Missed))
	to <- prometheus.MustNewConstMetric(waitingRecords, prometheus.GaugeValue, float64(s.Waiting))
	to <- prometheus.MustNewConstMetric(shippingFails, prometheus.GaugeValue, oneIf(s.Failing))
}

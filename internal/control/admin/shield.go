package admin

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"moip/internal/policy"
	"moip/internal/policy/ban"
	"moip/internal/policy/shield"
)

// A Household is what the shield knows of one.
type Household = shield.Household

// Shield is what the shield has seen.
type Shield struct {
	Mode       shield.Mode `json:"mode"`
	Known      int         `json:"known"`      // households that something speaks against
	Households []Household `json:"households"` // the highest scores, up to 1,000
}

const maxHouseholds = 1000

func (d desk) shield(*http.Request) (any, error) {
	told := Shield{Mode: d.Shield.Rules().Mode}
	told.Households, told.Known = d.Shield.Households(maxHouseholds)
	if told.Households == nil {
		told.Households = []Household{}
	}
	return told, nil
}

func (d desk) forgive(r *http.Request) (any, error) {
	network, err := policy.ParseNetwork(r.PathValue("household"))
	if err != nil {
		return nil, fault{err}
	}
	who := policy.Household(network.Addr())
	if network.Bits() < who.Bits() {
		return nil, faulty("%v is more than one household (write an address)", network)
	}
	if err := d.Shield.Forgive(network.Addr()); err != nil {
		return nil, fmt.Errorf("%s: %w", ban.Name(who), err)
	}
	d.Log.Info("forgiven", "network", who)
	return nil, d.saved(r)
}

var (
	shieldScores   = prometheus.NewDesc("moip_shield_scores", "Households whose score is so high that they are slowed, or banned; in observe mode, would be.", []string{"state"}, nil)
	shieldEvidence = prometheus.NewDesc("moip_shield_evidence_total", "What was seen of scanners, by kind.", []string{"kind"}, nil)
)

// collectShield tells of the shield.
func (d desk) collectShield(to chan<- prometheus.Metric) {
	for state, n := range d.Shield.Count() {
		to <- prometheus.MustNewConstMetric(shieldScores, prometheus.GaugeValue, float64(n), string(state))
	}
	for kind, n := range d.Shield.Totals() {
		to <- prometheus.MustNewConstMetric(shieldEvidence, prometheus.CounterValue, float64(n), string(kind))
	}
}

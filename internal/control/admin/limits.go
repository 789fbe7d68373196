package admin

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"moip/internal/memory"
	"moip/internal/policy/ban"
	"moip/internal/policy/limit"
)

// Limits are those of how many may come and how fast, how much of them is taken and by
// whom, and how many were refused since the gateway began, for whatever reason.
type Limits struct {
	Rules    limit.Rules `json:"rules"` // 0 is no limit
	Calls    int         `json:"calls"`
	Arriving int         `json:"arriving"` // connections that are no calls yet
	Busiest  []Share     `json:"busiest"`
	Refused  []Refused   `json:"refused"` // the most frequent first

	Memory memory.Usage `json:"memory"`

	Hub *HubUsage `json:"hub,omitempty"` // what limits count that hold for all gateways; not there for one that is alone
}

// HubUsage are what a gateway knows of the calls of others, and tells them.
type HubUsage = limit.HubUsage

// A Share is what a household, or a network around some, has of all calls. Only those are
// told of that limits hold for.
type Share struct {
	Of    string `json:"of"`
	Calls int    `json:"calls"`

	Abroad int `json:"abroad,omitempty"` // beside, that other gateways have told of
}

// Refused says how many were, by a transport and for a reason.
type Refused struct {
	Transport string `json:"transport"`
	Reason    string `json:"reason"`
	Times     uint64 `json:"times"`
}

func (d desk) limits(*http.Request) (any, error) {
	u := d.Limits.Usage()
	told := Limits{Rules: u.Rules, Calls: u.Calls, Arriving: u.Arriving, Busiest: []Share{}, Refused: d.Metrics.refused()}
	if d.Memory != nil {
		told.Memory = d.Memory()
	}
	for _, s := range u.Busiest {
		told.Busiest = append(told.Busiest, Share{ban.Name(s.Of), s.Calls, s.Abroad})
	}
	if u.Hub.Gateways > 0 {
		told.Hub = &u.Hub
	}
	return told, nil
}

// A kindOfRefusal is of whom, and why.
type kindOfRefusal struct{ transport, reason string }

// refused lists who was refused, the most frequent first.
func (m *Metrics) refused() []Refused {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []Refused{}
	for kind, n := range m.refusedBy {
		all = append(all, Refused{kind.transport, kind.reason, n})
	}
	slices.SortFunc(all, func(a, b Refused) int {
		return cmp.Or(cmp.Compare(b.Times, a.Times), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Transport, b.Transport))
	})
	return all
}

var (
	limitCalls = prometheus.NewDesc("moip_calls_most", "How many calls there may be at a time; not there if there is no limit.", nil, nil)
	memoryMost = prometheus.NewDesc("moip_memory_most_bytes", "Memory beyond which callers are refused; not there if there is no limit.", nil, nil)
	memoryUsed = prometheus.NewDesc("moip_memory_needed_bytes", "Memory that is needed, by the process or its control group, garbage not counted.", nil, nil)
	hubMost    = prometheus.NewDesc("moip_hub_calls_most", "How many calls there may be of all gateways together; not there if there is no limit.", nil, nil)
	hubTellers = prometheus.NewDesc("moip_hub_counted_gateways", "Gateways whose calls limits count, this one included; not there for one that is alone.", nil, nil)
	arriving   = prometheus.NewDesc("moip_connections_arriving", "Connections that are no calls yet.", nil, nil)
)

// collectLimits tells Prometheus of the limits.
func (d desk) collectLimits(gauge func(desc *prometheus.Desc, v float64, labels ...string)) {
	_, there, most := d.Limits.Count()
	gauge(arriving, float64(there))
	if most > 0 {
		gauge(limitCalls, float64(most))
	}
	if hub := d.Limits.Hub(); hub.Gateways > 0 {
		gauge(hubTellers, float64(hub.Gateways))
		if hub.Most > 0 {
			gauge(hubMost, float64(hub.Most))
		}
	}
	if d.Memory != nil {
		u := d.Memory()
		gauge(memoryUsed, float64(u.Taken))
		if u.Most > 0 {
			gauge(memoryMost, float64(u.Most))
		}
	}
}

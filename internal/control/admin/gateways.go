package admin

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"moip/internal/control/cluster"
)

// Gateways are those of the hub, by name, as the one that is asked knows them.
type Gateways struct {
	Bus      *Bus      `json:"bus,omitempty"` // not there for a gateway that is alone
	Gateways []Gateway `json:"gateways"`
}

// A Bus is what connects the gateways.
type Bus struct {
	Up    bool      `json:"up"`
	Since time.Time `json:"since"` // that it is so
	At    string    `json:"at"`    // without name and password
	Why   string    `json:"why,omitempty"`
}

// A Gateway is one of the hub. What one that is silent has last said may be true no more.
type Gateway struct {
	Name     string    `json:"name"`
	Instance string    `json:"instance"` // of the process
	Host     string    `json:"host,omitempty"`
	Self     bool      `json:"self"`
	State    string    `json:"state"` // running, draining, replaced or stopping
	Version  string    `json:"version"`
	Protocol int       `json:"protocol"`
	Began    time.Time `json:"began"` // by its clock
	Heard    time.Time `json:"heard"` // last, by the clock of who is asked
	Silent   bool      `json:"silent"`
	Skew     int64     `json:"skew"` // of its clock, in milliseconds; positive if it is ahead
	Calls    int       `json:"calls"`
	MaxCalls int       `json:"maxCalls"` // 0 for any number
	Config   string    `json:"config"`   // equal for equal configurations, but for the table cluster
	Fault    string    `json:"fault,omitempty"`
}

func (d desk) gateways(*http.Request) (any, error) {
	told := Gateways{Bus: d.bus(), Gateways: []Gateway{}}
	for _, s := range d.Hub.Gateways() {
		told.Gateways = append(told.Gateways, Gateway{
			Name: s.Name, Instance: s.Instance, Host: s.Host, Self: s.Self, State: s.State, Version: s.Version, Protocol: s.Protocol,
			Began: s.Began.UTC(), Heard: s.Heard.UTC(), Silent: s.Silent, Skew: s.Skew.Milliseconds(),
			Calls: s.Calls, MaxCalls: s.MaxCalls, Config: s.Config, Fault: s.Fault,
		})
	}
	return told, nil
}

// bus tells how the bus is, nil for a gateway that is alone.
func (d desk) bus() *Bus {
	if d.Hub.Alone() {
		return nil
	}
	s := d.Hub.Bus().State()
	told := &Bus{Up: s.Up, Since: s.Since.UTC(), At: s.At}
	if s.Why != nil {
		told.Why = s.Why.Error()
	}
	return told
}

func (d desk) forget(r *http.Request) (any, error) {
	name := r.PathValue("name")
	if err := d.Hub.Forget(name); err != nil {
		return nil, err
	}
	d.Log.Info("a silent gateway is forgotten", "gateway", name)
	return nil, nil
}

var (
	hubGateways = prometheus.NewDesc("moip_gateways", "Gateways of the hub, by state; silent are those that have not been heard for a while.", []string{"state"}, nil)
	hubCalls    = prometheus.NewDesc("moip_hub_calls", "Calls under way at all gateways of the hub that are heard.", nil, nil)
	hubVersions = prometheus.NewDesc("moip_hub_versions", "Different versions of the program among the gateways that are heard.", nil, nil)
	hubConfigs  = prometheus.NewDesc("moip_hub_configurations", "Different configurations in force among the gateways that are running.", nil, nil)
	hubSkew     = prometheus.NewDesc("moip_gateway_clock_skew_seconds", "How far the clock of another gateway is ahead of this one's.", []string{"gateway"}, nil)
	hubBus      = prometheus.NewDesc("moip_bus_up", "1 if the bus to the other gateways can be reached; not there for a gateway that is alone.", nil, nil)
	hubAside    = prometheus.NewDesc("moip_name_taken", "1 if another gateway has this one's name, and this one keeps out of what the hub shares.", nil, nil)
)

// collectHub tells of the gateways of the hub.
func (d desk) collectHub(gauge func(*prometheus.Desc, float64, ...string)) {
	states, skews := map[string]int{"running": 0, "silent": 0}, map[string]time.Duration{}
	versions, configs := map[string]bool{}, map[string]bool{}
	calls, aside := 0, false
	for _, s := range d.Hub.Gateways() {
		if s.Silent {
			states["silent"]++
			continue
		}
		states[metricState(s)]++
		versions[s.Version] = true
		calls += s.Calls
		aside = aside || s.Self && s.Aside
		if s.State == "running" {
			configs[s.Config] = true
		}
		if !s.Self && s.Skew.Abs() >= skews[s.Name].Abs() { // there may be two of one name
			skews[s.Name] = s.Skew
		}
	}
	for state, n := range states {
		gauge(hubGateways, float64(n), state)
	}
	for name, skew := range skews {
		gauge(hubSkew, skew.Seconds(), name)
	}
	gauge(hubCalls, float64(calls))
	gauge(hubVersions, float64(len(versions)))
	gauge(hubConfigs, float64(len(configs)))
	gauge(hubAside, oneIf(aside))
	if b := d.bus(); b != nil {
		gauge(hubBus, oneIf(b.Up))
	}
}

// metricState is a state as it is counted: newer gateways may have others.
func metricState(s cluster.Seen) string {
	switch s.State {
	case "running", "draining", "replaced", "stopping":
		return s.State
	}
	return "other"
}

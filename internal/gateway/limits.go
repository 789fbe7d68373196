package gateway

import (
	"net/http"
	"net/netip"
	"time"

	"moip/internal/config"
	"moip/internal/downstream"
	"moip/internal/memory"
	"moip/internal/policy/limit"
)

// householdRequests is how many pages and the like a household may ask for in a second.
const householdRequests = 100

func (g *gateway) openLimits() {
	g.limits = limit.New(g.rules(g.cfg), g.isMany)
	g.memory = memory.Open(g.log)
	g.work = append(g.work, g.memory.Run)
}

// isMany reports whether an address may be that of many, who cannot be told from each
// other: it is never banned, or a proxy's.
func (g *gateway) isMany(a netip.Addr) bool { return g.bans.IsExempt(a) || g.proxies.Load().Trusts(a) }

// rules returns the limits that a configuration has.
func (g *gateway) rules(cfg *config.Config) limit.Rules {
	files := limit.Descriptors()
	calls, arriving := limit.Fitting(files, cfg.FilesOfCall())
	if most := int(cfg.Limits.MaxCalls); most > calls {
		g.log.Warn("limits.max_calls is more than may fit", "max_calls", most, "fit", calls, "open files", files)
	}
	hub := 0
	if cfg.Clustered() {
		hub = cfg.Cluster.MaxCalls
	}
	return limit.Rules{
		HubCalls:          hub,
		Calls:             orAuto(cfg.Limits.MaxCalls, max(calls, 1)),
		HouseholdCalls:    cfg.Limits.HouseholdCalls,
		NetworkCalls:      cfg.Limits.NetworkCalls,
		NewCalls:          cfg.Limits.NewCalls,
		HouseholdNewCalls: cfg.Limits.HouseholdNewCalls,
		HouseholdRequests: householdRequests,
		Arriving:          orAuto(cfg.Limits.Arriving, arriving),
		HouseholdArriving: cfg.Limits.HouseholdArriving,
	}
}

func orAuto(n config.Count, auto int) int {
	if n == config.CountAuto {
		return auto
	}
	return int(n)
}

// arrive has a connection counted that is no call yet.
func (g *gateway) arrive(from netip.AddrPort, transport string, out func()) (left func()) {
	return g.limits.Arrive(from.Addr(), func() {
		out()
		g.refuse(from, transport, string(limit.Crowded), downstream.Refusal{})
	})
}

// enter says why there may be no call, and counts it if there may.
func (g *gateway) enter(from netip.AddrPort, transport string) (leave func(), _ *downstream.Refusal) {
	if !limit.FilesForCalls() {
		g.files.note(errKept)
		return nil, g.refuse(from, transport, string(limit.Files), refusals[limit.Files])
	}
	if !g.memory.Enough() {
		return nil, g.refuse(from, transport, string(limit.Memory), refusals[limit.Memory])
	}
	leave, reason := g.limits.Enter(from.Addr())
	if reason != "" {
		return nil, g.refuse(from, transport, string(reason), refusals[reason])
	}
	return leave, nil
}

// ask says why a request may not come, if requests come too fast.
func (g *gateway) ask(from netip.AddrPort, transport string) *downstream.Refusal {
	if g.limits.Ask(from.Addr()) {
		return nil
	}
	return g.refuse(from, transport, string(limit.HouseholdFast), refusals[limit.HouseholdFast])
}

// refusals are what callers are told who are one too many. When a call will be over,
// nobody knows; a rate has recovered in a second.
var refusals = map[limit.Reason]downstream.Refusal{
	limit.Memory:        {Text: "Toutes les lignes sont occupées.", Status: http.StatusServiceUnavailable, Again: 30 * time.Second},
	limit.Files:         {Text: "Toutes les lignes sont occupées.", Status: http.StatusServiceUnavailable, Again: 30 * time.Second},
	limit.Full:          {Text: "Toutes les lignes sont occupées.", Status: http.StatusServiceUnavailable, Again: 30 * time.Second},
	limit.HubFull:       {Text: "Toutes les lignes sont occupées.", Status: http.StatusServiceUnavailable, Again: 30 * time.Second},
	limit.HouseholdFull: {Text: "Trop d'appels depuis votre adresse.", Status: http.StatusTooManyRequests, Again: 30 * time.Second},
	limit.NetworkFull:   {Text: "Trop d'appels depuis votre réseau.", Status: http.StatusTooManyRequests, Again: 30 * time.Second},
	limit.TooFast:       {Text: "Trop d'appels en même temps.", Status: http.StatusServiceUnavailable, Again: 2 * time.Second},
	limit.HouseholdFast: {Text: "Trop d'appels en même temps.", Status: http.StatusTooManyRequests, Again: 2 * time.Second},
}

package admin

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"moip/internal/session"
	"moip/internal/switchboard"
)

// Every visit ends once: before its call, with it, or by coming to nothing.
func TestVisitsEnd(t *testing.T) {
	m := NewMetrics(switchboard.New(nil))
	for _, e := range []session.Event{
		{Call: 1, Type: session.Redirecting}, {Call: 1, Type: session.Redirected},
		{Call: 1, Type: session.Returned, Reason: session.ReasonFin},
		{Call: 1, Type: session.Ended, Reason: session.ReasonGone},
		{Call: 2, Type: session.Redirecting}, {Call: 2, Type: session.Redirected},
		{Call: 2, Type: session.Ended, Reason: session.ReasonGone},
		{Call: 3, Type: session.Redirecting},
		{Call: 3, Type: session.Returned, Reason: session.ReasonRefused},
		{Call: 3, Type: session.Ended, Reason: session.ReasonGone},
	} {
		m.Note(e)
	}
	out := httptest.NewRecorder()
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}).ServeHTTP(out, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`moip_visits_ended_total{reason="fin"} 1`, `moip_visits_ended_total{reason="gone"} 1`, `moip_visits_ended_total{reason="refused"} 1`,
		`moip_calls_ended_total{reason="gone"} 3`,
	} {
		if !strings.Contains(out.Body.String(), want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}

// Who is refused is counted from the first on, and listed by how many there are.
func TestRefusals(t *testing.T) {
	m := NewMetrics(switchboard.New(nil))
	if got := m.refused(); len(got) != 0 {
		t.Errorf("before anybody came: %v", got)
	}
	m.CountRefusal("ws", "banned")
	m.CountRefusal("tcp", "proxy")
	m.CountRefusal("tcp", "proxy")
	if got, want := m.refused(), []Refused{{"tcp", "proxy", 2}, {"ws", "banned", 1}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

package admin

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/bus"
	"moip/internal/control/cluster"
)

// Gateways of a hub list each other, those that are silent with what was last known, until
// they are forgotten; one that is alone lists itself.
func TestGateways(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		began := time.Now()
		places := map[string]*bus.Place{}
		start := func(name string, alone bool, ahead time.Duration) *cluster.Hub {
			places[name] = x.Join()
			h := cluster.New(cluster.Options{
				Bus: places[name], Name: name, Alone: alone, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(ahead) },
				Self: func() cluster.Gateway {
					return cluster.Gateway{State: "running", Version: "1", Began: began, Calls: 7, MaxCalls: 100, Config: "c"}
				},
			})
			if !alone {
				ctx, cancel := context.WithCancel(context.Background())
				t.Cleanup(func() { cancel(); synctest.Wait() })
				go h.Run(ctx)
			}
			return h
		}
		ask := func(h *cluster.Hub, method, path string, into any) int {
			d := desk{Options{Hub: h, Log: slog.New(slog.DiscardHandler)}}
			mux := http.NewServeMux()
			mux.Handle("GET /gateways", handler(d.gateways))
			mux.Handle("DELETE /gateways/{name}", handler(d.forget))
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			if into != nil {
				if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
					t.Errorf("%v: %s", err, w.Body)
				}
			}
			return w.Code
		}
		alone := start("alone", true, 0)
		a, b := start("a", false, 0), start("b", false, time.Minute)
		time.Sleep(10 * time.Second)

		var told Gateways
		ask(alone, "GET", "/gateways", &told)
		if g := told.Gateways; told.Bus != nil || len(g) != 1 || g[0].Name != "alone" || !g[0].Self || g[0].Fault != "" {
			t.Errorf("%+v", told)
		}
		ask(a, "GET", "/gateways", &told)
		if bus := told.Bus; bus == nil || !bus.Up || bus.At == "" || bus.Why != "" {
			t.Errorf("%+v", bus)
		}
		want := Gateway{
			Name: "b", Instance: b.Instance(), Host: told.Gateways[0].Host, State: "running", Version: "1", Protocol: cluster.Protocol, Began: began.UTC(),
			Heard: told.Gateways[1].Heard, Skew: 60_000, Calls: 7, MaxCalls: 100, Config: "c", Fault: told.Gateways[1].Fault,
		}
		if got := told.Gateways[1]; got != want || !strings.Contains(got.Fault, "clock") || time.Since(got.Heard) > 2*time.Second {
			t.Errorf("%+v", told.Gateways)
		}
		if status := ask(a, "DELETE", "/gateways/b", nil); status != http.StatusConflict {
			t.Errorf("one that is there: %d", status)
		}
		cut := time.Now()
		places["b"].Cut(context.Canceled)
		time.Sleep(8 * time.Second)
		ask(a, "GET", "/gateways", &told)
		if got := told.Gateways[1]; !got.Silent || got.Heard.After(cut) || cut.Sub(got.Heard) > 2*time.Second || got.Calls != 7 {
			t.Errorf("%+v", got)
		}
		told = Gateways{}
		ask(b, "GET", "/gateways", &told)
		if told.Bus.Up || told.Bus.Why != "context canceled" || !told.Gateways[0].Silent || told.Gateways[1].Silent {
			t.Errorf("%+v", told)
		}
		for _, want := range []int{http.StatusNoContent, http.StatusNotFound} {
			if status := ask(a, "DELETE", "/gateways/b", nil); status != want {
				t.Errorf("%d, not %d", status, want)
			}
		}
	})
}

// States that a newer gateway has make no metrics of their own.
func TestStatesCounted(t *testing.T) {
	for state, want := range map[string]string{"running": "running", "draining": "draining", "musing": "other", "": "other"} {
		if got := metricState(cluster.Seen{Gateway: cluster.Gateway{State: state}}); got != want {
			t.Errorf("%s is counted as %s", state, got)
		}
	}
}

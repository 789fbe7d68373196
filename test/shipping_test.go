package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"moip/internal/bus/natstest"
	"moip/internal/history"
)

// The records of calls are in a stream in the end, each once, though the gateway is killed
// with a caller at a service, and NATS is away when it comes back.
func TestShipping(t *testing.T) {
	t.Parallel()
	server := natstest.New(t, natstest.JetStream)
	dir, file := t.TempDir(), "moip.toml"
	if err := os.WriteFile(filepath.Join(dir, file), fmt.Appendf(nil, "listen = ['tcp://127.0.0.1:0']\n[history]\nfile = 'kept.db'\n[bans]\nfile = 'none'\n[shield]\nfile = 'none'\n"+
		"[cluster]\nnode = 'paris'\nurl = ['%s']\nrecords = 'CALLS'\n", server.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	starts := func() *gateway {
		t.Helper()
		return runsIn(t, dir, "--config", file, "--history", "kept.db")
	}
	g := starts()
	gone := calls(t, g.doors["tcp"], "127.0.0.1")
	gone.types("SALON<Envoi>")
	gone.sees("Votre pseudo")
	gone.types("<Fin>")
	gone.sees("SALON : visite terminée")
	gone.conn.Close()

	conn, err := nats.Connect(server.URL, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	// arrive waits until so many records are there, and returns the last.
	arrive := func(n uint64) (last struct {
		Gateway string
		history.Record
	}) {
		t.Helper()
		for late := time.Now().Add(3 * patience); ; time.Sleep(50 * time.Millisecond) {
			stream, err := js.Stream(t.Context(), "CALLS")
			if err == nil && stream.CachedInfo().State.Msgs == n {
				m, err := stream.GetMsg(t.Context(), n)
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(m.Data, &last); err != nil {
					t.Fatal(err)
				}
				if want := fmt.Sprintf("paris.%d.%d", last.Run.UnixMicro(), last.Call); m.Header.Get("Nats-Msg-Id") != want {
					t.Errorf("%v, not %s", m.Header, want)
				}
				return last
			}
			if time.Now().After(late) {
				t.Fatalf("%d records are not there, but %v, %v\n%s", n, stream, err, &g.log)
			}
		}
	}
	if r := arrive(1); r.Gateway != "paris" || r.Call != 1 || r.Reason != "gone" || len(r.Visits) != 1 || r.Visits[0].Currency == "" {
		t.Errorf("%+v", r)
	}
	there := calls(t, g.doors["tcp"], "127.0.0.1")
	there.types("SALON<Envoi>")
	there.sees("Votre pseudo")
	written(t, filepath.Join(dir, "kept.db"), 2)
	g.kill()
	server.Kill()
	g = starts()
	time.Sleep(time.Second)
	server.Start()
	if r := arrive(2); r.Gateway != "paris" || r.Call != 2 || r.Reason != "killed" || len(r.Visits) != 1 || r.Visits[0].Reason != "killed" {
		t.Errorf("%+v", r)
	}
}

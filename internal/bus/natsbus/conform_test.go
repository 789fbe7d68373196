package natsbus

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"moip/internal/bus"
	"moip/internal/bus/bustest"
	"moip/internal/bus/natstest"
	"moip/internal/testkit/freeport"
)

// startsNATS starts a NATS server that runs elsewhere, as far as a gateway can tell.
func startsNATS(t *testing.T, o server.Options) *server.Server {
	t.Helper()
	o.Host, o.NoSigs, o.NoLog = "127.0.0.1", true, true
	if o.Port == 0 {
		o.Port = -1
	}
	s, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	return s
}

// behind has the first place behind a line to a server, and others at servers of their own.
func behind(t *testing.T, at ...string) bustest.Net {
	line := opensLine(t, at[0])
	n := 0
	return bustest.Net{
		Join: func(t *testing.T) bus.Bus {
			to := line.at
			if n > 0 {
				to = at[n%len(at)]
			}
			n++
			return opens(t, Options{Servers: []string{"nats://" + to}})
		},
		Cut: line.Cut, Heal: line.Heal,
	}
}

func TestConforms(t *testing.T) {
	for name, open := range map[string]func(*testing.T) bustest.Net{
		"one server": func(t *testing.T) bustest.Net {
			return behind(t, startsNATS(t, server.Options{}).Addr().String())
		},
		"three servers": func(t *testing.T) bustest.Net {
			var at []string
			var routes []*url.URL
			for range 3 {
				o := server.Options{Routes: routes}
				o.Cluster = server.ClusterOpts{Name: "elsewhere", Host: "127.0.0.1", Port: -1, NoAdvertise: true}
				s := startsNATS(t, o)
				at = append(at, s.Addr().String())
				routes = append(routes, &url.URL{Scheme: "nats-route", Host: s.ClusterAddr().String()})
			}
			return behind(t, at...)
		},
		"Debian's server": debians,
		"inside":          inside,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bustest.Conform(t, open)
		})
	}
}

// debians is Debian's server, with an account that may do what a gateway needs, and no more.
func debians(t *testing.T) bustest.Net {
	s := natstest.New(t, `authorization { users: [ { user: paris, password: "`+secret+`", `+allowed+` } ] }`)
	line := opensLine(t, strings.TrimPrefix(s.URL, "nats://"))
	login := Login{User: "paris", Password: writes(t, "password", secret)}
	return bustest.Net{
		Join: func(t *testing.T) bus.Bus {
			b := opens(t, Options{Servers: []string{"nats://" + line.at}, Login: login})
			t.Cleanup(func() {
				if err := b.Refusal(); err != nil {
					t.Error(err)
				}
			})
			return b
		},
		Cut: line.Cut, Heal: line.Heal,
	}
}

// inside has a server in each place. The first two are connected by lines.
func inside(t *testing.T) bustest.Net {
	places := []string{freeport.Addr(t), freeport.Addr(t), freeport.Addr(t)}
	lines := []*line{opensLine(t, places[0]), opensLine(t, places[1])}
	routes := [][]string{{lines[1].at}, {lines[0].at}, places[:2]}
	n := 0
	return bustest.Net{
		Join: func(t *testing.T) bus.Bus {
			o := ServerOptions{Listen: places[n], Name: "paris", Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
			o.Routes = routes[n]
			n++
			s, err := StartServer(o)
			if err != nil {
				t.Fatal(err)
			}
			return opens(t, Options{Inside: s})
		},
		Cut: func() {
			for _, l := range lines {
				l.Cut()
			}
		},
		Heal: func() {
			for _, l := range lines {
				l.Heal()
			}
		},
	}
}

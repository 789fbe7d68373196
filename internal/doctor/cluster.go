package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"moip/internal/bus"
	"moip/internal/bus/natsbus"
	"moip/internal/control/cluster"
)

// How long the bus is waited for, and the gateways on it.
const (
	busTime    = 5 * time.Second
	rollTime   = 500 * time.Millisecond
	rollTimes  = 3
	maxAnswers = 4096
)

// clusterChecks are those of the hub. A gateway that is alone has none.
func (o Options) clusterChecks() (checks []check) {
	if !o.Config.Clustered() {
		return nil
	}
	c := o.Config.Cluster
	for key, file := range map[string]string{
		"credentials": c.Credentials, "nkey": c.NKey, "password_file": c.PasswordFile, "token_file": c.TokenFile, "key": c.Key,
	} {
		if file != "" {
			checks = append(checks, check{"cluster", func(context.Context) []Finding { return checkSecret(key, file) }})
		}
	}
	checks = append(checks, check{"cluster", o.checkBus})
	if c.Records != "" {
		checks = append(checks, check{"records", o.checkStream})
	}
	return checks
}

// checkSecret looks who can read a file. What is in it, the bus will tell.
func checkSecret(key, file string) []Finding {
	info, err := os.Stat(file)
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		return []Finding{warning("cluster", "chmod 640 "+file, "%s: %s can be read or written by everybody on this machine (mode %04o)", key, file, info.Mode().Perm())}
	}
	return nil
}

// checkBus joins the hub for a moment, as a gateway would, and asks who is there.
func (o Options) checkBus(ctx context.Context) []Finding {
	const name = "cluster"
	b, err := o.join()
	if err != nil {
		return []Finding{problem(name, "mend that; a gateway does not start with it", "%v", err)}
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(ctx, busTime)
	defer cancel()
	if s := await(ctx, b); !s.Up {
		if o.Config.Cluster.Listen != "" {
			return []Finding{warning(name, "start the others, or see whether a firewall is in between; they need the same secret_file and ca", "%s: %v", s.At, s.Why)}
		}
		return []Finding{problem(name, "see whether it runs, and whether it knows what [cluster] says; a gateway starts all the same, and keeps trying", "%s: %v", s.At, s.Why)}
	}
	found := []Finding{o.roll(ctx, b)}
	if err := b.Refusal(); err != nil {
		prefix := o.Config.Cluster.Prefix
		found = append(found, problem(name, fmt.Sprintf(`allow this account to publish and to subscribe to "%s.>"`, prefix), "%v", err))
	}
	return found
}

// join returns a place on the bus. Where that is inside, it has a server of its own, which
// knows the gateway's, too, if that runs.
func (o Options) join() (*natsbus.Bus, error) {
	log := slog.New(slog.DiscardHandler)
	options := o.Config.Bus(log)
	options.Name += " doctor"
	if listen := o.Config.Cluster.Listen; listen != "" {
		server, err := o.Config.BusServer(log)
		if err != nil {
			return nil, err
		}
		server.Listen, server.Routes = "127.0.0.1:0", slices.Clone(server.Routes)
		if l, err := net.Listen("tcp", listen); err == nil {
			l.Close()
		} else {
			server.Routes = append(server.Routes, natsbus.Nearby(listen))
		}
		if options.Inside, err = natsbus.StartServer(server); err != nil {
			return nil, err
		}
	}
	b, err := natsbus.Open(options)
	if err != nil && options.Inside != nil {
		options.Inside.Close()
	}
	return b, err
}

// await waits for a bus to be up.
func await(ctx context.Context, b bus.Bus) bus.State {
	change := make(chan struct{}, 1)
	defer b.Follow(func(bus.State) {
		select {
		case change <- struct{}{}:
		default:
		}
	})()
	for {
		if s := b.State(); s.Up {
			return s
		}
		select {
		case <-change:
		case <-ctx.Done():
			return b.State()
		}
	}
}

// roll tells which gateways answer.
func (o Options) roll(ctx context.Context, b *natsbus.Bus) Finding {
	const name = "cluster"
	var mu sync.Mutex
	heard := map[string]cluster.Gateway{} // by instance
	inbox := bus.Inbox()
	stop, err := b.Subscribe(inbox, "", func(m bus.Message) {
		var g cluster.Gateway
		mu.Lock()
		defer mu.Unlock()
		if json.Unmarshal(m.Data, &g) == nil && bus.IsWord(g.Name) && len(heard) < maxAnswers {
			heard[g.Instance] = g
		}
	})
	if err != nil {
		return problem(name, "", "%v", err)
	}
	defer stop()
	began := time.Now()
	_, err = b.Request(ctx, bus.Inbox(), nil) // the server says that nobody is there
	took := time.Since(began)
	if !errors.Is(err, bus.ErrNobody) {
		return problem(name, "see what the server's permissions are, and whether the network is overloaded", "%s does not answer: %v", b.State().At, err)
	}
	for range rollTimes { // some hear of us only a little later
		b.Publish(bus.Message{Subject: "roll", Reply: inbox})
		select {
		case <-time.After(rollTime):
		case <-ctx.Done():
		}
	}
	mu.Lock()
	defer mu.Unlock()
	var names []string
	for _, g := range heard {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	who := "no gateway answers yet"
	if len(names) > 0 {
		who = count(len(names), "gateway") + " answers: " + strings.Join(names[:min(len(names), 8)], ", ")
		if len(names) > 1 {
			who = strings.Replace(who, "answers", "answer", 1)
		}
		if len(names) > 8 {
			who += " and others"
		}
	}
	return good(name, "%s in %v; %s", b.State().At, took.Round(100*time.Microsecond), who)
}

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"moip/internal/bus"
	"moip/internal/control/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A station is a gateway of a test.
type station struct {
	*cluster.Hub
	*bus.Place
	stop func()
}

func join(x *bus.Exchange, name string) station {
	p := x.Join()
	h := cluster.New(cluster.Options{
		Bus: p, Name: name, Log: slog.New(slog.DiscardHandler),
		Self: func() cluster.Gateway { return cluster.Gateway{State: "running", Version: "1", Began: time.Now()} },
	})
	ctx, cancel := context.WithCancel(context.Background())
	go h.Run(ctx)
	return station{h, p, cancel}
}

// roll returns whom a gateway knows, as "name state", in capitals if that is itself.
func (s station) roll() string {
	var all []string
	for _, g := range s.Gateways() {
		told := g.Name + " " + g.State
		if g.Silent {
			told = g.Name + " silent"
		}
		if g.Self {
			told = strings.ToUpper(told)
		}
		all = append(all, told)
	}
	return strings.Join(all, ", ")
}

func TestRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a := join(&x, "a")
		synctest.Wait()
		b := join(&x, "b")
		synctest.Wait() // and not a second later
		defer b.stop()
		if got := a.roll() + "; " + b.roll(); got != "A RUNNING, b running; a running, B RUNNING" {
			t.Error(got)
		}
		var told []string
		b.Hub.Follow(func(s cluster.Seen) { told = append(told, fmt.Sprint(s.Name, s.State, s.Silent)) })

		a.Cut(errors.New("cut"))
		time.Sleep(9 * time.Second)
		if got := a.roll() + "; " + b.roll(); got != "A RUNNING, b silent; a silent, B RUNNING" {
			t.Error(got)
		}
		a.Cut(nil)
		synctest.Wait()
		if got := a.roll() + "; " + b.roll(); got != "A RUNNING, b running; a running, B RUNNING" {
			t.Error(got)
		}
		a.stop()
		synctest.Wait()
		if got := b.roll(); got != "B RUNNING" {
			t.Error(got)
		}
		if got := strings.Join(told, " "); got != "arunningtrue arunningfalse agonefalse" {
			t.Error(got)
		}
	})
}

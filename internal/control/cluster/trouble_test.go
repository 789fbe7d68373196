package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/bus"
	"moip/internal/control/cluster"
	"moip/internal/testkit/logtest"
)

// open has a gateway join, with options of its own.
func open(x *bus.Exchange, o cluster.Options) station {
	p := x.Join()
	o.Bus = p
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Self == nil {
		o.Self = as("running")
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := cluster.New(o)
	go h.Run(ctx)
	return station{h, p, cancel}
}

// as returns what a gateway says of itself that is in a state, from now on.
func as(state string) func() cluster.Gateway {
	began := time.Now()
	return func() cluster.Gateway { return cluster.Gateway{State: state, Version: "1", Began: began} }
}

// A name that is taken refuses who starts, if that is not the heir of who has it, and what
// has it is not about to leave.
func TestClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		claim := func(name, heir string) error {
			return cluster.New(cluster.Options{Bus: x.Join(), Name: name, Heir: heir, Log: slog.New(slog.DiscardHandler), Self: as("running")}).Claim(t.Context())
		}
		if err := claim("paris", ""); err != nil {
			t.Error(err)
		}
		paris := open(&x, cluster.Options{Name: "paris"})
		lyon := open(&x, cluster.Options{Name: "lyon", Self: as("replaced")})
		defer paris.stop()
		defer lyon.stop()
		synctest.Wait()
		if err := claim("paris", ""); err == nil || !strings.Contains(err.Error(), "cluster.node: a gateway called paris is running already") || !strings.Contains(err.Error(), "--node") {
			t.Error(err)
		}
		for _, free := range [][2]string{{"paris", paris.Instance()}, {"lyon", ""}, {"metz", ""}} {
			if err := claim(free[0], free[1]); err != nil {
				t.Error(err)
			}
		}

		// One that is cut off is not heard, and a bus that is down is waited for.
		paris.Cut(errors.New("cut"))
		if err := claim("paris", ""); err != nil {
			t.Error(err)
		}
		paris.Cut(nil)
		p, began := x.Join(), time.Now()
		p.Cut(errors.New("cut"))
		h := cluster.New(cluster.Options{Bus: p, Name: "paris", Log: slog.New(slog.DiscardHandler), Self: as("running")})
		if err := h.Claim(t.Context()); err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		time.AfterFunc(1900*time.Millisecond, func() { p.Cut(nil) })
		if err := h.Claim(t.Context()); err == nil {
			t.Error("a bus that comes up late is not asked")
		}
	})
}

// Of two with one name the younger keeps aside, says so, and comes back when the older is
// gone. What a gateway has been replaced by is no rival, before and after it knows that.
func TestTwoOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		var log logtest.Log
		older := open(&x, cluster.Options{Name: "paris"})
		lyon := open(&x, cluster.Options{Name: "lyon"})
		defer lyon.stop()
		time.Sleep(time.Minute)
		younger := open(&x, cluster.Options{Name: "paris", Log: log.Logger()})
		defer younger.stop()
		synctest.Wait()
		if !older.Works() || younger.Works() || len(lyon.Working()) != 2 {
			t.Error("both share the work, or none")
		}
		if all := lyon.Of("paris"); len(all) != 2 || !strings.Contains(all[0].Fault, "another gateway has its name") || all[1].Fault != "" {
			t.Errorf("%+v", all)
		}
		if strings.Count(log.String(), "level=ERROR") != 1 || !log.Has("--node") {
			t.Error(log.String())
		}
		older.stop()
		synctest.Wait()
		if !younger.Works() || len(lyon.Working()) != 2 || lyon.Of("paris")[0].Fault != "" {
			t.Error("it keeps aside from nobody")
		}

		heir := open(&x, cluster.Options{Name: "paris", Heir: younger.Instance()})
		defer heir.stop()
		synctest.Wait()
		if !heir.Works() || heir.Gateways()[0].Fault != "" {
			t.Error("a gateway keeps aside from whom it replaces")
		}
	})
}

// A clock that is wrong is told of, and nothing else is different.
func TestClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		var log logtest.Log
		var wrong atomic.Int64
		wrong.Store(int64(time.Minute))
		a := open(&x, cluster.Options{Name: "a", Log: log.Logger()})
		b := open(&x, cluster.Options{Name: "b", Now: func() time.Time { return time.Now().Add(time.Duration(wrong.Load())) }})
		defer a.stop()
		defer b.stop()
		for _, test := range []struct {
			skew time.Duration
			want string // of its Fault
		}{
			{time.Minute, "its clock is 1m0s ahead of"}, {0, ""}, {-90 * time.Second, "its clock is 1m30s behind"},
			{4500 * time.Millisecond, "its clock is 5s ahead of"}, {3 * time.Second, ""}, {4500 * time.Millisecond, ""},
		} {
			wrong.Store(int64(test.skew))
			time.Sleep(9 * time.Second)
			s := a.Of("b")[0]
			if s.Skew != test.skew || !strings.HasPrefix(s.Fault, test.want) || (s.Fault == "") != (test.want == "") || s.Silent {
				t.Errorf("%v: %+v", test.skew, s)
			}
		}
		if n := strings.Count(log.String(), "clocks differ"); n != 2 {
			t.Errorf("it is told %d times:\n%s", n, &log)
		}
	})
}

// Gateways of other versions are shown as far as they say what they are, and what makes no
// sense is left aside.
func TestOtherVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		var log logtest.Log
		a := open(&x, cluster.Options{Name: "a", Log: log.Logger()})
		defer a.stop()
		synctest.Wait()
		p := x.Join()
		say := func(subject, data string) {
			p.Publish(bus.Message{Subject: "beat." + subject, Data: []byte(data)})
			synctest.Wait()
		}
		say("old", `{"name": "old", "instance": "i1", "state": "running"}`)
		for range 3 { // it is logged once
			say("new", `{"name": "new", "instance": "i2", "state": "running", "protocol": 2, "version": "9", "mood": {"good": true}, "calls": -3}`)
		}
		say("odd", `{"name": "odd", "instance": "i3", "state": "musing", "version": "1\u001b[31m`+strings.Repeat("x", 500)+`"}`)
		for subject, data := range map[string]string{
			"x": `{"name": "y", "instance": "i4", "state": "running"}`, "y": `{`, "z": `{"name": "z", "instance": "a b", "state": "running"}`,
			"v": `{"name": "v", "instance": "i5", "state": "ru\u001bnning"}`, "w": `{"name": "w", "instance": "i6", "state": "running", "version": "` + strings.Repeat("x", 9000) + `"}`,
		} {
			say(subject, data)
		}
		say("gone", `{"name": "gone", "instance": "i7", "state": "gone"}`)
		if got := a.roll(); got != "A RUNNING, new running, odd musing, old running" {
			t.Fatal(got)
		}
		all := a.Gateways()
		if old := all[3]; old.Skew != 0 || old.Fault != "" || !old.Works() {
			t.Errorf("%+v", old)
		}
		if is := all[1]; is.Works() || !strings.Contains(is.Fault, "protocol 2") || is.Calls != 0 {
			t.Errorf("%+v", is)
		}
		if is := all[2]; is.Works() || len(is.Version) != 64 || strings.ContainsRune(is.Version, 27) {
			t.Errorf("%+v", is)
		}
		if n := strings.Count(log.String(), "a gateway is newer"); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

// Who is silent can be forgotten by all, and is after a day.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		a, b, c, d := join(&x, "a"), join(&x, "b"), join(&x, "c"), join(&x, "d")
		defer a.stop()
		synctest.Wait()
		for _, s := range []station{c, d} {
			s.Cut(errors.New("cut"))
			s.stop()
		}
		if err := a.Forget("c"); err != cluster.ErrHeard {
			t.Error(err)
		}
		time.Sleep(8 * time.Second)
		if err := a.Forget("c"); err != nil {
			t.Error(err)
		}
		if err := a.Forget("c"); err != cluster.ErrUnknown {
			t.Error(err)
		}
		synctest.Wait()
		if got := b.roll(); got != "a running, B RUNNING, d silent" {
			t.Error(got)
		}
		b.stop()
		time.Sleep(23*time.Hour + 59*time.Minute)
		if got := a.roll(); got != "A RUNNING, d silent" {
			t.Error(got)
		}
		time.Sleep(2 * time.Minute)
		if got := a.roll(); got != "A RUNNING" {
			t.Error(got)
		}
	})
}

// What a flood of gateways takes is bounded, and told once.
func TestTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		var log logtest.Log
		a := open(&x, cluster.Options{Name: "a", Log: log.Logger()})
		defer a.stop()
		synctest.Wait()
		p := x.Join()
		for i := range 5000 {
			data, _ := json.Marshal(cluster.Gateway{Name: "b", Instance: fmt.Sprint(i), State: "running"})
			p.Publish(bus.Message{Subject: "beat.b", Data: data})
			if i%100 == 0 {
				synctest.Wait()
				data, _ := json.Marshal(cluster.Gateway{Name: "b", Instance: "0", State: "running"})
				p.Publish(bus.Message{Subject: "beat.b", Data: data}) // one that is known
			}
		}
		synctest.Wait()
		if n := len(a.Gateways()); n != 4097 {
			t.Errorf("%d are known", n)
		}
		if n := strings.Count(log.String(), "too many gateways"); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

// A hundred gateways that hear each other cost little: what a beat takes, at whom it comes
// from and at whom it comes to.
func TestHundred(t *testing.T) {
	const gateways, allocations = 100, 20
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		var all []station
		for i := range gateways {
			all = append(all, join(&x, fmt.Sprint("g", i)))
		}
		defer func() {
			for _, s := range all {
				s.stop()
			}
		}()
		time.Sleep(4 * time.Second)
		for _, s := range all {
			if n := len(s.Alive()); n != gateways {
				t.Fatalf("%s hears %d", s.Name(), n)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		runtime.ReadMemStats(&after)
		beats := uint64(gateways * gateways * 2)
		each := (after.Mallocs - before.Mallocs) / beats
		t.Logf("a beat heard: %d allocations, %d bytes", each, (after.TotalAlloc-before.TotalAlloc)/beats)
		if each > allocations {
			t.Errorf("a beat that is heard takes %d allocations", each)
		}
	})
}

package ban

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/policy"
	"moip/internal/testkit/logtest"
)

func network(text string) netip.Prefix {
	p, err := policy.ParseNetwork(text)
	if err != nil {
		panic(err)
	}
	return p
}

// newBan is an operator's, for ever if d is 0.
func newBan(text string, d time.Duration) Ban {
	b := Ban{Network: network(text), By: ByOperator, Since: time.Now()}
	if d > 0 {
		b.Until = b.Since.Add(d)
	}
	return b
}

func open(t *testing.T, o Options) *List {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func isBanned(t *testing.T, l *List, address string, want bool) {
	t.Helper()
	if b, banned := l.Find(netip.MustParseAddr(address)); banned != want {
		t.Errorf("%s is banned: %v, by %+v", address, banned, b)
	}
}

func (l *List) mustAdd(t *testing.T, b Ban) {
	t.Helper()
	if _, err := l.Add(b); err != nil {
		t.Error(err)
	}
}

// Bans end by themselves, to the millisecond, and those of wider networks do not with
// them. What has run out is soon gone from memory and file.
func TestExpiry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bans.json")
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(Options{File: path})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.mustAdd(t, newBan("192.0.2.0/24", 24*time.Hour))
		l.mustAdd(t, newBan("192.0.2.7", time.Hour))
		l.mustAdd(t, newBan("2001:db8::/64", 0))
		time.Sleep(time.Hour - time.Millisecond)
		if b, _ := l.Find(netip.MustParseAddr("192.0.2.7")); b.Network.Bits() != 32 {
			t.Errorf("it is banned by %+v", b)
		}
		time.Sleep(time.Millisecond)
		if b, _ := l.Find(netip.MustParseAddr("192.0.2.7")); b.Network.Bits() != 24 {
			t.Errorf("after an hour it is banned by %+v", b)
		}
		if n := len(l.All()); n != 2 {
			t.Errorf("after an hour there are %d bans", n)
		}
		if err := l.Remove(network("192.0.2.7")); !errors.Is(err, ErrNotBanned) || !strings.Contains(err.Error(), "as part of 192.0.2.0/24") {
			t.Errorf("what has run out is unbanned: %v", err)
		}
		time.Sleep(24 * time.Hour)
		isBanned(t, l, "192.0.2.7", false)
		isBanned(t, l, "2001:db8::1", true)
		if n := l.table.Load().Len(); n != 1 {
			t.Errorf("%d bans are in memory", n)
		}
		if err := l.Saved(t.Context()); err != nil {
			t.Error(err)
		}
		if data, err := os.ReadFile(path); err != nil || bytes.Count(data, []byte("network")) != 1 {
			t.Errorf("%v, in the file is\n%s", err, data)
		}
	})
}

// What is never banned is not, whatever the file says.
func TestNever(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bans.json")
	l := open(t, Options{File: path})
	l.mustAdd(t, newBan("10.0.0.0/8", 0))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var log logtest.Log
	all := open(t, Options{File: path, Never: []netip.Prefix{network("10.0.0.0/8")}, Log: log.Logger()})
	isBanned(t, all, "10.1.2.3", false)
	if text := log.String(); !strings.Contains(text, "bans=1 first=10.0.0.0/8") {
		t.Errorf("it is logged: %s", text)
	}
	l = open(t, Options{File: path, Never: []netip.Prefix{network("10.1.0.0/16"), network("::1")}})
	isBanned(t, l, "10.1.2.3", false)
	isBanned(t, l, "10.2.2.3", true)
	for text, want := range map[string]string{
		"10.1.2.3":        "10.1.2.3: it is never banned (take it out of never in [bans]",
		"10.0.0.0/8":      "10.1.0.0/16 of 10.0.0.0/8: it is never banned",
		"0.0.0.0/0":       "10.1.0.0/16 of 0.0.0.0/0: it is never banned",
		"::ffff:10.1.2.3": "10.1.2.3: it is never banned",
		"::/0":            "::1 of ::/0: it is never banned",
	} {
		if _, err := l.Add(newBan(text, 0)); !errors.Is(err, ErrNever) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	l.mustAdd(t, newBan("10.2.0.0/16", 0))
	if err := l.Remove(network("10.0.0.0/8")); err != nil {
		t.Error(err)
	}
}

// A ban takes the place of another only if an operator wants it, or it holds longer.
func TestReplace(t *testing.T) {
	l := open(t, Options{})
	for _, step := range []struct {
		by   By
		d    time.Duration
		kept bool // the one before
	}{
		{ByShield, time.Hour, false}, {ByShield, time.Minute, true}, {ByImport, 2 * time.Hour, false},
		{ByOperator, time.Minute, false}, {ByShield, time.Second, true}, {ByOperator, 0, false},
		{ByShield, time.Hour, true}, {ByImport, 0, true}, {ByOperator, time.Hour, false}, {ByShield, 0, false},
	} {
		before, _ := l.Find(netip.MustParseAddr("192.0.2.7"))
		b := newBan("192.0.2.7", step.d)
		b.By = step.by
		got, err := l.Add(b)
		now, _ := l.Find(netip.MustParseAddr("192.0.2.7"))
		if err != nil || now != got || (now == before) != step.kept {
			t.Errorf("%s for %v: %v, of %+v it made %+v", step.by, step.d, err, before, now)
		}
	}
}

func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.most = 3
		for i := range 3 {
			l.mustAdd(t, newBan(fmt.Sprintf("192.0.2.%d", i), time.Second+time.Duration(i)*time.Hour))
		}
		if _, err := l.Add(newBan("192.0.2.3", 0)); !errors.Is(err, ErrFull) {
			t.Errorf("a fourth ban of three: %v", err)
		}
		l.mustAdd(t, newBan("192.0.2.1", 0))
		time.Sleep(time.Second)
		l.mustAdd(t, newBan("192.0.2.3", 0)) // there is room for it
		isBanned(t, l, "192.0.2.3", true)
	})
}

// Whoever asks and whoever changes do not wait for one another, and nothing is lost
// between two who change.
func TestTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bans.json")
	l := open(t, Options{File: path})
	var work sync.WaitGroup
	const each = 100
	for i := range 4 {
		work.Go(func() {
			for j := range each {
				address := fmt.Sprintf("192.0.%d.%d", i, j)
				l.mustAdd(t, newBan(address, 0))
				isBanned(t, l, address, true)
				if j%2 == 1 {
					if err := l.Remove(network(address)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	work.Wait()
	if err := l.Saved(t.Context()); err != nil {
		t.Error(err)
	}
	table, err := Load(path)
	if err != nil || table.Len() != 4*each/2 || len(l.All()) != 4*each/2 {
		t.Errorf("%v, %d bans are left, %d in the file", err, len(l.All()), table.Len())
	}
}

// Many at once are as one after the other.
func TestAddAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(Options{Never: []netip.Prefix{network("127.0.0.0/8")}})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.most = 4
		l.mustAdd(t, newBan("192.0.2.1", 0))
		l.mustAdd(t, newBan("192.0.2.9", time.Second))
		kept := l.table.Load()
		time.Sleep(time.Second)
		short := newBan("192.0.2.1", time.Second)
		short.By = ByImport
		errs := l.AddAll([]Ban{
			newBan("127.0.0.1", 0), short, newBan("192.0.2.2", 0), {}, newBan("192.0.2.3", 0), newBan("192.0.2.3", time.Hour),
			newBan("192.0.2.4", 0), newBan("192.0.2.5", 0),
		})
		for i, want := range []string{"never banned", "<nil>", "<nil>", "no network", "<nil>", "<nil>", "<nil>", "already"} {
			if got := fmt.Sprint(errs[i]); !strings.Contains(got, want) {
				t.Errorf("number %d: %s, not %s", i, got, want)
			}
		}
		if all := l.All(); len(all) != 4 || !all[0].Until.IsZero() || all[2].Until.IsZero() {
			t.Errorf("there are %+v", all)
		}
		if kept.Len() != 2 {
			t.Error("the table that was there before is not what it was")
		}
	})
}

// A file that cannot be written is told of once, and tried again.
func TestDiskFails(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "later")
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Log
		l, err := Open(Options{File: filepath.Join(folder, "bans.json"), Log: log.Logger()})
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{"192.0.2.1", "192.0.2.2"} {
			l.mustAdd(t, newBan(address, 0))
			if err := l.Saved(t.Context()); err == nil || !strings.Contains(err.Error(), "it holds, but is not in the file") {
				t.Errorf("a ban without a file: %v", err)
			}
			isBanned(t, l, address, true)
		}
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * sweepTime)
		if err := l.Saved(t.Context()); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if n, text := strings.Count(log.String(), "\n"), log.String(); n != 2 || !strings.Contains(text, "are not kept") || !strings.Contains(text, "again") {
			t.Errorf("it is logged:\n%s", text)
		}
	})
	if table, err := Load(filepath.Join(folder, "bans.json")); err != nil || table.Len() != 2 {
		t.Errorf("%v, %d bans are in the file", err, table.Len())
	}
}

// What could not be written is tried once more at the end.
func TestDiskRecovers(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "later")
	file := filepath.Join(folder, "bans.json")
	l, err := Open(Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Add(Ban{Network: network("192.0.2.7"), By: ByOperator, Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := l.Saved(t.Context()); err == nil {
		t.Error("it is in a folder that is missing")
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if table, err := Load(file); err != nil || table.Len() != 1 {
		t.Errorf("%d bans are kept, %v", table.Len(), err)
	}
}

// Who waits for the disk need not wait for ever.
func TestSavedGivesUp(t *testing.T) {
	l := open(t, Options{})
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	l.mustAdd(t, newBan("192.0.2.1", 0))
	if err := l.Saved(t.Context()); !errors.Is(err, errNotKept) {
		t.Errorf("after the end: %v", err)
	}
	busy := &List{news: make(chan struct{}), done: make(chan struct{}), changes: 1}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := busy.Saved(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits any more: %v", err)
	}
}

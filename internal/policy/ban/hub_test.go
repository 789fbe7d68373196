package ban

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"moip/internal/testkit/logtest"
)

// drawChange draws of few networks, stamps and bans, so that they meet.
func drawChange(t *rapid.T, now time.Time) Change {
	stamp := rapid.Custom(func(t *rapid.T) Stamp {
		return Stamp{now.UnixNano() + int64(rapid.IntRange(-3, 0).Draw(t, "at")), rapid.SampledFrom([]string{"a", "b"}).Draw(t, "gateway")}
	})
	c := Change{Network: rapid.SampledFrom([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.0.2.7/32")}).Draw(t, "network"), Stamp: stamp.Draw(t, "stamp")}
	c.Order = c.Stamp
	if rapid.Bool().Draw(t, "lifted") {
		c.Lifted, c.Last = true, rapid.SampledFrom([]int64{forever, now.Add(time.Hour).UnixNano()}).Draw(t, "last")
		return c
	}
	c.By, c.Since = ByOperator, now.Add(-time.Minute).Truncate(time.Millisecond)
	if rapid.Bool().Draw(t, "shield") {
		c.By, c.Order = ByShield, Stamp{c.At - int64(rapid.IntRange(1, 2).Draw(t, "before")), "a"}
	}
	if rapid.Bool().Draw(t, "for a while") {
		c.Until = c.Since.Add(time.Duration(rapid.IntRange(2, 4).Draw(t, "hours")) * time.Hour)
	}
	c.Last = last(c.Until)
	return c
}

// What prevails does not depend on the order in which changes come, nor on how often.
func TestMergeProperty(t *testing.T) {
	now := time.Now()
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Change { return drawChange(t, now) }), 1, 12).Draw(t, "changes")
		merged := func(order []Change) *book {
			k := new(book)
			for _, c := range order {
				k.merge(c, now)
			}
			return k
		}
		one, other := merged(all), merged(append(rapid.Permutation(all).Draw(t, "order"), all[:len(all)/2]...))
		if one.sums != other.sums {
			t.Fatalf("%+v\nor %+v", slices.Collect(one.all()), slices.Collect(other.all()))
		}
		for c := range one.all() {
			if c.sum() == 0 || partOf(c.Network) >= Parts || !reflect.DeepEqual(one.part(partOf(c.Network)), other.part(partOf(c.Network))) {
				t.Fatalf("%+v", c)
			}
		}
		for _, c := range all {
			one.drop(c.Network)
		}
		if one.sums != (book{}).sums || one.n != 0 || one.lifted != 0 {
			t.Fatalf("%d are left, %d lifted", one.n, one.lifted)
		}
	})
}

// at opens the list of a gateway in a file.
func at(t *testing.T, file, gateway string, log *logtest.Log) *List {
	t.Helper()
	l, err := Open(Options{File: file, Gateway: gateway, Log: log.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The file of bans can be read by older programs, and says what holds when it is newer than
// that beside it: after a crash between both, and when an older program has written it.
func TestHubFile(t *testing.T) {
	var log logtest.Log
	file := filepath.Join(t.TempDir(), "bans.json")
	l := at(t, file, "a", &log)
	for _, address := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
		if _, err := l.Add(newBan(address, time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Remove(network("192.0.2.3")); err != nil {
		t.Fatal(err)
	}
	sums, all := l.Sums(), l.All()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil || bytes.Contains(data, []byte("gateway")) {
		t.Errorf("%v, the file is %s", err, data)
	}
	l = at(t, file, "a", &log)
	if known, lifted := l.Shared(); l.Sums() != sums || known != 3 || lifted != 1 || !slices.Equal(l.All(), all) || all[0].Gateway != "a" {
		t.Errorf("%d are known again, %+v", known, l.All())
	}
	before := l.Said([]netip.Prefix{network("192.0.2.1"), network("192.0.2.3")})
	l.Close()

	older, err := Open(Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	older.Remove(network("192.0.2.1"))
	older.Add(newBan("192.0.2.3", 0))
	older.Close()
	l = at(t, file, "a", &log)
	after := l.Said([]netip.Prefix{network("192.0.2.1"), network("192.0.2.3")})
	if !after[0].Lifted || !after[0].beats(&before[0]) || after[1].Lifted || !after[1].beats(&before[1]) {
		t.Errorf("%+v\nare followed by %+v", before, after)
	}
	l.Close()

	// A ban that is in the file alone does not come back where it was lifted since.
	if err := os.Remove(file + hubSuffix); err != nil {
		t.Fatal(err)
	}
	l, other := at(t, file, "a", &log), at(t, "", "b", &log)
	defer l.Close()
	defer other.Close()
	other.Merge(l.Said([]netip.Prefix{network("192.0.2.2")}))
	if err := other.Remove(network("192.0.2.2")); err != nil {
		t.Fatal(err)
	}
	if news, err := l.Merge(other.Said([]netip.Prefix{network("192.0.2.2")})); len(news) != 1 || err != nil {
		t.Errorf("%v, %+v", err, news)
	}
	if news, _ := other.Merge(l.Said([]netip.Prefix{network("192.0.2.2")})); len(news) != 0 {
		t.Errorf("it comes back: %+v", news)
	}
	isBanned(t, l, "192.0.2.2", false)
	if log.String() != "" {
		t.Error(log.String())
	}
}

// One that is damaged is set aside, and the bans hold.
func TestHubFileDamaged(t *testing.T) {
	for _, content := range []string{"", "{", "[]", `{"newest":1}` + "\n{", `{"newest":1}` + "\n" + `{"network":"192.0.2.1/32","at":-1}`, `{"newest":1}` + "\n" + `{"network":"192.0.2.1","at":1}`} {
		var log logtest.Log
		file := filepath.Join(t.TempDir(), "bans.json")
		alone := open(t, Options{File: file})
		alone.mustAdd(t, newBan("192.0.2.1", time.Hour))
		alone.Close()
		if err := os.WriteFile(file+hubSuffix, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		l := at(t, file, "a", &log)
		isBanned(t, l, "192.0.2.1", true)
		l.Close()
		aside, err := os.ReadFile(file + hubSuffix + ".damaged")
		if string(aside) != content || err != nil || !log.Has("is forgotten") {
			t.Errorf("of %q there is %q, %v: %s", content, aside, err, log.String())
		}
	}
}

// What lifts a ban is remembered of so many networks, the newest, and what is older does not
// come back.
func TestBound(t *testing.T) {
	k, now := new(book), time.Now()
	lifted := func(i int) Change {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)
		return *lift(nil, p, Stamp{now.UnixNano() + int64(i), "a"})
	}
	for i := range 1001 {
		c := lifted(i)
		c.Last = forever
		k.merge(c, now)
		k.bound(1000)
	}
	if k.lifted != 900 || k.n != 900 || k.get(lifted(1000).Network) == nil {
		t.Errorf("%d are remembered", k.lifted)
	}
	old := lifted(3)
	old.Last = forever
	if k.merge(old, now); k.n != 900 {
		t.Error("it comes back")
	}
	for i := range Parts {
		k.purge(i, now.Add(keptTime+time.Second))
	}
	if k.n != 0 {
		t.Errorf("%d are remembered for ever", k.n)
	}
}

// A gateway whose clock was a day ahead is not believed, and the next word of an operator
// here counts in any case.
func TestClockAhead(t *testing.T) {
	var log logtest.Log
	l := at(t, "", "a", &log)
	defer l.Close()
	soon := time.Now().Add(ahead - time.Minute).Truncate(time.Millisecond)
	c := Change{Network: network("192.0.2.7"), Stamp: Stamp{soon.UnixNano(), "b"}, By: ByOperator, Since: soon, Until: soon.Add(time.Hour)}
	c.Order = c.Stamp
	if news, err := l.Merge([]Change{c}); len(news) != 1 || err != nil {
		t.Fatal(news, err)
	}
	b, banned := l.Find(network("192.0.2.7").Addr())
	if left := time.Until(b.Until); !banned || left > time.Hour || left < 59*time.Minute || b.Gateway != "b" {
		t.Errorf("it is banned %v, for another %v", banned, left)
	}
	if err := l.Remove(c.Network); err != nil {
		t.Fatal(err)
	}
	if news, err := l.Merge([]Change{c}); len(news) != 0 || err != nil {
		t.Errorf("it is banned again: %+v, %v", news, err)
	}
	c.At += int64(2 * time.Minute)
	c.Order = c.Stamp
	if _, err := l.Merge([]Change{c}); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Error(err)
	}
}

// FuzzMerge: whatever others say does no harm, and what is taken can be told again.
func FuzzMerge(f *testing.F) {
	f.Add("192.0.2.7/32", int64(1), "b", int64(0), "operator", "why", int64(1e18), int64(0), false)
	f.Fuzz(func(t *testing.T, network string, at int64, gateway string, order int64, by, reason string, since, until int64, lifted bool) {
		p, _ := netip.ParsePrefix(network)
		c := Change{
			Network: p, Stamp: Stamp{at, gateway}, Order: Stamp{order, gateway}, By: By(by), Reason: reason, Lifted: lifted,
			Since: time.Unix(0, since), Until: time.Unix(0, until), Last: until,
		}
		now := time.Unix(0, 1.5e18)
		c, err := c.check(now)
		if err != nil {
			return
		}
		k := new(book)
		k.merge(c, now)
		for kept := range k.all() {
			if again, err := kept.check(now); err != nil || !again.Covers(*kept) || !kept.Covers(again) {
				t.Errorf("%+v becomes %+v, %v", kept, again, err)
			}
		}
	})
}

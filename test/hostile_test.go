package test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	hostileFor  = flag.Duration("hostile.for", 0, "how long the hostile evening lasts, 0 for a sixth of -soak.for or 15s")
	hostileLoad = flag.Int("hostile.load", 1, "how many times as many attackers come to it")
	hostileSeed = flag.Uint64("hostile.seed", 0, "what the attackers are to do as they did before, 0 for something new")
)

// hostileLasts returns how long the hostile evening lasts: of a soak, the smaller part.
func hostileLasts() time.Duration {
	if *hostileFor > 0 {
		return *hostileFor
	}
	return max(*soakFor/6, 15*time.Second)
}

const honestCallers = 100

// hostileConfig is of a gateway that takes this machine's addresses for anybody's.
const hostileConfig = `
listen = ["ws://127.0.0.1:0", "telnet://127.0.0.1:0", "tcp://127.0.0.1:0"]
link = %q
log = "none"
[portal]
url = %q
[bans]
never = []
[limits]
stall = "5s"
`

// TestHostileEvening has 100 honest callers go about their evening, while attackers do
// their worst from 1,000 other addresses. No honest key is lost, doubled or late, no
// honest caller is refused or cut, the portal takes nobody for the gateway, and what the
// gateway needs for all that stays bounded, and is given back.
func TestHostileEvening(t *testing.T) {
	seed, lasting := *hostileSeed, hostileLasts()
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-hostile.seed %d", seed)
	h, dir := callsHub(t), t.TempDir()
	config := fmt.Sprintf(hostileConfig, h.link, h.portal)
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	g := runsIn(t, dir, "--config", "moip.toml", "--admin", "127.0.0.1:0", "--history", "history.db", asFileSays)
	defer func() {
		if t.Failed() {
			t.Logf("the gateway said:\n%s", figuresOfLog(g.log.String()))
		}
	}()

	// The honest are there first, so that what they need alone is known.
	over, guests, evening := make(chan struct{}), make([]*honest, honestCallers), sync.WaitGroup{}
	before := g.needs(t)
	for i := range guests {
		guests[i] = newHonest(i, seed, g.doors, h.fault)
		evening.Go(func() { guests[i].evening(over) })
	}
	time.Sleep(lasting / 8)
	calm := g.needs(t)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	all := attacks()
	rest := 5 * time.Millisecond // with the race detector, there is no need to be fast
	if *plain {
		rest = 0
	}
	failed, struck := strike(ctx, all, g.doors, seed, *hostileLoad, rest)
	watch := g.watches(t, lasting)
	bans := func() string { return operator{t, g.doors["admin"]}.asks("GET", "/bans", "", http.StatusOK) }
	if !within(func() bool { return strings.Contains(bans(), `"127.200.`) }) {
		t.Error("no attacker is banned")
	}
	end()
	struck()
	attacked := g.needs(t)
	close(over)
	evening.Wait()
	if !within(func() bool { return g.needs(t).near(before) }) {
		t.Errorf("what the gateway needed for attackers it does not give back: before %+v, after %+v\n%s",
			before, g.needs(t), fetch(t, "http://"+g.doors["admin"]+"/metrics"))
	}
	after := g.needs(t)
	banned := bans()
	if strings.Contains(banned, `"127.5.`) {
		t.Errorf("honest callers are banned:\n%s", banned)
	}
	metrics := fetch(t, "http://"+g.doors["admin"]+"/metrics")
	if err := g.finish(); err != nil {
		t.Error(err)
	}

	h.accounts(t, guests)
	if h.told == 0 {
		t.Error("the gateway has introduced nobody")
	}
	watch.judge(t)
	lines := strings.Count(g.log.String(), "\n")
	made := int64(0)
	for _, a := range all {
		made += a.made.Load()
		t.Logf("%-26s%8d", a.name, a.made.Load())
	}
	t.Logf("attacks in all: %d, of which the connection was not had, or not upgraded: %d", made, failed.Load())
	honestFigures(t, guests)
	t.Logf("introductions to the portal: %d", h.told)
	for _, n := range []struct {
		when string
		needs
	}{{"before", before}, {"with the honest alone", calm}, {"at the end of the attack", attacked}, {"afterwards", after}} {
		t.Logf("%-26s %v", n.when, n.needs)
	}
	t.Logf("banned: %d addresses, of %d", strings.Count(banned, `"127.200.`), attackerAddresses)
	t.Logf("RSS over the attack, in MiB: %v", watch)
	t.Logf("lines of the log: %d\n%s", lines, figuresOfLog(g.log.String()))
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "moip_refusals_total{") || strings.HasPrefix(line, "moip_calls_total{") || strings.HasPrefix(line, "moip_shield_evidence") && !strings.HasSuffix(line, " 0\n") {
			t.Log(strings.TrimSpace(line))
		}
	}
	// Each call has two lines; whoever is refused has few.
	if most := 2*int(metricSum(metrics, "moip_calls_total")) + 1000; lines > most {
		t.Errorf("the log has %d lines, more than %d", lines, most)
	}
}

// accounts holds what honest callers have typed against what has come.
func (h *hub) accounts(t *testing.T, guests []*honest) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range guests {
		if end := g.typed - h.next[g.number]; end > 0 && g.typed <= h.excused[g.number] {
			h.lost[g.number] += end
			h.next[g.number] = g.typed
		}
		if g.typed != h.next[g.number] || g.typed != h.latest[g.number]+h.lost[g.number] {
			h.accuse("honest caller %d has typed %d keys, of which %d came", g.number, g.typed, h.latest[g.number])
		}
		if g.calls == 0 {
			h.accuse("honest caller %d has made no calls", g.number)
		}
	}
	for _, fault := range h.faults {
		t.Error(fault)
	}
	if h.faulty > len(h.faults) {
		t.Errorf("and %d faults more", h.faulty-len(h.faults))
	}
}

// worstKey is how late an honest key may come back: late is not lost, but nobody is to stop
// a gateway. With the race detector all is slower, portal and attackers too.
func worstKey() time.Duration {
	if *plain {
		return 5 * time.Second
	}
	return 10 * time.Second
}

func honestFigures(t *testing.T, guests []*honest) {
	t.Helper()
	var all []time.Duration
	calls, visits := 0, 0
	for _, g := range guests {
		all = append(all, g.latencies...)
		calls, visits = calls+g.calls, visits+g.visits
	}
	slices.Sort(all)
	if len(all) == 0 {
		t.Fatal("no honest key has come back")
	}
	at := func(share float64) time.Duration {
		return all[int(share*float64(len(all)-1))].Round(100 * time.Microsecond)
	}
	t.Logf("honest callers %d, calls %d, visits %d, keys %d: there and back in %v (half), %v (99 %%), %v (worst)",
		len(guests), calls, visits, len(all), at(.5), at(.99), at(1))
	if worst := all[len(all)-1]; worst > worstKey() {
		t.Errorf("an honest key took %v", worst)
	}
}

// needs is what a gateway has of the machine.
type needs struct {
	rss                     int64
	descriptors, goroutines int
}

func (n needs) String() string {
	return fmt.Sprintf("RSS %4d MiB, descriptors %5d, goroutines %5d", n.rss>>20, n.descriptors, n.goroutines)
}

// near reports whether it is what it was before, but for what comes and goes.
func (n needs) near(before needs) bool {
	return n.descriptors <= before.descriptors+3 && n.goroutines <= before.goroutines+5
}

var residentSet = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

func (g *gateway) needs(t *testing.T) (n needs) {
	t.Helper()
	n.rss = g.rss(t)
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	n.descriptors = len(open)
	n.goroutines = int(metricSum(fetch(t, "http://"+g.doors["admin"]+"/metrics"), "go_goroutines"))
	return n
}

func (g *gateway) rss(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := residentSet.FindSubmatch(status)
	if m == nil {
		t.Fatalf("it has ended:\n%s", &g.log)
	}
	kB, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return kB << 10
}

// metricSum returns a metric, of all labels.
func metricSum(metrics, name string) (sum float64) {
	for line := range strings.Lines(metrics) {
		if rest, ok := strings.CutPrefix(line, name); ok && (rest[0] == ' ' || rest[0] == '{') {
			words := strings.Fields(line)
			value, _ := strconv.ParseFloat(words[len(words)-1], 64)
			sum += value
		}
	}
	return sum
}

// A watch is what memory an attack took, in MiB, at equal distances.
type watch []int64

// watches looks for as long as an attack lasts.
func (g *gateway) watches(t *testing.T, lasting time.Duration) (w watch) {
	t.Helper()
	over := time.After(lasting)
	for every := time.NewTicker(lasting / 20); ; {
		select {
		case <-every.C:
			w = append(w, g.rss(t)>>20)
		case <-over:
			every.Stop()
			return w
		}
	}
}

// judge expects that memory does not grow any more once it is warm.
func (w watch) judge(t *testing.T) {
	t.Helper()
	if len(w) < 12 {
		t.Fatalf("memory was looked at %d times", len(w))
	}
	warm, late := slices.Max(w[len(w)/4:len(w)/2]), slices.Min(w[3*len(w)/4:])
	bound := warm*5/4 + 16
	if !*plain { // the race detector remembers what has been
		bound = warm*3/2 + 32
	}
	if late > bound {
		t.Errorf("memory grows under attack: %v", w)
	}
}

var logged = regexp.MustCompile(`level=(\w+) msg=("[^"]*"|\S+)`)

// figuresOfLog counts lines by what they say.
func figuresOfLog(text string) string {
	counts := map[string]int{}
	for line := range strings.Lines(text) {
		what := strings.TrimSpace(line)
		if m := logged.FindStringSubmatch(line); m != nil {
			what = m[1] + " " + m[2]
		}
		if _, known := counts[what]; known || len(counts) < 100 {
			counts[what]++
		}
	}
	var out strings.Builder
	for _, what := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return counts[b] - counts[a] }) {
		fmt.Fprintf(&out, "%8d  %s\n", counts[what], what)
	}
	return out.String()
}

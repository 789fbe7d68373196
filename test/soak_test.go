package test

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"moip/internal/certificate/catest"
	"moip/internal/control/admin"
	"moip/internal/history"
	"moip/videotex"
)

var (
	soakFor  = flag.Duration("soak.for", 10*time.Second, "how long a soak lasts: five sixths of it the mixed evenings, the rest a hostile one")
	soakSeed = flag.Uint64("soak.seed", 0, "what those of the mixed evenings are to do as they did before, 0 for something new")
)

// A mixed evening is made of rounds, each of which ends in a rest in which nobody calls.
const (
	minRound = 30 * time.Second // if there is to be more than one
	maxRound = 5 * time.Minute
	regulars = 60
	talkers  = 20 // those who page, pay and chat
)

// TestMixedEvening has callers of all kinds do all that callers do, operators give orders,
// and all that may break break: at a gateway before a portal that is played, and at one
// with the portal inside. Nobody's keys are lost, doubled or someone else's; each call is
// told of once, counted once and recorded once, and has ended as its caller knows; and
// when nobody calls, the gateway needs what it needed before.
func TestMixedEvening(t *testing.T) {
	seed := *soakSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-soak.seed %d", seed)
	for _, inside := range []bool{false, true} {
		name := map[bool]string{false: "outside", true: "inside"}[inside]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &soak{T: t, name: name, inside: inside, seed: seed, began: time.Now()}
			s.opens()
			s.evening()
			s.closes()
		})
	}
}

// A soak is one mixed evening.
type soak struct {
	*testing.T
	name   string
	inside bool // the portal is
	seed   uint64
	began  time.Time

	dir     string
	free    []string // addresses of doors
	ca      *catest.Authority
	hub     *hub
	gateway *gateway
	client  *admin.Client
	journal *journal
	keeping context.CancelFunc // ends the journal
	kept    chan struct{}      // closed when it has

	regulars     []*regular
	deeds, ends  []deed
	attacks      []*attack
	guests       int // who have called
	round        int
	reloads      [2]int // good and bad ones
	cuts         int    // of the link
	before       needs
	rests        []needs
	peak         watch // of memory, in each round
	recorded     watch // MiB of recordings, after each
	recordsKnown int   // bytes of the file of visits
	faultsTold   int
}

// home is what the first page of the portal ends with.
func (s *soak) home() string {
	if s.inside {
		return "Quitter"
	}
	return "[accueil]"
}

// opens starts the gateway and all around it.
func (s *soak) opens() {
	s.hub, s.dir, s.free, s.ca = callsHub(s.T), s.TempDir(), ports(s.T, 6), catest.New(s.T)
	s.hub.closes = true
	s.gives()
	s.writesDirectories()
	s.writes(s.turn(rand.New(rand.NewPCG(s.seed, 0))))
	s.gateway = s.starts()
	s.client = admin.NewClient(s.gateway.doors["admin"])
	s.journal = newJournal(s.hub.fault)
	ctx, cancel := context.WithCancel(context.Background())
	s.keeping, s.kept = cancel, make(chan struct{})
	go func() {
		defer close(s.kept)
		s.journal.keeps(ctx, s.client)
	}()
	s.Cleanup(func() { cancel(); <-s.kept })
	s.deeds, s.ends, s.attacks = s.during(), s.after(), s.strangers()
	for i := range regulars {
		if i >= regulars-5 { // who live together
			i += honestCallers - regulars
		}
		s.regulars = append(s.regulars, s.newRegular(i))
	}
	if !s.linked() {
		s.Fatal("there is no link")
	}
	s.before = s.gateway.needs(s.T)
}

func (s *soak) starts() *gateway {
	return runsIn(s.T, s.dir, "--config", "moip.toml", "--admin", "127.0.0.1:0", "--history", "history.db", "--records", "visits.jsonl", asFileSays)
}

// linked reports whether the link is up, where there is to be one.
func (s *soak) linked() bool {
	return s.inside || within(func() bool {
		s.hub.mu.Lock()
		defer s.hub.mu.Unlock()
		return len(s.hub.links) == 1
	})
}

// doors are the gateway's doors, by scheme.
func (s *soak) doors() map[string]string {
	all := map[string]string{}
	for i, scheme := range schemes {
		all[scheme] = s.free[i]
	}
	return all
}

var schemes = []string{"ws", "telnet", "tcp", "wss", "telnets", "tcps"}

// newRegular returns the regular of a number, who has its habits.
func (s *soak) newRegular(number int) *regular {
	r := &regular{honest: newHonest(number, s.seed, nil, s.hub.fault), soak: s}
	// The portal shows it when it hears that a visit is over, which may be late.
	r.reader.ignored = pageOf("retour")
	r.home.awake = true
	r.home.scheme = schemes[number%len(schemes)]
	r.home.door = s.doors()[r.home.scheme]
	if strings.HasSuffix(strings.TrimSuffix(r.home.scheme, "ws"), "s") {
		r.home.trust = &tls.Config{RootCAs: s.ca.Pool, ServerName: "localhost"}
	}
	if strings.HasPrefix(r.home.scheme, "ws") {
		r.home.query = []string{"", "speed=9600", "", "record", "", "speed=1200", "speed=4800", ""}[number/3%8]
	}
	return r
}

// strangers are attackers who do their worst, all but those who make a crush.
func (s *soak) strangers() (few []*attack) {
	for _, a := range attacks() {
		if a.name == "hammering" || a.name == "resets" {
			continue
		}
		a.workers = max(1, a.workers/20)
		few = append(few, a)
	}
	return few
}

// evening is all rounds.
func (s *soak) evening() {
	last := *soakFor * 5 / 6
	rounds := max(1, min(int(last/minRound), max(2, int(last/maxRound))))
	for s.round = 1; s.round <= rounds && s.hub.sound(); s.round++ {
		guests, left := s.hasRound(last / time.Duration(rounds))
		s.rest(guests, left)
	}
}

// hasRound has everybody come for a while, and leave. It returns those who keep receipts,
// and how long it took all to leave.
func (s *soak) hasRound(lasting time.Duration) (guests []*guest, left time.Duration) {
	over := make(chan struct{})
	ctx, cancel := context.WithTimeout(s.Context(), lasting)
	defer cancel()
	var calling, working sync.WaitGroup
	for _, r := range s.regulars {
		calling.Go(func() { r.evening(over) })
	}
	var mu sync.Mutex
	for i := range talkers {
		if s.inside {
			calling.Go(func() {
				some := s.talks(i, over)
				mu.Lock()
				defer mu.Unlock()
				guests = append(guests, some...)
			})
		}
	}
	random := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(s.seed, uint64(s.round)<<16|n)) }
	working.Go(func() { s.reconfigures(ctx, random(1)) })
	if !s.inside {
		working.Go(func() { s.loses(ctx, random(2)) })
		working.Go(func() { s.restarts(ctx, random(3), lasting) })
	}
	working.Go(func() { s.looks(ctx) })
	_, struck := strike(ctx, s.attacks, s.doors(), s.seed+uint64(s.round), 1, 50*time.Millisecond)
	<-ctx.Done()
	close(over)
	end := time.Now()
	struck()
	working.Wait()
	calling.Wait()
	return guests, time.Since(end)
}

// talks has one guest after the other call from an address, until the round is over.
func (s *soak) talks(number int, over <-chan struct{}) (all []*guest) {
	for n := 0; ; n++ {
		g := &guest{
			t: s.T, name: fmt.Sprintf("N%d", number), random: rand.New(rand.NewPCG(s.seed, uint64(s.round)<<32|uint64(number)<<16|uint64(n))),
			screen: videotex.NewScreen(), news: make(chan struct{}, 1),
		}
		g.call(s.doors()["tcp"], net.IPv4(127, 3, 1, byte(1+number)))
		all = append(all, g)
		g.got = nil
		select {
		case <-over:
			return all
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// looks looks at memory and counters, and says once a minute how it goes.
func (s *soak) looks(ctx context.Context) {
	s.peak = append(s.peak, 0)
	look, compare, tell := time.NewTicker(time.Second), time.NewTicker(5*time.Second), time.NewTicker(time.Minute)
	defer look.Stop()
	defer compare.Stop()
	defer tell.Stop()
	for {
		select {
		case <-look.C:
			at := &s.peak[len(s.peak)-1]
			*at = max(*at, s.gateway.rss(s.T)>>20)
		case <-compare.C:
			s.keepsUp()
		case <-tell.C:
			s.progress()
		case <-ctx.Done():
			return
		}
	}
}

func (s *soak) progress() {
	began, ended := s.journal.all()
	s.hub.mu.Lock()
	keys, faults := total(s.hub.latest), s.hub.faulty
	for _, fault := range s.hub.faults[s.faultsTold:] {
		s.Logf("a fault: %s", fault)
	}
	s.faultsTold = len(s.hub.faults)
	s.hub.mu.Unlock()
	s.Logf("%-8s%8v  round %d, calls %d, under way %d, visits %d, keys of callers %d, faults %d; RSS %d MiB",
		s.name, time.Since(s.began).Round(time.Second), s.round, began, began-ended, s.journal.visits(), keys, faults, s.gateway.rss(s.T)>>20)
}

// keepsUp expects that the metrics and the events tell of the same calls, though they go
// on: what either has told of, the other does too, soon.
func (s *soak) keepsUp() {
	began, ended := s.journal.all()
	metrics := fetch(s.T, s.url("/metrics"))
	nBegan, nEnded := int(metricSum(metrics, "moip_calls_total")), int(metricSum(metrics, "moip_calls_ended_total"))
	if nBegan < began || nEnded < ended {
		s.hub.fault("the metrics have counted %d and %d, the events had told of %d calls that began and %d that ended", nBegan, nEnded, began, ended)
	}
	if err := s.journal.until("of all that is counted", func() bool {
		return total(s.journal.began) >= nBegan && total(s.journal.ended) >= nEnded
	}); err != nil {
		s.hub.fault("%v", err)
	}
}

func (s *soak) url(path string) string { return "http://" + s.gateway.doors["admin"] + path }

// rest waits until all is quiet, and holds all books against each other.
func (s *soak) rest(guests []*guest, left time.Duration) {
	began := time.Now()
	if !within(func() bool { began, ended := s.journal.all(); return began == ended }) {
		began, ended := s.journal.all()
		s.Errorf("%d calls go on after all have left", began-ended)
	}
	s.writes(s.turn(rand.New(rand.NewPCG(s.seed, 0)))) // as it was at first
	if err := s.client.Do(s.Context(), "POST", "/reload", nil, nil); err != nil {
		s.Error(err)
	}
	if !s.linked() {
		s.Error("the link is not back")
	}
	var faults []string
	if !within(func() bool { faults = s.journal.agrees(fetch(s.T, s.url("/metrics"))); return len(faults) == 0 }) {
		s.Errorf("round %d: %s", s.round, strings.Join(faults, "\n"))
	}
	s.settles()
	s.weighs()
	if s.inside {
		s.settlesVisits(guests)
	}
	var now needs
	if !within(func() bool { now = s.gateway.needs(s.T); return now.near(s.before) }) {
		s.Errorf("round %d: what was needed is not given back: before %v, now %v\n%s", s.round, s.before, now, fetch(s.T, s.url("/metrics")))
	}
	s.rests = append(s.rests, now)
	s.Logf("%s: all had left %v after the end of round %d, and all was quiet %v later", s.name, left.Round(100*time.Millisecond), s.round, time.Since(began).Round(100*time.Millisecond))
	s.hub.mu.Lock()
	for number, a := range s.hub.asked {
		if a.honest && a.told > 0 {
			s.hub.accuse("of order %d the link has said %s, and then no more", number, saidOfOrders[a.told])
		}
	}
	s.hub.mu.Unlock()
}

// weighs expects that recordings take no more room than they may.
func (s *soak) weighs() {
	weight := int64(0)
	if !within(func() bool {
		weight = 0
		files, _ := filepath.Glob(filepath.Join(s.dir, "kept", "*"))
		for _, name := range files {
			if info, err := os.Stat(name); err == nil {
				weight += info.Size()
			}
		}
		return weight <= mostRecorded<<20*9/8 // that is looked at now and then
	}) {
		s.Errorf("round %d: recordings have %d MiB, of %d", s.round, weight>>20, mostRecorded)
	}
	s.recorded = append(s.recorded, weight>>20)
}

// settles holds the calls of a round against the history, as soon as that is written.
func (s *soak) settles() {
	want, after := 0, int64(0)
	s.journal.mu.Lock()
	want, after = len(s.journal.calls), s.journal.record
	s.journal.mu.Unlock()
	records, err := recordsAfter(s.Context(), s.client, after)
	for late := time.Now().Add(patience); err == nil && len(records) < want && time.Now().Before(late); time.Sleep(200 * time.Millisecond) {
		records, err = recordsAfter(s.Context(), s.client, after)
	}
	if err != nil {
		s.Error(err)
	}
	s.journal.settle(records)
}

// settlesVisits holds the receipts of a round against the file of visits.
func (s *soak) settlesVisits(guests []*guest) {
	data, err := os.ReadFile(filepath.Join(s.dir, "visits.jsonl"))
	if err != nil {
		s.Fatal(err)
	}
	lines := data[s.recordsKnown:]
	s.recordsKnown = len(data)
	s.guests += len(guests)
	compareLines(s.T, guests, string(lines))
}

// closes ends the gateway with calls under way, and looks at what it leaves.
func (s *soak) closes() {
	var last []net.Conn
	for range 10 {
		c, err := from("127.5.1.1").Dial("tcp", s.doors()["tcp"])
		if err != nil {
			s.Fatal(err)
		}
		defer c.Close()
		last = append(last, c)
	}
	if err := s.journal.until("of the last calls", func() bool { return len(s.journal.calls) >= len(last) }); err != nil {
		s.Error(err)
	}
	after := s.journal.record
	s.keeping()
	<-s.kept
	if err := s.gateway.stop(); err != nil {
		s.Fatal(err)
	}
	if err := s.gateway.exit("0"); err != nil {
		s.Error(err)
	}
	again := s.starts()
	records, err := recordsAfter(s.Context(), admin.NewClient(again.doors["admin"]), after)
	if err != nil || len(records) != len(last) || slices.ContainsFunc(records, func(r history.Record) bool { return r.Reason != "shutdown" }) {
		s.Errorf("of %d calls that the end of the gateway ended the history has %+v, %v", len(last), records, err)
	}
	again.kill()
	s.judges()
}

// judges says what there was, and what was wrong.
func (s *soak) judges() {
	var prompt []*honest
	deaths, excused, lost := 0, 0, 0
	s.hub.mu.Lock()
	deaths = s.hub.restarts
	s.hub.mu.Unlock()
	for _, r := range s.regulars {
		excused += r.excused
		if r.home.query == "" {
			prompt = append(prompt, r.honest)
		}
	}
	all := make([]*honest, len(s.regulars))
	for i, r := range s.regulars {
		all[i] = r.honest
	}
	s.hub.accounts(s.T, all)
	for _, n := range s.hub.lost {
		lost += n
	}
	honestFigures(s.T, prompt)
	for _, d := range slices.Concat(s.deeds, s.ends) {
		s.Logf("%-40s%8d", d.name, d.done.Load())
		if d.done.Load() == 0 && *soakFor >= 10*time.Minute {
			s.Errorf("nobody %s", d.name)
		}
	}
	for _, a := range s.attacks {
		s.Logf("%-40s%8d", "strangers: "+a.name, a.made.Load())
	}
	s.Logf("reloads %d, refused %d; link cut %d times; portal dead %d times, %d calls hung up and %d keys typed meanwhile; guests with receipts %d",
		s.reloads[0], s.reloads[1], s.cuts, deaths, excused, lost, s.guests)
	if *soakFor >= 10*time.Minute && s.journal.ended["silent"] == 0 {
		s.Error("no silence was found out by a ping")
	}
	s.Logf("why calls ended: %s", s.journal.reasons())
	s.Logf("before           %s", s.before)
	for i, n := range s.rests {
		s.Logf("after round %3d  %s, at most %d MiB in it, recordings %d MiB", i+1, n, s.peak[i], s.recorded[i])
	}
	s.judgesMemory()
	text := s.gateway.log.String()
	if s.Failed() {
		writes(s.T, filepath.Join(s.ArtifactDir(), "server.log"), text)
	}
	s.Logf("the log:\n%s", figuresOfLog(text))
	for line := range strings.Lines(text) {
		if strings.Contains(line, "DATA RACE") || strings.Contains(line, "panic") || strings.Contains(line, "level=ERROR") && !strings.Contains(line, "configuration is not changed") {
			s.Errorf("there was: %s", line)
		}
	}
}

// judgesMemory expects that memory does not grow from rest to rest, once it is warm.
func (s *soak) judgesMemory() {
	var resting watch
	for _, n := range s.rests {
		resting = append(resting, n.rss>>20)
	}
	for what, w := range map[string]watch{"at rest": resting, "in rounds": s.peak} {
		if len(w) < 2 {
			continue
		}
		third := (len(w) + 2) / 3
		warm, late := slices.Max(w[:third]), slices.Min(w[len(w)-third:])
		bound := warm*5/4 + 16
		if !*plain {
			bound = warm*3/2 + 32
		}
		if late > bound {
			s.Errorf("memory %s grows: %v", what, w)
		}
	}
}

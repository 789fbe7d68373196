package ban

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"

	"moip/internal/policy"
)

// Max is how many bans there may be. So many take about 300 MB; a network takes the
// place of any number of addresses.
const Max = 1_000_000

// Why a List does not do as it is told.
var (
	ErrNever     = errors.New("it is never banned (take it out of never in [bans] of the configuration)")
	ErrFull      = fmt.Errorf("there are %d bans already (ban networks instead of their addresses)", Max)
	ErrNotBanned = errors.New("it is not banned")
)

// errNotKept is why a change may not outlast the gateway.
var errNotKept = errors.New("it holds, but is not in the file")

// Options of a List.
type Options struct {
	// File is where bans are kept, "" for nowhere. It is made by the first ban. While
	// the List is open it is the List's alone.
	File string

	// Never are the networks whose addresses are never kept out.
	Never []netip.Prefix

	// Gateway is what this one is called, if it has its bans in common with others; ""
	// if it is alone. Then what was said of whom is kept beside File, as File.hub.
	Gateway string

	Log *slog.Logger     // nil for none
	Now func() time.Time // the clock, nil for time.Now
}

// A List is the bans of a gateway. Its methods may be called from any goroutine, and
// but for Saved and Close none waits for the disk: one goroutine writes the file. Find
// and All wait for nobody at all.
type List struct {
	file  string
	never atomic.Pointer[bart.Lite]
	most  int
	log   *slog.Logger
	table atomic.Pointer[Table] // changed under mu
	bell  chan struct{}         // rung when there is something to write
	close func()
	quit  chan struct{} // closed by close
	done  chan struct{} // closed when all is written

	now     func() time.Time
	gateway string // "" if this one is alone

	mu      sync.Mutex
	book    *book                 // nil if the gateway is alone
	vain    map[netip.Prefix]bool // networks of which it was logged that others have banned them in vain
	tell    func([]netip.Prefix)  // of which networks something new is said, may be nil
	changes uint64                // so far
	tried   uint64                // of them, to be written
	failed  error                 // what came of that
	news    chan struct{}         // closed, and made anew, when some were tried
}

// Open returns the List in a file, none if there is no such file. The error about one
// that is damaged names the line; the file is left as it is.
func Open(o Options) (*List, error) {
	l := &List{
		file: o.File, most: Max, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)),
		now: time.Now, bell: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}), news: make(chan struct{}),
	}
	l.close = sync.OnceFunc(func() { close(l.quit) })
	if o.Now != nil {
		l.now = o.Now
	}
	l.SetNever(o.Never)
	var table Table
	if o.File != "" {
		if real, err := filepath.EvalSymlinks(o.File); err == nil { // a link stays one
			l.file = real
		}
		var err error
		if table, err = load(o.File, l.now()); err != nil {
			return nil, err
		}
	}
	if o.Gateway != "" {
		l.gateway = o.Gateway
		table = l.openBook(table)
	}
	l.warn(table)
	l.table.Store(&table)
	go l.run()
	return l, nil
}

// SetNever has other networks never kept out, as Options.Never.
func (l *List) SetNever(networks []netip.Prefix) {
	never := new(bart.Lite)
	for _, network := range networks {
		never.Insert(network)
	}
	l.never.Store(never)
}

// IsExempt reports whether an address is never kept out.
func (l *List) IsExempt(a netip.Addr) bool { return l.never.Load().Lookup(policy.Bare(a)) }

// warn logs that bans of a file have no effect any more.
func (l *List) warn(t Table) {
	var vain []netip.Prefix
	for b := range t.All(l.now()) {
		if l.never.Load().LookupPrefix(b.Network) {
			vain = append(vain, b.Network)
		}
	}
	if len(vain) > 0 {
		l.log.Warn("bans have no effect: their networks are in never in [bans] of the configuration", "bans", len(vain), "first", vain[0])
	}
}

// Find returns the ban that keeps an address out, if one does.
func (l *List) Find(a netip.Addr) (Ban, bool) {
	b, banned := l.table.Load().Find(a, l.now())
	if banned && l.IsExempt(a) { // it was not always in never
		return Ban{}, false
	}
	return b, banned
}

// All returns the bans that hold, by network, IPv4 first.
func (l *List) All() []Ban { return slices.Collect(l.table.Load().All(l.now())) }

// Len returns how many bans there are, some that have just run out included.
func (l *List) Len() int { return l.table.Load().Len() }

// Add bans a network from now on, in place of what was said of just this network, and
// returns the ban that holds: what an operator has not said shortens none. The error
// wraps ErrNever or ErrFull, or says what is wrong with b.
func (l *List) Add(b Ban) (Ban, error) { return l.add(b, false) }

// AddNow is Add, and has the other gateways end the calls from there, too.
func (l *List) AddNow(b Ban) (Ban, error) { return l.add(b, true) }

func (l *List) add(b Ban, hangUp bool) (Ban, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	table := l.roomFor(1, now)
	b, err := l.judge(table, b, now)
	if err != nil {
		return b, err
	}
	if old, known := table.Get(b.Network, now); !known || old != b || hangUp {
		l.say(now, hangUp, b)
		l.change(table.With(b))
	}
	return b, nil
}

// AddAll is Add for many, and returns the error of each. Others who change the List wait
// meanwhile, up to a second for 100,000.
func (l *List) AddAll(bans []Ban) []error {
	errs := make([]error, len(bans))
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	table := Table{l.roomFor(len(bans), now).tree().Clone()}
	var news []Ban
	for i, b := range bans {
		if b, errs[i] = l.judge(table, b, now); errs[i] != nil {
			continue
		}
		if old, known := table.Get(b.Network, now); !known || old != b {
			news = append(news, b)
		}
		table.bans.Insert(b.Network, &b) // nobody else has it yet
	}
	l.say(now, false, news...)
	l.change(table)
	return errs
}

// roomFor returns the table, without what has run out if there is no room for n more.
func (l *List) roomFor(n int, now time.Time) Table {
	table := *l.table.Load()
	if table.Len()+n > l.most {
		return table.Swept(now)
	}
	return table
}

// judge returns the ban that is to hold when b is wanted, or why it is not to be had.
func (l *List) judge(t Table, b Ban, now time.Time) (Ban, error) {
	b, err := b.check()
	if err != nil {
		return b, err
	}
	b.Gateway = l.gateway
	if l.never.Load().OverlapsPrefix(b.Network) {
		return b, l.neverError(b.Network)
	}
	old, known := t.Get(b.Network, now)
	switch {
	case known && b.By != ByOperator && !b.outlasts(old):
		return old, nil
	case !known && t.Len() >= l.most:
		return b, ErrFull
	}
	return b, nil
}

// neverError is ErrNever for a network that has addresses of never in it.
func (l *List) neverError(network netip.Prefix) error {
	if l.never.Load().LookupPrefix(network) {
		return fmt.Errorf("%s: %w", Name(network), ErrNever)
	}
	for some := range l.never.Load().Subnets(network) {
		return fmt.Errorf("%s of %s: %w", Name(some), Name(network), ErrNever)
	}
	return ErrNever
}

// Remove lets a network in again that was banned as just this network. The error wraps
// ErrNotBanned, and names the network that keeps this one out all the same.
func (l *List) Remove(network netip.Prefix) error {
	network, err := policy.Normal(network)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	table, now := *l.table.Load(), l.now()
	if _, ok := table.Get(network, now); ok {
		l.sayLifted(now, network)
		l.change(table.Without(network))
		return nil
	}
	if wider, ok := table.Find(network.Addr(), now); ok && wider.Network.Bits() < network.Bits() {
		return fmt.Errorf("%s: %w by itself, but as part of %s", Name(network), ErrNotBanned, Name(wider.Network))
	}
	return fmt.Errorf("%s: %w", Name(network), ErrNotBanned)
}

// change makes t the table. It is called with mu held.
func (l *List) change(t Table) {
	l.table.Store(&t)
	l.changes++
	l.ring()
}

func (l *List) ring() {
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

// Saved waits until all changes made so far are in the file, and on the disk, or ctx
// is done. Its error says why they are not; they hold all the same, and will be tried
// again.
func (l *List) Saved(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for want := l.changes; l.tried < want; {
		news := l.news
		l.mu.Unlock()
		err := error(nil)
		select {
		case <-news:
		case <-l.done:
			err = errors.New("the gateway stops")
		case <-ctx.Done():
			err = ctx.Err()
		}
		l.mu.Lock()
		if err != nil && l.tried < want {
			return fmt.Errorf("%w: %w", errNotKept, err)
		}
	}
	if l.failed != nil {
		return fmt.Errorf("%w: %w", errNotKept, l.failed)
	}
	return nil
}

// Close writes what is to be written, and writes no more.
func (l *List) Close() error {
	l.close()
	<-l.done
	return l.Saved(context.Background())
}

// sweepTime is how often bans are dropped that have run out, and a file is tried again
// that could not be written.
const sweepTime = time.Minute

func (l *List) run() {
	defer close(l.done)
	sweep := time.NewTicker(sweepTime)
	defer sweep.Stop()
	for {
		select {
		case <-l.bell:
			l.pause(l.save())
		case <-sweep.C:
			l.sweep()
		case <-l.quit:
			l.mu.Lock()
			l.retry()
			l.mu.Unlock()
			l.save()
			return
		}
	}
}

// pause waits for as long as the last writing took, so that a long list that changes
// all the time takes half of the disk's time at the most. What changes meanwhile is
// written at once.
func (l *List) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-l.quit:
	}
}

// sweep goes through a long list without keeping anybody from changing it. What was
// changed meanwhile is swept the next time.
func (l *List) sweep() {
	l.purge()
	old := l.table.Load()
	swept := old.Swept(l.now())
	l.mu.Lock()
	defer l.mu.Unlock()
	if swept.bans != old.bans && l.table.Load() == old {
		l.change(swept)
	} else {
		l.retry()
	}
}

// retry has what could not be written tried once more. It is called with mu held.
func (l *List) retry() {
	if l.failed != nil && l.tried == l.changes {
		l.tried--
		l.ring()
	}
}

// save writes the file if something has changed, and returns how long that took.
func (l *List) save() time.Duration {
	l.mu.Lock()
	changes, table, before := l.changes, *l.table.Load(), l.failed
	idle := changes == l.tried
	var said *page
	if !idle {
		said = l.page()
	}
	l.mu.Unlock()
	if idle {
		return 0
	}
	began := time.Now()
	var err error
	if l.file != "" {
		err = write(l.file, table.All(l.now()))
		if err == nil && said != nil { // in this order, see book.adopt
			err = said.write(l.file + hubSuffix)
		}
	}
	switch {
	case err != nil && before == nil:
		l.log.Error("bans are not kept in their file; it is tried every minute", "error", err)
	case err == nil && before != nil:
		l.log.Info("bans are kept in their file again", "file", l.file)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tried, l.failed = changes, err
	close(l.news)
	l.news = make(chan struct{})
	return time.Since(began)
}

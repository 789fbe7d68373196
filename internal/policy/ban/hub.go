package ban

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"time"
)

// hubSuffix is what the file of what was said has behind the name of that of bans: a line
// of JSON for the page, and one for each Change.
const hubSuffix = ".hub"

// A page is what a book has that is kept.
type page struct {
	Newest  int64 `json:"newest"`
	Floor   int64 `json:"floor"`
	changes []*Change
}

// page returns what is to be kept, nil if nothing is. It is called with mu held.
func (l *List) page() *page {
	if l.book == nil || l.file == "" {
		return nil
	}
	p := &page{Newest: l.book.newest, Floor: l.book.floor, changes: make([]*Change, 0, l.book.n)}
	for c := range l.book.all() {
		p.changes = append(p.changes, c)
	}
	return p
}

func (p *page) write(path string) error {
	return replace(path, func(w io.Writer) error {
		out := bufio.NewWriterSize(w, 64<<10)
		lines := json.NewEncoder(out)
		err := lines.Encode(p)
		for _, c := range p.changes {
			err = errors.Join(err, lines.Encode(c))
		}
		return errors.Join(err, out.Flush())
	})
}

// readBook reads what a page has written. Fields that it does not know it leaves aside.
func readBook(path string, now time.Time) (*book, error) {
	k := new(book)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return k, err
	}
	defer f.Close()
	in := json.NewDecoder(bufio.NewReader(f))
	var p page
	if err := in.Decode(&p); err != nil {
		return k, err
	}
	k.newest, k.floor = min(max(p.Newest, 0), now.Add(ahead).UnixNano()), p.Floor
	for in.More() {
		var c Change
		err := in.Decode(&c)
		if err == nil {
			c, err = c.check(now)
		}
		if err != nil {
			return k, err
		}
		k.merge(c, now)
		if k.n > Max+maxLifted {
			return k, fmt.Errorf("there are more than %d changes", Max+maxLifted)
		}
	}
	return k, nil
}

// openBook opens the book, and returns the bans with who has said them. What cannot be
// read is set aside: the bans are known all the same, and what was lifted others know.
func (l *List) openBook(t Table) Table {
	now := l.now()
	l.book, l.vain = new(book), map[netip.Prefix]bool{}
	if l.file != "" {
		path := l.file + hubSuffix
		var err error
		if l.book, err = readBook(path, now); err != nil {
			l.log.Warn("what was said of bans is forgotten, but for the bans themselves", "file", path, "error", errors.Join(err, os.Rename(path, path+".damaged")))
			l.book = new(book)
		}
	}
	l.book.adopt(t, l.gateway, now)
	t = Table{t.tree().Clone()}
	for c := range l.book.all() {
		if b, banned := t.Get(c.Network, now); banned {
			b.Gateway = c.Gateway
			t.bans.Insert(b.Network, &b) // nobody else has it yet
		}
	}
	return t
}

// Follow has tell told of which networks this gateway has said something new, which Said
// has. It must not block, nor call the List. It is called once, before the List is used.
func (l *List) Follow(tell func([]netip.Prefix)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tell = tell
}

// say notes that networks are banned. It is called with mu held, before the table changes.
func (l *List) say(now time.Time, hangUp bool, bans ...Ban) {
	if l.book == nil {
		return
	}
	var networks []netip.Prefix
	for _, b := range bans {
		old := l.book.get(b.Network)
		c := follow(old, b, l.book.stamp(now, l.gateway))
		c.HangUp = hangUp
		if old != nil && !c.beats(old) { // that lasts longer, but was made by a clock that was ahead, see timely
			c.Order = c.Stamp
		}
		l.book.put(c)
		networks = append(networks, b.Network)
	}
	l.told(networks...)
}

// sayLifted notes that a network is banned no more, likewise.
func (l *List) sayLifted(now time.Time, network netip.Prefix) {
	if l.book == nil {
		return
	}
	l.book.put(lift(l.book.get(network), network, l.book.stamp(now, l.gateway)))
	l.book.bound(maxLifted)
	l.told(network)
}

func (l *List) told(networks ...netip.Prefix) {
	if l.tell != nil && len(networks) > 0 {
		l.tell(networks)
	}
}

// Merge takes what others have said, and returns what of it holds now and did not before.
// The error tells of some that cannot be taken.
func (l *List) Merge(changes []Change) (news []Change, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.book == nil {
		return nil, errors.New("the gateway is alone")
	}
	now := l.now()
	table := *l.table.Load()
	for _, c := range changes {
		c, wrong := c.check(now)
		if wrong == nil && c.holds(now) && table.Len() >= l.most {
			if table = table.Swept(now); table.Len() >= l.most {
				wrong = ErrFull
			}
		}
		if wrong != nil {
			err = wrong
			continue
		}
		if !l.book.merge(c, now) {
			continue
		}
		news = append(news, c)
		table = table.Without(c.Network)
		if b := c.Ban().timely(now); c.holds(now) && b.HoldsAt(now) {
			table = table.With(b)
			l.warnOf(b)
		}
	}
	l.book.bound(maxLifted)
	if len(news) > 0 {
		l.change(table)
	}
	return news, err
}

// warnOf logs once that another gateway has banned whom this one never does.
func (l *List) warnOf(b Ban) {
	const most = 1000
	if l.never.Load().OverlapsPrefix(b.Network) && !l.vain[b.Network] && len(l.vain) < most {
		l.vain[b.Network] = true
		l.log.Warn("another gateway has banned whom this one never does: never in [bans] holds here", "network", b.Network, "gateway", b.Gateway, "why", b.Reason)
	}
}

// Sums tell whether two gateways agree on each of Parts.
func (l *List) Sums() (sums [Parts]uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.book != nil {
		sums = l.book.sums
	}
	return sums
}

// Part returns what was said last of the networks of a part, by network.
func (l *List) Part(i int) []Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.book == nil {
		return nil
	}
	return l.book.part(i)
}

// Said returns what was said last of networks, as far as it is known.
func (l *List) Said(networks []netip.Prefix) (all []Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, network := range networks {
		if l.book == nil {
			break
		}
		if c := l.book.get(network); c != nil {
			all = append(all, *c)
		}
	}
	return all
}

// Shared returns how many networks there are of which something is remembered, and of how
// many of them that a ban was lifted; 0 if the gateway is alone.
func (l *List) Shared() (known, lifted int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.book == nil {
		return 0, 0
	}
	return l.book.n, l.book.lifted
}

// purge forgets what is over, a part at a time, so that nobody waits for long.
func (l *List) purge() {
	if l.book == nil {
		return
	}
	some := false
	for i := range Parts {
		l.mu.Lock()
		some = l.book.purge(i, l.now()) || some
		l.mu.Unlock()
	}
	if some {
		l.mu.Lock()
		l.change(*l.table.Load())
		l.mu.Unlock()
	}
}

package shared

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"moip/internal/bus"
	"moip/internal/control/cluster"
	"moip/internal/policy"
	"moip/internal/policy/ban"
)

// What changes of bans is told to all. What gets lost on the way is found by pairs of
// gateways who compare all that they know; who finds what another lacks tells it to all.

// Subjects of bans. Who compares its own with another's asks by the other's instance.
const (
	banChanges = "ban.changes"
	banCompare = "ban.compare."
)

const (
	compareTime = 30 * time.Second // from one comparison to the next, a sixth more or less
	againTime   = 5 * time.Second  // to the next after one that has failed
	answerTime  = 5 * time.Second  // which an answer may take
	pieceSize   = bus.MaxData / 2  // bytes of changes in a message, and a Change more at the most
)

// Bans has the bans of a gateway in common with those of the others.
type Bans struct {
	Hub  *cluster.Hub
	List *ban.List
	Log  *slog.Logger

	// Taken is told what others have said that holds now, in the order in which it was taken.
	// It may be nil.
	Taken func([]ban.Change)

	told, taken atomic.Uint64

	mu      sync.Mutex
	pending map[netip.Prefix]bool // of which something new is to be told
	bell    chan struct{}
	whom    chan string // the instance of a gateway that has come
	hush    policy.Hush // of what others say and is wrong
}

// Open has the List tell what changes. It comes before Run, and before anything changes.
func (b *Bans) Open() {
	b.pending, b.bell, b.whom = map[netip.Prefix]bool{}, make(chan struct{}, 1), make(chan string, 1)
	b.List.Follow(func(networks []netip.Prefix) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, network := range networks {
			b.pending[network] = true
		}
		ring(b.bell)
	})
}

// Counts returns how many changes were told to others, and taken from them.
func (b *Bans) Counts() (told, taken uint64) { return b.told.Load(), b.taken.Load() }

// Run tells and hears until ctx is done.
func (b *Bans) Run(ctx context.Context) {
	stop, err := bus.SubscribeAll(b.Hub.Bus(), map[string]func(bus.Message){banChanges: b.hear, banCompare + b.Hub.Instance(): b.answer})
	if err != nil {
		b.Log.Error("bans are not shared", "error", err)
		return
	}
	defer stop()
	defer b.Hub.Bus().Follow(func(s bus.State) {
		if s.Up {
			b.meet("")
		}
	})()
	defer b.Hub.Follow(func(s cluster.Seen) {
		if !s.Silent && s.State != cluster.Gone {
			b.meet(s.Instance)
		}
	})()
	var comparing sync.WaitGroup
	comparing.Go(func() { b.compareAll(ctx) })
	defer comparing.Wait()
	for {
		select {
		case <-b.bell:
			b.tell()
		case <-ctx.Done():
			b.tell()
			return
		}
	}
}

// meet has the next comparison be now, with a gateway or anybody.
func (b *Bans) meet(instance string) {
	select {
	case b.whom <- instance:
	default: // one is due anyway
	}
}

// tell tells all of what is new here. What cannot be told now is found by comparing.
func (b *Bans) tell() {
	b.mu.Lock()
	var networks []netip.Prefix
	for network := range b.pending {
		networks = append(networks, network)
	}
	clear(b.pending)
	b.mu.Unlock()
	b.publish(b.List.Said(networks))
}

// A banNews tells of changes.
type banNews struct {
	From    string            `json:"from"` // an instance
	Changes []json.RawMessage `json:"changes"`
}

// publish tells changes to all, in pieces.
func (b *Bans) publish(changes []ban.Change) {
	for len(changes) > 0 {
		raw, n := piece(changes, pieceSize)
		if b.Hub.Bus().Publish(bus.Message{Subject: banChanges, Data: encode(banNews{b.Hub.Instance(), raw})}) != nil {
			return
		}
		b.told.Add(uint64(n))
		changes = changes[n:]
	}
}

// piece returns the first of changes, in some bytes or a few more, one at the least.
func piece(changes []ban.Change, room int) (raw []json.RawMessage, n int) {
	for size := 0; n < len(changes) && (n == 0 || size < room); n++ {
		data := encode(changes[n])
		raw = append(raw, data)
		size += len(data) + 1
	}
	return raw, n
}

// hear is told of changes.
func (b *Bans) hear(m bus.Message) {
	var news banNews
	if json.Unmarshal(m.Data, &news) == nil && news.From != b.Hub.Instance() {
		b.take(news.Changes)
	}
}

// take merges what others have said, and returns what of that could be read.
func (b *Bans) take(raw []json.RawMessage) (changes []ban.Change) {
	for _, data := range raw {
		var c ban.Change
		if err := json.Unmarshal(data, &c); err != nil {
			b.complain(c, err)
			continue
		}
		changes = append(changes, c)
	}
	news, err := b.List.Merge(changes)
	if err != nil {
		b.complain(changes[0], err)
	}
	b.taken.Add(uint64(len(news)))
	if b.Taken != nil && len(news) > 0 {
		b.Taken(news)
	}
	return changes
}

// complain logs what is wrong with what others say.
func (b *Bans) complain(c ban.Change, err error) {
	if n, aloud := b.hush.Tell(netip.IPv6Unspecified()); aloud {
		b.Log.Warn("some bans of another gateway are not taken", "gateway", c.Gateway, "error", err, "times", n)
	}
}

// compareAll compares what is known here with others, one after the other.
func (b *Bans) compareAll(ctx context.Context) {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		whom := ""
		select {
		case <-next.C:
		case whom = <-b.whom:
		case <-ctx.Done():
			return
		}
		wait := compareTime*5/6 + rand.N(compareTime/3)
		if whom = cmp.Or(whom, b.anybody()); whom != "" {
			if err := b.compare(ctx, whom); err != nil && ctx.Err() == nil {
				b.Log.Debug("bans are not compared", "with", whom, "error", err)
				wait = againTime
			}
		}
		next.Reset(wait)
	}
}

// anybody returns the instance of another gateway, "" if there is none.
func (b *Bans) anybody() string {
	var all []string
	for _, s := range b.Hub.Gateways() {
		if !s.Self && !s.Silent {
			all = append(all, s.Instance)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return all[rand.N(len(all))]
}

// A banAsk asks for what the other knows of parts where it does not know the same, from
// a part on, and in that from behind a network.
type banAsk struct {
	Sums  []byte       `json:"sums"`
	Part  int          `json:"part"`
	After netip.Prefix `json:"after,omitzero"`
}

// A banAnswer is as much of that as there is room for.
type banAnswer struct {
	Changes []json.RawMessage `json:"changes"`
	Parts   []int             `json:"parts"` // that differ, and are whole with this answer
	Part    int               `json:"part"`  // where to go on, ban.Parts if there is nothing more
	After   netip.Prefix      `json:"after,omitzero"`
}

var errNonsense = errors.New("the answer makes no sense")

// compare takes what another gateway knows and this one does not, and tells all what it
// does not know.
func (b *Bans) compare(ctx context.Context, whom string) error {
	sums := b.List.Sums()
	ask := banAsk{Sums: make([]byte, 0, 8*ban.Parts)}
	for _, sum := range sums {
		ask.Sums = binary.BigEndian.AppendUint64(ask.Sums, sum)
	}
	theirs := map[netip.Prefix]ban.Change{}
	for ask.Part < ban.Parts {
		answer, err := b.ask(ctx, whom, ask)
		if err != nil {
			return err
		}
		if answer.Part < ask.Part || answer.Part > ban.Parts || answer.Part == ask.Part && answer.After.Compare(ask.After) <= 0 {
			return errNonsense
		}
		for _, c := range b.take(answer.Changes) {
			theirs[c.Network] = c
		}
		var lacks []ban.Change
		for _, i := range answer.Parts {
			if i < ask.Part || i >= ban.Parts {
				return errNonsense
			}
			for _, mine := range b.List.Part(i) {
				if their, ok := theirs[mine.Network]; !ok || !their.Covers(mine) {
					lacks = append(lacks, mine)
				}
			}
		}
		b.publish(lacks)
		if !answer.After.IsValid() {
			clear(theirs)
		}
		ask.Part, ask.After = answer.Part, answer.After
	}
	return nil
}

func (b *Bans) ask(ctx context.Context, whom string, ask banAsk) (answer banAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	data, err := b.Hub.Bus().Request(ctx, banCompare+whom, encode(ask))
	if err == nil {
		err = json.Unmarshal(data, &answer)
	}
	return answer, err
}

// answer answers a banAsk.
func (b *Bans) answer(m bus.Message) {
	var ask banAsk
	if m.Reply == "" || json.Unmarshal(m.Data, &ask) != nil || len(ask.Sums) != 8*ban.Parts || ask.Part < 0 {
		return
	}
	sums, answer := b.List.Sums(), banAnswer{Part: ask.Part, After: ask.After}
	for room := pieceSize; answer.Part < ban.Parts && room > 0; {
		if binary.BigEndian.Uint64(ask.Sums[8*answer.Part:]) != sums[answer.Part] || answer.After.IsValid() {
			all := b.List.Part(answer.Part)
			for answer.After.IsValid() && len(all) > 0 && all[0].Network.Compare(answer.After) <= 0 {
				all = all[1:]
			}
			raw, n := piece(all, room)
			for _, data := range raw {
				room -= len(data) + 1
			}
			answer.Changes = append(answer.Changes, raw...)
			if n < len(all) {
				answer.After = all[n-1].Network
				break
			}
			answer.Parts = append(answer.Parts, answer.Part)
		}
		answer.Part, answer.After = answer.Part+1, netip.Prefix{}
	}
	b.Hub.Bus().Publish(bus.Message{Subject: m.Reply, Data: encode(answer)})
}

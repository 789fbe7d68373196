// Package memory knows how much memory the process may take and whether there is enough
// for another call, so that callers are refused before the kernel kills all of them.
//
// What is bounded is what the process needs: objects that are in use, stacks, and what
// the kernel holds for its sockets. Garbage is not counted, since Go's limit
// (GOMEMLIMIT) has it collected in time.
package memory

import (
	"context"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	lookTime    = 100 * time.Millisecond // that a look is good for
	adaptTime   = time.Second            // between looks when nobody asks
	collectTime = 2 * time.Second        // between collections while callers are refused
)

// A Usage is what the process may take, and what it needs, in bytes.
type Usage struct {
	Most  int64  `json:"most"` // from where on callers are refused, 0 for no limit
	Taken int64  `json:"taken"`
	By    string `json:"by,omitempty"` // what sets the limit: GOMEMLIMIT, cgroup or machine
}

// A Gauge tells how much memory there is. Its methods may be called from any goroutine. The
// nil Gauge has no limit.
type Gauge struct {
	group *group // nil without one that has a limit
	by    string
	log   *slog.Logger // must not block
	ours  bool         // GOMEMLIMIT is, to be adapted
	paces bool         // GOGC is ours

	mu        sync.Mutex // guards what follows
	soft      int64      // the limit of Go, math.MaxInt64 for none
	at        time.Time  // of the last look
	enough    bool
	usage     Usage
	collected time.Time
	percent   int // of garbage, see leisure
}

// Open finds out what the limit is: GOMEMLIMIT of the environment, the memory of the control
// group, or the machine's. Unless the first is set, "off" too, it sets Go's limit to three
// quarters of the others, for the kernel needs as much for a call as we do. The log is told
// when callers are to be refused, and when they are not any more; it must not block. Unless
// GOGC is set, garbage is collected at leisure while there is little of it.
func Open(log *slog.Logger) *Gauge {
	g := &Gauge{enough: true, log: log, group: findGroup("/"), soft: debug.SetMemoryLimit(-1), by: "GOMEMLIMIT"}
	if _, set := os.LookupEnv("GOMEMLIMIT"); !set {
		most, by := machine("/"), "machine"
		if g.group != nil {
			most, by = g.group.most, "cgroup"
		}
		if most > 0 {
			g.ours, g.by, g.soft = true, by, most/4*3
			debug.SetMemoryLimit(g.soft)
		}
	}
	_, set := os.LookupEnv("GOGC")
	g.paces, g.percent = !set, always
	g.look(time.Now())
	return g
}

// Enough reports whether there is memory for another call. It is cheap enough to be asked
// for each of them.
func (g *Gauge) Enough() bool {
	if g == nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); now.Sub(g.at) >= lookTime {
		g.look(now)
	}
	return g.enough
}

// Usage returns the figures as they are now.
func (g *Gauge) Usage() Usage {
	if g == nil {
		return Usage{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); now.Sub(g.at) >= lookTime {
		g.look(now)
	}
	return g.usage
}

// Run looks now and then until ctx is done, also while nobody calls: it leaves Go less as
// the kernel needs more in a control group, and finds out that there is enough again.
func (g *Gauge) Run(ctx context.Context) {
	for tick := time.Tick(adaptTime); ; {
		g.Usage()
		select {
		case <-tick:
		case <-ctx.Done():
			return
		}
	}
}

// look looks how things are. It is called with mu held.
func (g *Gauge) look(now time.Time) {
	g.at = now
	needed, garbage, live := ofGo()
	if g.paces {
		g.pace(live)
	}
	g.usage = Usage{Taken: needed, By: g.by}
	if g.soft < math.MaxInt64 {
		g.usage.Most = g.soft / 4 * 3
	}
	if g.group != nil {
		g.lookAtGroup(needed, garbage)
	}
	g.tell()
	if !g.enough && now.Sub(g.collected) >= collectTime {
		g.collected = now
		go runtime.GC() // by which it is known what is in use
	}
}

// Garbage is collected when there is as much of it as of what is in use, as Go has it, but
// up to the room of leisure not before there is that much. Of a gateway with few calls under
// way little is in use, and Go would collect dozens of times a second when many come and go:
// a third of what their calls cost.
const (
	leisure = 16 << 20
	always  = 100 // percent of what is in use, at the least
	rarely  = 400 // and at the most
)

// pace has garbage collected as live, what was in use at the last collection, asks for.
func (g *Gauge) pace(live int64) {
	percent := int(min(max(leisure*100/max(live, 1), always), rarely))
	if by := percent - g.percent; by == 0 || percent != always && -25 < by && by < 25 { // it stops everybody for a moment
		return
	}
	g.percent = percent
	debug.SetGCPercent(percent)
}

// tell says whether there is enough, and tells operators when that changes. Callers who were
// refused are let in again when a sixteenth is free, so that it does not change all the time.
func (g *Gauge) tell() {
	u := g.usage
	switch {
	case g.enough && u.Most > 0 && u.Taken > u.Most:
		g.log.Warn("memory is wanting; calls go on, new ones are refused", "taken", u.Taken, "most", u.Most, "limit by", u.By)
		g.enough = false
	case !g.enough && u.Taken <= u.Most/16*15:
		g.log.Info("memory is enough again", "taken", u.Taken, "most", u.Most, "limit by", u.By)
		g.enough = true
	}
}

// lookAtGroup is look where there is a control group. Whichever limit is nearer is told.
func (g *Gauge) lookAtGroup(needed, garbage int64) {
	used, err := g.group.used()
	if err != nil {
		return // it goes by Go's alone
	}
	most := g.group.most
	if g.ours {
		kernel := max(used-needed-garbage, 0)
		if soft := min(max(most/8*7-kernel, most/4), most/4*3); soft < g.soft-most/32 || soft > g.soft+most/32 {
			g.soft = soft
			debug.SetMemoryLimit(soft)
		}
	}
	if taken, allowed := max(used-garbage, 0), most/4*3; g.usage.Most == 0 || taken-allowed > g.usage.Taken-g.usage.Most {
		g.usage = Usage{Taken: taken, Most: allowed, By: "cgroup"}
	}
}

// ofGo returns what the program needs, what is garbage or kept for later and can be had
// back, and which objects were in use at the last collection, 0 before there was one.
func ofGo() (needed, garbage, live int64) {
	s := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(s)
	at := func(i int) int64 { return int64(s[i].Value.Uint64()) }
	mapped := at(0) - at(1)
	garbage = at(2)
	if live = at(4); live > 0 { // there was a collection
		garbage += max(at(3)-live, 0)
	}
	return max(mapped-garbage, 0), garbage, live
}

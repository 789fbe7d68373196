package news

import (
	"encoding/json"
	"sync"
	"time"

	"moip/internal/bus"
)

const (
	pastTime = 10 * time.Minute // for which it is kept
	maxPasts = 16               // processes
)

// A past is what earlier processes of this gateway have left in the spool. It was told, but
// who has come back to the bus too late for it may ask us, as those are gone.
type past struct {
	w *Wire

	mu    sync.Mutex
	of    map[source][]heard
	n     int
	stops []func()
	end   *time.Timer
}

// add keeps what a line of the spool tells, as far as there is room.
func (p *past) add(line []byte) {
	var named struct{ Gateway string }
	if json.Unmarshal(line, &named) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range parse(line, named.Gateway) {
		old := p.of[h.source]
		if h.source == p.w.source || p.n >= Kept || len(old) > 0 && old[len(old)-1].n >= h.n {
			continue
		}
		if old == nil && !p.meet(h.source) {
			continue
		}
		p.of[h.source] = append(old, h)
		p.n++
	}
}

// meet answers for a process from now on.
func (p *past) meet(s source) bool {
	if len(p.of) == maxPasts {
		return false
	}
	stop, err := p.w.o.Hub.Bus().Subscribe(asked+s.gateway+"."+s.run, "", func(m bus.Message) { p.answer(s, m) })
	if err != nil {
		return false
	}
	if p.of == nil {
		p.of = map[source][]heard{}
		p.end = time.AfterFunc(pastTime, p.close)
	}
	p.stops = append(p.stops, stop)
	return true
}

func (p *past) answer(s source, m bus.Message) {
	var q question
	if m.Reply == "" || json.Unmarshal(m.Data, &q) != nil {
		return
	}
	var some []Event
	p.mu.Lock()
	for _, h := range p.of[s] {
		if h.n >= q.From && len(some) < maxAsked {
			some = append(some, h.Event)
		}
	}
	p.mu.Unlock()
	data, _ := lines(nil, some)
	p.w.o.Hub.Bus().Publish(bus.Message{Subject: m.Reply, Data: data})
}

// close forgets all.
func (p *past) close() {
	p.mu.Lock()
	stops := p.stops
	if p.end != nil {
		p.end.Stop()
	}
	p.of, p.n, p.stops, p.end = nil, 0, nil, nil
	p.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
}

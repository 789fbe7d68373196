package probe

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"time"
)

// A Prober may be one of several, of gateways that share the trying: each service is tried
// by one of them, who tells the others what it has found. Who that is, and what carries what
// they tell, is not the Prober's to know.
//
// A Finding is a state that was found by one of them.
type Finding struct {
	Name string // of the service
	Key  uint64 // of the service: that of Target
	ID   string // of this finding, wherever it is told
	State
}

// Key returns what is the same for the same service, by name and URL, at all gateways.
func (t Target) Key() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", t.Name, t.Route.URL)
	return h.Sum64()
}

// shared is what a Prober that shares knows of that.
type shared struct {
	by, instance string                // who it is; by is "" if it does not share
	ours         func(key uint64) bool // which services are ours to try, nil for all
	byKey        map[uint64]*service
	found        uint64   // findings of ours so far
	keys         []uint64 // of all that are tried, sorted
	generation   int      // of keys
}

// share is what is known of a service that is shared.
type share struct {
	key  uint64
	ours bool      // to try, and to say how it is
	id   string    // of the finding that State is
	own  bool      // it is one of this gateway's
	news bool      // others should hear of it
	told time.Time // when they last have, or we from them
}

// Share has the Prober be one of several. Findings are said to be by a gateway of that name;
// instance tells its process from all others. It is to be called once, before Run.
func (p *Prober) Share(by, instance string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.by, p.instance = by, instance
	p.divide()
}

// Assign has the Prober try only services that are its, and say how these are.
func (p *Prober) Assign(ours func(key uint64) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shared.ours = ours
	p.divide()
	p.ring()
}

// divide finds which services are ours. What is known of one that becomes ours, the others
// should hear. p.mu is held.
func (p *Prober) divide() {
	if p.by == "" {
		return
	}
	p.byKey = make(map[uint64]*service, len(p.services))
	keys := []uint64{}
	for _, s := range p.services {
		s.key = s.Key()
		p.byKey[s.key] = s
		if s.Every > 0 {
			keys = append(keys, s.key)
		}
		ours := s.Every > 0 && (p.shared.ours == nil || p.shared.ours(s.key))
		s.news = s.news || ours && !s.share.ours && s.Known
		s.share.ours = ours
	}
	slices.Sort(keys)
	if p.keys == nil || !slices.Equal(keys, p.keys) {
		p.keys, p.generation = keys, p.generation+1
	}
}

// isOurs reports whether it is ours to try a service. p.mu is held.
func (p *Prober) isOurs(s *service) bool { return p.by == "" || s.share.ours }

// note remembers that this gateway has found a service as it is, and was before, by trying
// it or by a call. That others should hear of what it was tried for, or what has changed;
// and, so that they put off a try that a call has made needless, of calls now and then.
// p.mu is held.
func (p *Prober) note(s *service, was State, tried bool) {
	if p.by == "" {
		return
	}
	p.found++
	s.By, s.id, s.own = p.by, fmt.Sprint(p.instance, "-", p.found), true
	late := s.Every > 0 && s.At.Sub(s.told) > s.Every/2
	s.news = s.news || tried || late || !was.Known || was.Up != s.Up
}

// Keys returns the keys of the services that are tried at all, sorted, and a number that
// grows when they change. The keys are not to be changed.
func (p *Prober) Keys() (keys []uint64, generation int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys, p.generation
}

// News returns the findings that the others should hear and have not been told.
func (p *Prober) News() []Finding {
	return p.those(true, func(s *service) bool { return s.news })
}

// Ours returns all findings that this gateway has to tell: of the services that are its, and
// its own. Of the others that are its nothing is known; their keys are returned.
func (p *Prober) Ours() (all []Finding, unknown []uint64) {
	all = p.those(true, func(s *service) bool { return s.share.ours || s.own })
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.services {
		if s.share.ours && !s.Known {
			unknown = append(unknown, s.key)
		}
	}
	return all, unknown
}

// Remind has what is known of services be told, for whoever they are assigned to does not
// know it.
func (p *Prober) Remind(keys []uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range keys {
		if s := p.byKey[key]; s != nil && s.Known {
			s.news = true
		}
	}
}

// Findings returns all that is known.
func (p *Prober) Findings() []Finding { return p.those(false, func(*service) bool { return true }) }

// those returns the findings that are wanted, by key, which all others are told, or not.
func (p *Prober) those(told bool, wanted func(*service) bool) (all []Finding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.services {
		if s.Known && wanted(s) {
			all = append(all, Finding{s.Name, s.key, s.id, s.State})
			if told {
				s.news, s.told = false, s.At
			}
		}
	}
	slices.SortFunc(all, func(a, b Finding) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// Learn is told what another has found. It is believed if it is newer than what is known;
// and in any case from whoever the service is assigned to, unless there are news for that.
func (p *Prober) Learn(f Finding, assigned bool) {
	p.mu.Lock()
	s := p.byKey[f.Key]
	if s == nil || s.Known && s.id == f.ID || s.Known && !f.At.After(s.At) && (!assigned || s.news) {
		p.mu.Unlock()
		return
	}
	isNews := f.Up != (s.Up || !s.Known)
	f.Err = line(f.Err)
	s.State, s.id, s.own, s.told = f.State, f.ID, false, f.At
	s.Known = true
	s.news = s.share.ours // it is ours to say so
	s.due = again(f.At, s.Every)
	p.mu.Unlock()
	if isNews {
		p.log.Info("another gateway has found a service", "service", s.Name, "up", f.Up, "gateway", f.By, "error", f.Err)
	}
}

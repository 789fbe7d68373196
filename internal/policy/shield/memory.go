package shield

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

// spans are how long a household is banned, the first time, the second and so on.
var spans = [...]time.Duration{10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

const (
	memoryTime = 30 * 24 * time.Hour // after which a ban is not held against anybody
	maxMemory  = 10_000              // households
)

// A memory knows who was banned, for as long as that makes the next ban longer. It stays
// in a file, if it has one.
type memory struct {
	file   string
	log    *slog.Logger
	failed bool // to write it

	mu      sync.Mutex
	banned  map[netip.Prefix]offence
	changed bool // since it was written
}

// An offence is why a household is remembered.
type offence struct {
	Times int       `json:"times"` // that it was banned
	Until time.Time `json:"until"` // when the last ban ends
}

// isOver reports whether a ban is not held against its household any more.
func (o offence) isOver(now time.Time) bool { return now.Sub(o.Until) > memoryTime }

func (m *memory) open(file string, log *slog.Logger) {
	m.file, m.log, m.banned = file, log, map[netip.Prefix]offence{}
	if file == "" {
		return
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		var banned map[netip.Prefix]offence
		if err = json.Unmarshal(data, &banned); err == nil {
			maps.Copy(m.banned, banned) // which null has not made
			return
		}
		err = errors.Join(err, os.Rename(file, file+".damaged"))
	}
	log.Warn("shield: earlier bans are forgotten; the next are as short as first ones", "file", file, "error", err)
}

// next returns for how long a household is banned this time.
func (m *memory) next(who netip.Prefix, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, known := m.banned[who]
	switch {
	case known && o.isOver(now):
		o = offence{}
	case !known && len(m.banned) >= maxMemory:
		m.forgetOldest()
	}
	span := spans[min(max(o.Times, 0), len(spans)-1)]
	m.banned[who] = offence{o.Times + 1, now.Add(span).UTC().Truncate(time.Second)}
	m.changed = true
	return span
}

// learn notes what others know of a household, if that is more.
func (m *memory) learn(who netip.Prefix, times int, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, known := m.banned[who]
	next := offence{max(o.Times, times), o.Until}
	if until.After(o.Until) {
		next.Until = until.UTC().Truncate(time.Second)
	}
	if next == o || next.isOver(time.Now()) {
		return
	}
	if !known && len(m.banned) >= maxMemory {
		m.forgetOldest()
	}
	m.banned[who] = next
	m.changed = true
}

// of returns how often a household was banned, and until when; 0 if that matters no more.
func (m *memory) of(who netip.Prefix) (times int, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o := m.banned[who]; !o.isOver(time.Now()) {
		return o.Times, o.Until
	}
	return 0, time.Time{}
}

// all returns the households that are remembered.
func (m *memory) all() []netip.Prefix {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.banned))
}

// forgetOldest forgets the household whose ban ends, or has ended, first.
func (m *memory) forgetOldest() {
	var oldest netip.Prefix
	for who, o := range m.banned {
		if !oldest.IsValid() || o.Until.Before(m.banned[oldest].Until) {
			oldest = who
		}
	}
	delete(m.banned, oldest)
}

// forget has the next ban of a household be its first.
func (m *memory) forget(who netip.Prefix) (known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known = m.banned[who]; known {
		delete(m.banned, who)
		m.changed = true
	}
	return known
}

// save forgets what is over, and writes the file if anything has changed. There is one who
// calls it.
func (m *memory) save(now time.Time) {
	m.mu.Lock()
	for who, o := range m.banned {
		if latest := now.Add(spans[len(spans)-1] + time.Minute); o.Until.After(latest) { // of a clock that was ahead
			m.banned[who] = offence{o.Times, latest.UTC().Truncate(time.Second)}
			m.changed = true
		} else if o.isOver(now) {
			delete(m.banned, who)
			m.changed = true
		}
	}
	due := m.changed && m.file != ""
	m.changed = false
	var data []byte
	var err error
	if due {
		data, err = json.Marshal(m.banned)
	}
	m.mu.Unlock()
	if !due {
		return
	}
	if err == nil {
		err = replace(m.file, data)
	}
	switch {
	case err != nil && !m.failed:
		m.log.Error("shield: bans are not remembered after a restart, until their file can be written", "error", err)
	case err == nil && m.failed:
		m.log.Info("shield: bans are remembered again", "file", m.file)
	}
	m.failed = err != nil
	if m.failed { // it is tried the next time
		m.mu.Lock()
		m.changed = true
		m.mu.Unlock()
	}
}

func replace(path string, data []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		os.Remove(next) // half of it takes room on a full disk
		return fmt.Errorf("write %s: %w", next, err)
	}
	return os.Rename(next, path)
}

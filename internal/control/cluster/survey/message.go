package survey

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"moip/internal/bus"
	"moip/internal/directory/probe"
)

const (
	maxStates  = 500    // in a message
	maxUnknown = 2000   // in a message
	maxKeys    = 20_000 // in a message
	maxAge     = 30 * 24 * time.Hour
	maxID      = 40
)

// A report is what a gateway tells of services, to all or to one who asks. Times are told
// as how long ago something was, so that nobody's clock matters to another.
type report struct {
	Instance  string  `json:"instance"`
	Directory string  `json:"directory"` // the digest of the keys of the services that it has
	States    []state `json:"states,omitempty"`
	Unknown   []byte  `json:"unknown,omitempty"` // keys of services whose keeper it is, and does not know how they are: who knows, tells
	Keys      []byte  `json:"keys,omitempty"`    // of the services that it has, 8 bytes each, sorted; only for who asks
	More      bool    `json:"more,omitempty"`    // there is another page, for who asks
}

// A state is that of a service.
type state struct {
	Service string `json:"service"` // for people
	Key     uint64 `json:"key,string"`
	ID      string `json:"id"`
	Up      bool   `json:"up"`
	At      int64  `json:"at"`    // milliseconds ago
	Since   int64  `json:"since"` // likewise
	Error   string `json:"error,omitempty"`
	By      string `json:"by"` // the gateway that has found it
}

func stateOf(f probe.Finding, now time.Time) state {
	return state{
		Service: f.Name, Key: f.Key, ID: f.ID, Up: f.Up, Error: f.Err, By: f.By,
		At: now.Sub(f.At).Milliseconds(), Since: now.Sub(f.Since).Milliseconds(),
	}
}

// finding returns what a state says, unless that cannot be.
func (s state) finding(now time.Time) (f probe.Finding, ok bool) {
	if len(s.ID) > maxID || !bus.IsWord(s.ID) || len(s.By) > maxID || !bus.IsWord(s.By) {
		return f, false
	}
	ago := func(ms int64) time.Time {
		return now.Add(-min(max(time.Duration(ms), 0), maxAge/time.Millisecond) * time.Millisecond)
	}
	return probe.Finding{Key: s.Key, ID: s.ID, State: probe.State{
		Known: true, Up: s.Up, At: ago(s.At), Since: ago(max(s.Since, s.At)), Err: s.Error, By: s.By,
	}}, true
}

// pack returns keys as a report has them.
func pack(keys []uint64) []byte {
	packed := make([]byte, 0, 8*len(keys))
	for _, k := range keys {
		packed = binary.BigEndian.AppendUint64(packed, k)
	}
	return packed
}

func unpack(packed []byte) (keys []uint64) {
	for ; len(packed) >= 8; packed = packed[8:] {
		keys = append(keys, binary.BigEndian.Uint64(packed))
	}
	return keys
}

// digest is the same for the same keys.
func digest(keys []uint64) string {
	sum := sha256.Sum256(pack(keys))
	return hex.EncodeToString(sum[:8])
}

// page returns the nth of the pages of at most size that all fill.
func page[T any](all []T, n, size int) []T {
	from := min(n*size, len(all))
	return slices.Clip(all[from:min(from+size, len(all))])
}

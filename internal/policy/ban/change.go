package ban

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"moip/internal/policy"
)

// Several gateways have their bans in common: each says what changes, and takes what others
// have said, in any order, twice or late. Of each network the same Change prevails then
// with all of them, which is all that there is to agree on.

// A Stamp orders what is said: nanoseconds since 1970, later than of all that whoever said
// it knew, whatever its clock shows; then by names.
type Stamp struct {
	At      int64  `json:"at"`
	Gateway string `json:"gateway,omitempty"`
}

// Compare returns whether s is before, the same as, or after other, as -1, 0 or 1.
func (s Stamp) Compare(other Stamp) int {
	return cmp.Or(cmp.Compare(s.At, other.At), strings.Compare(s.Gateway, other.Gateway))
}

// A Change is what was said last of a network: that it is banned, or is no more.
type Change struct {
	Network netip.Prefix `json:"network"`
	Stamp
	Lifted bool      `json:"lifted,omitempty"` // there is no ban, and what follows is empty
	Reason string    `json:"reason,omitempty"`
	By     By        `json:"by,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Until  time.Time `json:"until,omitzero"`
	HangUp bool      `json:"hang_up,omitempty"` // calls from there are to end, too

	// Order is the Stamp of the last word of an operator on this network that whoever says
	// this knew, or its own if it is one. The shield's word that does not know of an
	// operator's is worth less than that, however late it comes.
	Order Stamp `json:"order,omitzero"`

	// Last is when the last of all the bans runs out that were ever said of the network,
	// in nanoseconds since 1970, forever for never. So long the Change is remembered,
	// even when it bans nobody, for a gateway may come back that knows nothing newer.
	Last int64 `json:"last"`
}

const forever = math.MaxInt64

const (
	keptTime = 90 * 24 * time.Hour // for which what bans nobody is remembered at the most
	ahead    = 24 * time.Hour      // that a Stamp may be
)

// Ban returns the ban that c is about.
func (c *Change) Ban() Ban {
	return Ban{Network: c.Network, Reason: c.Reason, By: c.By, Since: c.Since, Until: c.Until, Gateway: c.Gateway}
}

// holds reports whether c bans somebody at a time.
func (c *Change) holds(now time.Time) bool {
	return !c.Lifted && (c.Until.IsZero() || now.Before(c.Until))
}

// isOver reports whether c needs to be remembered no more.
func (c *Change) isOver(now time.Time) bool {
	return !c.holds(now) && (now.UnixNano() >= c.Last || now.UnixNano() >= c.At+int64(keptTime))
}

// beats reports whether c prevails over another of its network. One of two that differ
// in anything but Last does.
func (c *Change) beats(other *Change) bool {
	first := cmp.Or(c.Order.Compare(other.Order), cmp.Compare(c.lasts(), other.lasts()), c.Stamp.Compare(other.Stamp))
	if first == 0 {
		first = bytes.Compare(c.appendTo(nil), other.appendTo(nil))
	}
	return first > 0
}

// lasts returns when the ban of c runs out, 0 if an operator has said c: of what operators
// have not said, nothing shortens what was there.
func (c *Change) lasts() int64 {
	if c.Order == c.Stamp {
		return 0
	}
	return last(c.Until)
}

// appendTo appends all of c but Last, for two that differ differently.
func (c *Change) appendTo(b []byte) []byte {
	a := c.Network.Addr().As16()
	b = append(append(b, a[:]...), byte(c.Network.Bits()), flag(c.Network.Addr().Is4()), flag(c.Lifted), flag(c.HangUp))
	for _, n := range []int64{c.At, c.Order.At, c.Since.UnixMilli(), c.Until.UnixMilli()} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	for _, text := range []string{c.Gateway, c.Order.Gateway, string(c.By), c.Reason} {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(text))), text...)
	}
	return b
}

func flag(yes bool) byte {
	if yes {
		return 1
	}
	return 0
}

// sum tells c from all others.
func (c *Change) sum() uint64 {
	var room [512]byte
	h := sha256.Sum256(c.appendTo(binary.BigEndian.AppendUint64(room[:0], uint64(c.Last))))
	return binary.BigEndian.Uint64(h[:])
}

// last returns when a ban runs out, as Change.Last has it.
func last(until time.Time) int64 {
	if until.IsZero() {
		return forever
	}
	return until.UnixNano()
}

// check returns c as it is kept, or what is wrong with it.
func (c Change) check(now time.Time) (Change, error) {
	network, err := policy.Normal(c.Network)
	if err != nil {
		return c, err
	}
	c.Network = network
	for _, s := range []Stamp{c.Stamp, c.Order} {
		switch {
		case len(s.Gateway) > 64 || strings.ContainsFunc(s.Gateway, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
			return c, fmt.Errorf("%.20q is no name of a gateway", s.Gateway)
		case s.At < 0 || s.At > now.Add(ahead).UnixNano():
			return c, fmt.Errorf("what %s says is of %v: its clock or ours is wrong", s.Gateway, time.Unix(0, s.At).UTC())
		}
	}
	if c.Order.Compare(c.Stamp) > 0 {
		return c, errors.New("it is older than what it follows")
	}
	if c.Lifted {
		c.Reason, c.By, c.Since, c.Until, c.HangUp = "", "", time.Time{}, time.Time{}, false
		return c, nil
	}
	b, err := c.Ban().check()
	c.Since, c.Until = b.Since, b.Until
	c.Last = max(c.Last, last(c.Until))
	return c, err
}

// Covers reports whether who knows c learns nothing by other, which is of the same network.
func (c Change) Covers(other Change) bool { return !other.beats(&c) && other.Last <= c.Last }

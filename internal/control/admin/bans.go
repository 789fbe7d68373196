package admin

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"moip/internal/policy"
	"moip/internal/policy/ban"
	"moip/internal/session"
)

// A Ban keeps the callers of a network out.
type Ban = ban.Ban

// Bans are those that hold, by network, IPv4 first.
type Bans struct {
	Bans []Ban `json:"bans"`
}

// A BanOrder bans a network.
type BanOrder struct {
	Network string `json:"network"` // or an address
	Reason  string `json:"reason,omitempty"`
	For     string `json:"for,omitempty"`     // as in 24h or 7d; for ever if left out
	HangUp  bool   `json:"hang_up,omitempty"` // ends the calls from there, with a word
}

// Banned tells of the ban that was ordered.
type Banned struct {
	Ban    Ban `json:"ban"`
	HungUp int `json:"hung_up"` // calls of this gateway that were ended
}

// maxImport bounds what a request of importing says: of most bans, 100,000.
const maxImport = 16 << 20

// A BanImport is bans from elsewhere. Whatever they say, they are by import.
type BanImport struct {
	Bans []Ban `json:"bans"`
}

// Imported tells what came of it.
type Imported struct {
	Banned  int      `json:"banned"`  // those that hold, known before or not
	Expired int      `json:"expired"` // those that had run out
	Refused []string `json:"refused"` // what is wrong with each of the others
}

// savingTime is how long bans may take to get to the disk before that is an error.
const savingTime = 8 * time.Second

// saved waits until bans are on the disk.
func (d desk) saved(r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), savingTime)
	defer cancel()
	return d.Bans.Saved(ctx)
}

func (d desk) listBans(*http.Request) (any, error) {
	all := Bans{d.Bans.All()}
	if all.Bans == nil {
		all.Bans = []Ban{}
	}
	return all, nil
}

func (d desk) ban(r *http.Request) (any, error) {
	var order BanOrder
	if err := read(r, &order); err != nil {
		return nil, err
	}
	b := Ban{Reason: order.Reason, By: ban.ByOperator, Since: time.Now()}
	var err error
	if b.Network, err = policy.ParseNetwork(order.Network); err != nil {
		return nil, fault{err}
	}
	if order.For != "" {
		span, err := parseSpan(order.For)
		if err != nil || span < time.Second {
			return nil, faulty("%.20q is no time from 1s on (write 24h or 7d, or leave it out for ever)", order.For)
		}
		b.Until = b.Since.Add(span)
	}
	add := d.Bans.Add
	if order.HangUp {
		add = d.Bans.AddNow
	}
	if b, err = add(b); err != nil {
		return nil, wrongBan(err)
	}
	told := Banned{Ban: b}
	if order.HangUp {
		told.HungUp = d.Board.HangupFrom(b.Network, d.Bans.IsExempt, session.ReasonBanned)
	}
	d.Log.Info("banned", "network", b.Network, "until", untilText(b), "why", b.Reason, "hung up", told.HungUp)
	return told, d.saved(r)
}

// wrongBan is a fault of whoever wants a ban that cannot be, unless the List is the
// reason.
func wrongBan(err error) error {
	if errors.Is(err, ban.ErrNever) || errors.Is(err, ban.ErrFull) {
		return err
	}
	return fault{err}
}

func untilText(b Ban) string {
	if b.Until.IsZero() {
		return "ever"
	}
	return b.Until.Format(time.RFC3339)
}

func (d desk) unban(r *http.Request) (any, error) {
	network, err := policy.ParseNetwork(r.PathValue("network"))
	if err != nil {
		return nil, fault{err}
	}
	if err := d.Bans.Remove(network); err != nil {
		return nil, err
	}
	d.Log.Info("unbanned", "network", network)
	return nil, d.saved(r)
}

func (d desk) importBans(r *http.Request) (any, error) {
	var list BanImport
	if err := read(r, &list); err != nil {
		return nil, err
	}
	told, now := Imported{Refused: []string{}}, time.Now()
	var wanted []Ban
	for _, b := range list.Bans {
		b.By, b.Gateway, b.Since = ban.ByImport, "", cmp.Or(b.Since, now)
		if b.HoldsAt(now) {
			wanted = append(wanted, b)
		}
	}
	for _, err := range d.Bans.AddAll(wanted) {
		if err != nil {
			told.Refused = append(told.Refused, err.Error())
		}
	}
	told.Expired, told.Banned = len(list.Bans)-len(wanted), len(wanted)-len(told.Refused)
	d.Log.Info("bans imported", "banned", told.Banned, "expired", told.Expired, "refused", len(told.Refused))
	return told, d.saved(r)
}

var (
	bansHeld   = prometheus.NewDesc("moip_bans", "Networks that are kept out.", nil, nil)
	bansKnown  = prometheus.NewDesc("moip_hub_ban_changes", "Networks of which is remembered what was said last in the hub, by whether they are banned or were unbanned; not there for a gateway that is alone.", []string{"said"}, nil)
	bansShared = prometheus.NewDesc("moip_hub_ban_changes_total", "Bans and what ended them, that were told to other gateways and taken from them; not there for a gateway that is alone.", []string{"how"}, nil)
)

// collectBans tells of bans, and of those that gateways have in common.
func (d desk) collectBans(to chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, n int, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), labels...)
	}
	gauge(bansHeld, d.Bans.Len())
	if d.SharedBans == nil {
		return
	}
	known, lifted := d.Bans.Shared()
	gauge(bansKnown, known-lifted, "banned")
	gauge(bansKnown, lifted, "unbanned")
	told, taken := d.SharedBans()
	to <- prometheus.MustNewConstMetric(bansShared, prometheus.CounterValue, float64(told), "told")
	to <- prometheus.MustNewConstMetric(bansShared, prometheus.CounterValue, float64(taken), "taken")
}

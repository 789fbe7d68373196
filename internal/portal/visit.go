package portal

import (
	"sync"
	"time"

	"moip/internal/ledger"
	"moip/internal/session"
	"moip/internal/tariff"
	"moip/minitel"
	"moip/videotex"
)

// A visitor is what the portal knows of a call. The call's events change it,
// its desk reads it.
type visitor struct {
	tariff func(service string) tariff.Tariff // set once

	mu     sync.Mutex
	caller session.Caller
	linked bool              // a gateway takes orders for the call
	ask    bool              // who is there: a gateway may answer
	desk   *minitel.Terminal // nil until the call has reached the portal
	maker  [3]byte           // who the terminal says it is
	left   time.Time         // when the portal lost the call, zero while it has it

	away  bool   // the caller is at a service, or on the way there
	visit *visit // then, to which; or the last, nil before the first
	back  bool   // the caller is back, and the desk has not noticed
	past  []visit
	more  int // visits before those
	total tariff.Sum
}

// maxPast is how many visits a receipt can name.
const maxPast = 64

// A visit is one stay at a service.
type visit struct {
	name     string
	tariff   tariff.Tariff
	from, to time.Time // from is zero until the service is reached
	reason   session.Reason
	counted  bool   // somebody counts bytes
	in, out  uint64 // of the caller, when it began, then since
	cost     tariff.Money
}

func (v *visit) reached() bool { return !v.from.IsZero() }

func (v *visit) lasted() time.Duration { return v.to.Sub(v.from) }

// event takes note of e, and returns the visit that ended with it, if any did.
func (v *visitor) event(e session.Event) *visit {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e.Type {
	case session.Linked, session.Unlinked:
		v.caller, v.linked = e.Caller, e.Type == session.Linked
	case session.Redirecting:
		v.away, v.visit = true, &visit{name: e.Route.Name, tariff: v.tariff(e.Route.Name)}
	case session.Redirected:
		if v.away {
			v.visit.from, v.visit.in, v.visit.out = e.At, e.In, e.Out
			v.visit.counted = e.In+e.Out > 0 // the caller has seen a page by now
		}
	case session.Returned, session.Ended:
		if !v.away {
			return nil
		}
		v.away = false
		return v.settle(e)
	}
	v.tell()
	return nil
}

// settle closes the account of the visit that ends with e.
func (v *visitor) settle(e session.Event) *visit {
	ended := *v.visit
	ended.to, ended.reason = e.At, e.Reason
	if ended.reached() {
		if v.left.After(ended.from) { // what follows is the farewell
			ended.to = v.left
		}
		ended.cost = ended.tariff.Cost(ended.lasted())
		if ended.counted {
			ended.in, ended.out = e.In-ended.in, e.Out-ended.out
		}
		v.total.Add(ended.cost, ended.tariff.Currency)
		if len(v.past) == maxPast {
			v.past, v.more = append(v.past[:0], v.past[1:]...), v.more+1
		}
		v.past = append(v.past, ended)
	}
	v.visit, v.back = &ended, true
	v.tell()
	return &ended
}

// tell has the desk notice what is new.
func (v *visitor) tell() {
	if v.desk != nil {
		v.desk.Notify()
	}
}

// record is what the ledger keeps of a visit that has ended.
func (v *visitor) record(call session.ID, ended *visit) ledger.Record {
	v.mu.Lock()
	defer v.mu.Unlock()
	return ledger.Record{
		Call: call, Caller: address(v.caller), Transport: v.caller.Transport, Terminal: videotex.TerminalName(v.maker),
		Service: ended.name, From: ended.from, To: ended.from.Add(ended.lasted()), Seconds: ended.tariff.Seconds(ended.lasted()),
		Palier: ended.tariff.Palier, Cost: ended.cost, Currency: ended.tariff.Currency,
		In: ended.in, Out: ended.out, Reason: ended.reason,
	}
}

// address is where a caller is, as people write it.
func address(c session.Caller) string {
	if !c.Addr.IsValid() {
		return ""
	}
	return c.Addr.Addr().Unmap().String()
}

func (v *visitor) arrive(t *minitel.Terminal) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.desk, v.left = t, time.Time{}
}

func (v *visitor) identify(maker [3]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.maker = maker
}

// leave notes that the call is over. Its end comes later, when the caller has
// taken the farewell.
func (v *visitor) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.left = time.Now()
}

func (v *visitor) isAway() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.away
}

// inquire has the terminal, and whoever is before it, asked who calls.
func (v *visitor) inquire() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ask = true
	v.tell()
}

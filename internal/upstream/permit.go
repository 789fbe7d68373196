package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"syscall"

	"moip/internal/pulse"
	"moip/internal/session"
	"moip/internal/transport"
)

// Permits reports whether r may be dialled, as far as that is known before its name is
// looked up.
func (d *Dialer) Permits(r session.Route) error {
	u, err := check(r)
	if err != nil {
		return err
	}
	return d.permits(r, u)
}

func (d *Dialer) permits(r session.Route, u *url.URL) error {
	if d.Permit == nil {
		return nil
	}
	port, _ := strconv.ParseUint(portOf(u), 10, 16) // was checked
	return d.Permit(r, u.Scheme, u.Hostname(), netip.AddrPortFrom(netip.Addr{}, uint16(port)))
}

// connect connects with the first address of u that may be dialled and answers.
func (d *Dialer) connect(ctx context.Context, u *url.URL, r session.Route) (net.Conn, error) {
	if err := d.permits(r, u); err != nil {
		return nil, err
	}
	var asked judge
	dialer := &net.Dialer{KeepAlive: -1} // pulse.Take has it, and to set it twice costs every call
	if d.Permit != nil {
		dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err == nil {
				err = d.Permit(r, u.Scheme, u.Hostname(), at)
			}
			asked.note(err)
			return err
		}
	}
	conn, err := dialer.DialContext(ctx, "tcp", address(u))
	if err == nil {
		tune(conn, d.Unsent)
		pulse.Take(conn, cmp.Or(d.Stall, transport.DefaultStall))
		return conn, nil
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok {
		err = failed.Err // we say the rest
	}
	return nil, asked.sum(err)
}

// A judge remembers what was said of the addresses of a name, which may be dialled two at
// a time.
type judge struct {
	mu      sync.Mutex
	refusal error // the first
	some    bool  // may be dialled
}

func (j *judge) note(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		j.some = true
	} else if j.refusal == nil {
		j.refusal = err
	}
}

// sum returns why a name cannot be reached whose last word is err: if none of its
// addresses may be dialled, that is why; else the refusal is a part of the story.
func (j *judge) sum(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.refusal == nil:
		return err
	case !j.some:
		return j.refusal
	case errors.Is(err, j.refusal): // the dialer tells the first failure
		return fmt.Errorf("no other address answers; %v", j.refusal)
	}
	return fmt.Errorf("%w; %v", err, j.refusal)
}

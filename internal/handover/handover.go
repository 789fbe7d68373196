// Package handover opens sockets that outlive a process: those that systemd or the
// process before have opened are taken over, and a process after takes over all. So
// callers are never refused, neither while a gateway is started nor while it is replaced.
package handover

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"moip/internal/pulse"
)

// Sockets are those of this process. The zero Sockets has inherited none. Its methods may
// be called from any goroutine.
type Sockets struct {
	mu        sync.Mutex
	inherited []socket // not asked for yet
	open      []*listener
	told      string
	ready     *os.File // where the process before waits, nil if there is none
}

// A socket is one that another process has opened, with what was asked for there, "" if
// that is not known.
type socket struct {
	net.Listener
	asked string
}

// A listener is forgotten once it is closed.
type listener struct {
	*net.TCPListener
	asked string
	of    *Sockets
}

func (l *listener) Close() error {
	l.of.mu.Lock()
	l.of.open = slices.DeleteFunc(l.of.open, func(o *listener) bool { return o == l })
	l.of.mu.Unlock()
	return l.TCPListener.Close()
}

// Told returns what the process before told at HandOver, "" if there was none.
func (s *Sockets) Told() string { return s.told }

// Listen returns a listener at a TCP address, host:port: the one that was handed over
// for it, or a new one.
func (s *Sockets) Listen(address string) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	had, err := s.take(address)
	if had == nil && err == nil {
		had, err = pulse.Listen(address)
	}
	if err != nil {
		return nil, err
	}
	tcp, ok := had.(*net.TCPListener)
	if !ok {
		had.Close()
		return nil, fmt.Errorf("the socket handed over for %s is not TCP", address)
	}
	l := &listener{tcp, address, s}
	s.open = append(s.open, l)
	return l, nil
}

// take returns the inherited socket for an address, nil if there is none: the one that
// was asked for in the same words, or one that is bound there.
func (s *Sockets) take(address string) (net.Listener, error) {
	i := slices.IndexFunc(s.inherited, func(o socket) bool { return o.asked == address })
	if i < 0 {
		wanted, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			return nil, err
		}
		i = slices.IndexFunc(s.inherited, func(o socket) bool {
			at, ok := o.Addr().(*net.TCPAddr)
			return ok && at.Port == wanted.Port && sameHost(at.IP, wanted.IP)
		})
	}
	if i < 0 {
		return nil, nil
	}
	l := s.inherited[i].Listener
	s.inherited = slices.Delete(s.inherited, i, i+1)
	return l, nil
}

// sameHost compares addresses to listen at, of which none means all.
func sameHost(a, b net.IP) bool {
	plain := func(ip net.IP) netip.Addr {
		a, _ := netip.AddrFromSlice(ip)
		if a = a.Unmap(); a.IsUnspecified() {
			return netip.Addr{}
		}
		return a
	}
	return plain(a) == plain(b)
}

// Again returns another listener for the socket of l, which Listen or Again has
// returned: callers wait there while one is exchanged for the other.
func (s *Sockets) Again(l net.Listener) (net.Listener, error) {
	had, ok := l.(*listener)
	if !ok {
		return nil, fmt.Errorf("the socket at %v is not ours", l.Addr())
	}
	file, err := had.File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	again, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &listener{again.(*net.TCPListener), had.asked, s}
	s.open = append(s.open, o)
	return o, nil
}

// Ready closes the sockets that were handed over and nobody has asked for, whose
// addresses it returns, and lets the process before go.
func (s *Sockets) Ready() (unused []net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.inherited {
		unused = append(unused, o.Addr())
		o.Close()
	}
	s.inherited = nil
	if s.ready != nil {
		s.ready.Write([]byte{'\n'}) // if it is not there any more, it does not wait
		s.ready.Close()
		s.ready = nil
	}
	return unused
}

// Close closes what was handed over and nobody has asked for, if there is to be no
// Ready: the process before then knows that it has to go on.
func (s *Sockets) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.inherited {
		o.Close()
	}
	s.inherited = nil
	if s.ready != nil {
		s.ready.Close()
		s.ready = nil
	}
}

// patience is how long a process after may take until it is Ready.
const patience = time.Minute

var errSlow = fmt.Errorf("it was not ready after %v", patience)

// Package pulse has the kernel find out which peers of TCP are dead: a cable that is
// pulled, a machine that is switched off, a telephone in a tunnel say nothing, and those
// who use no pings would wait for ever.
package pulse

import (
	"context"
	"net"
	"time"

	"moip/internal/tcpsocket"
)

// Within is how long a peer that has vanished is taken for alive, unless stall asks for
// more: from when it should have acknowledged what it was sent, or from its last byte if it
// is sent nothing. Who is sent something just before the probes of its silence would find it
// dead has the time twice.
const Within = 90 * time.Second

const (
	quiet   = 30 * time.Second // without a byte from the peer, before it is probed
	between = 15 * time.Second // from one probe to the next
	probes  = 4                // without an answer, where the kernel goes by their number
)

// slack is how much longer the kernel waits than we do for a peer that takes nothing, so
// that it is we who end the connection, and know why.
const slack = 30 * time.Second

// Take has a connection end whose peer has vanished for Within, or for stall and a little
// more if that is longer: how long it may take nothing, 0 for as long as it likes. Then
// only probes find it dead, unless the kernel does by itself what waits for it (on Linux
// after a quarter of an hour). What is no TCP, or is around it, is looked through or left
// alone. Reading from a connection that ended so is told ETIMEDOUT.
func Take(conn net.Conn, stall time.Duration) {
	tcp := tcpsocket.Of(conn)
	if tcp == nil {
		return
	}
	// Should that fail, the connection is dead already, and whoever reads it will see.
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: quiet, Interval: between, Count: probes})
	if stall > 0 {
		endAfter(tcp, max(Within, stall+slack))
	}
}

// Listen listens for TCP at an address, host:port, and leaves the pulse of those whom it
// accepts to Take: net would set probes of its own before, which costs four calls of the
// system for each.
func Listen(address string) (net.Listener, error) {
	config := net.ListenConfig{KeepAlive: -1}
	return config.Listen(context.Background(), "tcp", address)
}

// Listener has the pulse of all taken whom l accepts.
func Listener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		Take(conn, time.Nanosecond)
	}
	return conn, err
}

package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/url"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// A stream is our end of a connection. One goroutine may receive while others
// send.
type stream struct {
	*net.TCPConn
	speaks protocol
	side   ws.State
	in     io.ReadWriter // reads few times
	buf    [64]byte
}

func newStream(conn net.Conn, p protocol, side ws.State) *stream {
	s := &stream{TCPConn: conn.(*net.TCPConn), speaks: p, side: side}
	s.SetLinger(0) // thousands of them would stay in TIME_WAIT
	if p != tcp {
		s.in = struct {
			io.Reader
			io.Writer
		}{bufio.NewReaderSize(conn, len(s.buf)), conn}
	}
	return s
}

// dial calls addr from the address from.
func dial(from net.IP, addr string, p protocol) (*stream, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: patience}
	conn, err := dialer.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := newStream(conn, p, ws.StateClientSide)
	if p == tcp {
		return s, nil
	}
	var shake ws.Dialer
	if p == wsBinary {
		shake.Protocols = []string{"binary"}
	}
	early, _, err := shake.Upgrade(conn, &url.URL{Scheme: "ws", Host: addr, Path: "/"})
	if err == nil && early != nil {
		err = errors.New("the service spoke first")
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// accept answers a caller.
func accept(conn net.Conn, p protocol) (*stream, error) {
	s := newStream(conn, p, ws.StateServerSide)
	if p == tcp {
		return s, nil
	}
	_, err := ws.Upgrade(conn)
	return s, err
}

// receive waits for bytes. They are valid until the next call.
func (s *stream) receive() ([]byte, error) {
	if s.speaks == tcp {
		n, err := s.Read(s.buf[:])
		return s.buf[:n], err
	}
	p, _, err := wsutil.ReadData(s.in, s.side)
	return p, err
}

// send writes p at once, in one message if there are such.
func (s *stream) send(p []byte) error {
	if s.speaks != tcp {
		f := ws.NewFrame(ws.OpCode(s.speaks), true, p)
		if s.side.ClientSide() {
			f = ws.MaskFrame(f)
		}
		p = ws.MustCompileFrame(f)
	}
	_, err := s.Write(p)
	return err
}

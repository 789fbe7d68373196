package main

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A server is a portal or a service: it shows a page, repeats keys, and sends without pause
// to whoever types what asks for that.
type server struct {
	address string
	door    net.Listener
	serving sync.WaitGroup
	flooded atomic.Int64 // bytes that were taken of it by those who are slow

	mu    sync.Mutex
	lines map[net.Conn]bool
	last  net.Conn    // that has come
	came  []time.Time // since it was started
}

// What asks for a flood: of so many bytes, or without an end.
const (
	asksAll     = "*GIGABYTE*"
	asksForever = "*FOREVER*"
	welcome     = "\x0cBienvenue."
	farewell    = "[fin du flot]"
)

func serve(listen func() (net.Listener, error)) (*server, error) {
	s := &server{lines: map[net.Conn]bool{}}
	return s, s.start(listen)
}

func (s *server) start(listen func() (net.Listener, error)) (err error) {
	if s.door, err = listen(); err != nil {
		return err
	}
	s.address, s.came = s.door.Addr().String(), nil
	s.serving.Go(func() {
		for {
			c, err := s.door.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.lines[c], s.last = true, c
			s.came = append(s.came, time.Now())
			s.mu.Unlock()
			s.serving.Go(func() {
				s.attend(c)
				s.mu.Lock()
				delete(s.lines, c)
				s.mu.Unlock()
				c.Close()
			})
		}
	})
	return nil
}

func (s *server) attend(c net.Conn) {
	io.WriteString(c, welcome)
	p := make([]byte, 512)
	for {
		n, err := c.Read(p)
		switch {
		case err != nil:
			return
		case bytes.Contains(p[:n], []byte(asksAll)):
			s.floods(c, *size, nil)
			io.WriteString(c, farewell)
		case bytes.Contains(p[:n], []byte(asksForever)):
			s.floods(c, 1<<62, &s.flooded)
		default:
			if _, err := c.Write(p[:n]); err != nil {
				return
			}
		}
	}
}

// floods sends pages.
func (s *server) floods(c net.Conn, size int64, taken *atomic.Int64) {
	page := bytes.Repeat([]byte("du texte, sans pause. "), 1500)
	for size > 0 {
		n, err := c.Write(page[:min(int64(len(page)), size)])
		size -= int64(n)
		if taken != nil {
			taken.Add(int64(n))
		}
		if err != nil {
			return
		}
	}
}

// die ends the server as a crash does: its calls are reset.
func (s *server) die() {
	s.door.Close()
	s.mu.Lock()
	for c := range s.lines {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	s.mu.Unlock()
	s.serving.Wait()
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines)
}

// dials returns how many came since it was started, and how many of them in a time at most.
func (s *server) dials(in time.Duration) (all, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := 0
	for i, at := range s.came {
		for at.Sub(s.came[first]) > in {
			first++
		}
		most = max(most, i-first+1)
	}
	return len(s.came), most
}

// here listens at an address of this machine.
func here(address string) func() (net.Listener, error) {
	return func() (net.Listener, error) { return net.Listen("tcp", address) }
}

package main

import (
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// A link is the portal's end of the control link (doc/protocols.md).
type link struct {
	door net.Listener

	mu      sync.Mutex
	conn    net.Conn // nil until the gateway has come
	session int
	pids    map[string]string        // by the address of a caller
	ended   map[string]chan struct{} // by PID: a visit has ended
}

// newLink opens a command port.
func newLink() (*link, error) {
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{door: door, pids: map[string]string{}, ended: map[string]chan struct{}{}}
	go l.serve()
	return l, nil
}

func (l *link) addr() string { return l.door.Addr().String() }

func (l *link) close() {
	l.door.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.conn.Close()
	}
}

// serve hears the gateway, again if it comes back: whoever only tried the port leaves.
func (l *link) serve() {
	for {
		conn, err := l.door.Accept()
		if err != nil {
			return
		}
		if _, err := ws.Upgrade(conn); err != nil {
			conn.Close()
			continue
		}
		l.mu.Lock()
		l.conn = conn
		l.mu.Unlock()
		for {
			message, err := wsutil.ReadClientText(conn)
			if err != nil {
				break
			}
			l.hear(string(message))
		}
		conn.Close()
	}
}

func (l *link) hear(message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch words := strings.Split(message, ","); {
	case words[0] == "NewWsUser" && len(words) == 4:
		l.pids[words[1]+":"+words[2]] = words[3]
		l.ended[words[3]] = make(chan struct{}, 1)
	case words[0] == "UserRedirectEnded" && len(words) == 5:
		select {
		case l.ended[words[3]] <- struct{}{}:
		default:
		}
	}
}

// pid is how the gateway calls the caller from an address, "" if it has not told of any.
func (l *link) pid(address string) (pid string, ended <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	pid = l.pids[address]
	return pid, l.ended[pid]
}

// connect orders that a caller be redirected to a service.
func (l *link) connect(pid, service string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return fmt.Errorf("no gateway has come to the command port")
	}
	l.session++
	order := fmt.Sprintf("PID=%s,%d,CONNECT,ws://%s/,None,[]", pid, l.session, service)
	return wsutil.WriteServerText(l.conn, []byte(order))
}

package test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A portal that is started anew is not run over by all the calls that have lost it: they come
// back at the pace of new calls, and none is missing.
func TestPortalRedialled(t *testing.T) {
	const callers, pace = 400, 100 // in all, and in a second
	p := &mortal{t: t, lines: map[net.Conn]bool{}}
	p.starts("127.0.0.1:0")
	defer p.dies()
	dir := t.TempDir()
	text := "listen = ['tcp://127.0.0.1:0']\nlink = 'none'\n[portal]\nurl = 'tcp://" + p.address + "'\n[limits]\nnew_calls = 100\n"
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := runsIn(t, dir, "--config", "moip.toml")
	var calls sync.WaitGroup
	defer calls.Wait()
	dialled := time.NewTicker(time.Second / pace) // not to be refused
	defer dialled.Stop()
	for range callers {
		<-dialled.C
		conn, err := from("127.6.3.1").Dial("tcp", g.doors["tcp"])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		calls.Go(func() { io.Copy(io.Discard, conn) })
	}
	if !within(func() bool { return p.count() == callers }) {
		t.Fatalf("%d calls are at the portal", p.count())
	}
	p.dies()
	p.starts(p.address)
	began := time.Now()
	if !within(func() bool { return p.count() == callers }) {
		t.Fatalf("%d calls are back at the portal", p.count())
	}
	took := time.Since(began)
	if took < 3*time.Second {
		t.Errorf("%d calls took %v to come back, at %d a second", callers, took, pace)
	}
	if most := p.crush(200 * time.Millisecond); most > callers/2 { // 30, where processors are free; all, without a pace
		t.Errorf("%d of them came in a fifth of a second", most)
	} else {
		t.Logf("%d calls came back in %v, at most %d in a fifth of a second", callers, took, most)
	}
}

// A mortal is a portal that can be killed.
type mortal struct {
	t       *testing.T
	address string
	door    net.Listener
	serving sync.WaitGroup

	mu    sync.Mutex
	lines map[net.Conn]bool
	came  []time.Time // since it was started
}

func (p *mortal) starts(at string) {
	var err error
	if p.door, err = net.Listen("tcp", at); err != nil {
		p.t.Fatal(err)
	}
	p.address, p.came = p.door.Addr().String(), nil
	p.serving.Go(func() {
		for {
			c, err := p.door.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.lines[c] = true
			p.came = append(p.came, time.Now())
			p.mu.Unlock()
			io.WriteString(c, "\x0caccueil")
		}
	})
}

// dies ends it as a crash does: its calls are reset.
func (p *mortal) dies() {
	p.door.Close()
	p.serving.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.lines {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		delete(p.lines, c)
	}
}

func (p *mortal) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

// crush returns how many came in a time, at most.
func (p *mortal) crush(in time.Duration) (most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := 0
	for i, at := range p.came {
		for at.Sub(p.came[first]) > in {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

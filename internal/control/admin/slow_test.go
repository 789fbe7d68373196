package admin

import (
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A pipe is a listener to which one has come.
type pipe chan net.Conn

func (p pipe) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (p pipe) Close() error   { close(p); return nil }
func (p pipe) Addr() net.Addr { return &net.TCPAddr{} }

// Who asks and takes no answer is not waited for without an end.
func TestTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(Options{Log: slog.New(slog.DiscardHandler), Events: NewEvents()})
		theirs, ours := net.Pipe()
		p := make(pipe, 1)
		p <- ours
		go s.Serve(p)
		io.WriteString(theirs, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		time.Sleep(writeTime + time.Second)
		synctest.Wait()
		theirs.SetDeadline(time.Now().Add(time.Second))
		if _, err := io.ReadAll(theirs); err != nil {
			t.Errorf("it is waited for: %v", err)
		}
		s.Close()
	})
}

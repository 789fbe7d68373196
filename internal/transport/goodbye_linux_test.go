package transport

import (
	"bytes"
	"io"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// segments returns how many the kernel has had from the other end of a connection (tcp(7),
// TCP_INFO).
func segments(t *testing.T, conn syscall.Conn) uint32 {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var info *unix.TCPInfo
	raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err != nil {
		t.Fatal(err)
	}
	return info.Segs_in
}

// What is said last, and the end, are one packet. It has all that the kernel held.
func TestGoodbyeIsOnePacket(t *testing.T) {
	ours, peer := sockets(t, "127.0.0.1")
	e := NewWebSocket(ours, WebSocketOptions{Binary: true})
	if !e.Attend(func() {}) {
		t.Fatal("the socket is not watched")
	}
	before := segments(t, peer)
	e.Close()
	got, err := io.ReadAll(peer)
	if want := []byte{0x88, 2, 1000 >> 8, 1000 & 0xFF}; err != nil || !bytes.Equal(got, want) {
		t.Errorf("the peer got %x, %v, want %x", got, err, want)
	}
	if n := segments(t, peer) - before; n != 1 {
		t.Errorf("they came in %d packets", n)
	}
}

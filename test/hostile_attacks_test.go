package test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An attacker is one of those who do their worst, until the evening is over.
type attacker struct {
	ctx    context.Context
	random *rand.Rand
	doors  map[string]string
	left   *atomic.Int64 // connections that were not had
	homes  int           // see attack
}

// An attack is a way of doing it. One goroutine each does it again and again.
type attack struct {
	name    string
	workers int
	once    func(*attacker) // returns soon after ctx is done
	homes   int             // from so many addresses every second of them comes, 0 for none
	made    atomic.Int64
}

// attacks are all of them.
func attacks() []*attack {
	return []*attack{
		{name: "scanners' first bytes", workers: 6, once: (*attacker).scans, homes: 3},
		{name: "silence", workers: 150, once: (*attacker).staysSilent},
		{name: "resets", workers: 2, once: (*attacker).resets},
		{name: "half-closed, never read", workers: 20, once: (*attacker).halfCloses},
		{name: "upgrade, a byte a second", workers: 60, once: (*attacker).dripsUpgrade},
		{name: "headers without end", workers: 4, once: (*attacker).headsForEver},
		{name: "huge headers", workers: 2, once: (*attacker).headsHuge},
		{name: "pipelined requests", workers: 2, once: (*attacker).pipelines},
		{name: "bodies without end", workers: 4, once: (*attacker).bodies},
		{name: "bad upgrades", workers: 2, once: (*attacker).upgradesBadly},
		{name: "bad frames", workers: 6, once: (*attacker).framesBadly, homes: 3},
		{name: "frames without end", workers: 6, once: (*attacker).framesForEver},
		{name: "telnet storms", workers: 6, once: (*attacker).storms, homes: 3},
		{name: "forgeries", workers: 6, once: (*attacker).forges},
		{name: "readers who never read", workers: 20, once: (*attacker).neverReads},
		{name: "floods of keys", workers: 3, once: (*attacker).floods},
		{name: "hammering", workers: 2, once: (*attacker).hammers},
	}
}

// strike has all attacks made until ctx is done. The number of workers is multiplied.
// After each attack its worker rests.
func strike(ctx context.Context, all []*attack, doors map[string]string, seed uint64, load int, rest time.Duration) (failed *atomic.Int64, wait func()) {
	var striking sync.WaitGroup
	failed = new(atomic.Int64)
	for i, a := range all {
		for w := range a.workers * load {
			striking.Go(func() {
				by := &attacker{ctx, rand.New(rand.NewPCG(seed, uint64(i)<<32|uint64(w))), doors, failed, a.homes}
				for ctx.Err() == nil {
					a.once(by)
					a.made.Add(1)
					if rest > 0 {
						by.waits(rest)
					}
				}
			})
		}
	}
	return failed, striking.Wait
}

const attackerAddresses = 1000

// A socket is what attackers do their worst at: a connection, perhaps within TLS.
type socket interface {
	net.Conn
	CloseWrite() error
	SetReadBuffer(bytes int) error
	SetLinger(seconds int) error
}

// A tlsSocket is one within TLS, which ends without a word.
type tlsSocket struct {
	*tls.Conn
	tcp *net.TCPConn
}

func (s tlsSocket) SetReadBuffer(bytes int) error { return s.tcp.SetReadBuffer(bytes) }
func (s tlsSocket) SetLinger(seconds int) error   { return s.tcp.SetLinger(seconds) }
func (s tlsSocket) Close() error                  { return s.tcp.Close() }

// dial calls a door from one of the attackers' addresses. The connection is cut when the
// evening is over. Where the door is there by TLS, too, that is called as often as not, and
// TLS spoken unless it was misunderstood. It returns nil if there is no connection.
func (a *attacker) dial(scheme string) socket {
	n := a.random.IntN(attackerAddresses)
	if a.homes > 0 && a.random.IntN(2) == 0 {
		n %= a.homes
	}
	door, secure := a.doors[scheme], false
	if at, ok := a.doors[scheme+"s"]; ok && a.random.IntN(2) == 0 {
		door, secure = at, a.random.IntN(4) > 0
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 200, byte(n/250), byte(1+n%250))}, Timeout: patience}
	c, err := d.DialContext(a.ctx, "tcp", door)
	if err != nil {
		a.left.Add(1)
		a.waits(10 * time.Millisecond)
		return nil
	}
	conn := c.(*net.TCPConn)
	conn.SetLinger(0) // there would be no ports left soon
	if secure {
		return tlsSocket{tls.Client(conn, &tls.Config{InsecureSkipVerify: true}), conn}
	}
	return conn
}

// any is a door.
func (a *attacker) any() string { return []string{"ws", "telnet", "tcp"}[a.random.IntN(3)] }

// at does something at a door.
func (a *attacker) at(scheme string, do func(socket)) {
	conn := a.dial(scheme)
	if conn == nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(a.ctx, func() { conn.Close() })()
	do(conn)
}

func (a *attacker) waits(d time.Duration) {
	select {
	case <-a.ctx.Done():
	case <-time.After(d):
	}
}

func (a *attacker) bytes(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(a.random.Uint32())
	}
	return p
}

// hangsOn reads for a while, or to the end.
func hangsOn(conn net.Conn, d time.Duration) {
	conn.SetReadDeadline(time.Now().Add(d))
	io.Copy(io.Discard, conn)
}

// firstBytes are those by which port scanners find out who is there.
var firstBytes = []string{
	"GET / HTTP/1.1\r\nHost: minitel.example\r\nUser-Agent: zgrab/0.x\r\n\r\n",
	"GET / HTTP/1.0\r\n\r\n",
	"HEAD /.env HTTP/1.1\r\nHost: x\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
	"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n",
	"GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n",
	"POST /cgi-bin/luci HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nid=ls",
	"GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET / HTTP/9.9\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
	"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + strings.Repeat("\xa5", 32) + "\x00\x00\x04\x13\x01\x13\x02\x01\x00\x00\x74", // TLS, ClientHello cut short
	"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x02\x00\x80",                                                       // SSL 2
	"SSH-2.0-OpenSSH_9.9\r\n",
	"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",                                            // RDP
	"\x00\x00\x00\x54\xffSMB\x72\x00\x00\x00\x00\x18\x01\x28" + strings.Repeat("\x00", 16) + "\x00\x31\x00\x02NT LM 0.12\x00", // SMB
	"\x00\x00\x00\x40\xfeSMB" + strings.Repeat("\x00", 60),
	"RFB 003.008\n",
	"EHLO scanner\r\n",
	"\x00\x00\x10\x00\x00\x00\x00\x00\x01\x20\x00\x00\x00\x00\x00\x00", // DNS
	"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm\r\n\r\n",
	"*1\r\n$4\r\nPING\r\n",
	"stats\r\n",
	"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", // SOCKS 4
	"\x05\x01\x00",
	"root\r\nroot\r\nenable\r\nshell\r\nsh\r\n/bin/busybox MIRAI\r\n", // what telnet is tried with
	"admin\radmin\r\x00sh\r\x00",
	"\n",
	"\r\n\r\n",
	"help\r\n",
	"",
}

func (a *attacker) scans() {
	a.at(a.any(), func(conn socket) {
		n := a.random.IntN(len(firstBytes) + 3)
		p := a.bytes(1 + a.random.IntN(600))
		if n < len(firstBytes) {
			p = []byte(firstBytes[n])
		}
		conn.Write(p)
		hangsOn(conn, time.Duration(50+a.random.IntN(500))*time.Millisecond)
	})
}

func (a *attacker) staysSilent() {
	a.at(a.any(), func(conn socket) { hangsOn(conn, time.Hour) })
	a.waits(100 * time.Millisecond)
}

func (a *attacker) resets() {
	a.at(a.any(), func(conn socket) {
		if a.random.IntN(2) == 0 {
			conn.Write(a.bytes(20))
			a.waits(time.Duration(a.random.IntN(20)) * time.Millisecond)
		}
	})
}

func (a *attacker) halfCloses() {
	a.at(a.any(), func(conn socket) {
		if a.random.IntN(2) == 0 {
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		conn.CloseWrite()
		a.waits(time.Duration(a.random.IntN(3000)) * time.Millisecond)
	})
}

const upgradeHead = "GET / HTTP/1.1\r\nHost: minitel.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

func (a *attacker) dripsUpgrade() {
	a.at("ws", func(conn socket) {
		for _, b := range []byte(upgradeHead) {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			a.waits(time.Second)
		}
	})
}

// pours writes again and again until that fails, or for a while; in between it may rest.
func (a *attacker) pours(conn net.Conn, d, rest time.Duration, next func(n int) []byte) {
	conn.SetWriteDeadline(time.Now().Add(d))
	for n := 0; a.ctx.Err() == nil; n++ {
		if _, err := conn.Write(next(n)); err != nil {
			return
		}
		if rest > 0 {
			a.waits(rest)
		}
	}
}

func (a *attacker) headsForEver() {
	a.at("ws", func(conn socket) {
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n")
		a.pours(conn, 20*time.Second, 10*time.Millisecond, func(n int) []byte { return fmt.Appendf(nil, "X-%d: y\r\n", n) })
		a.waits(10 * time.Millisecond)
	})
}

func (a *attacker) headsHuge() {
	a.at("ws", func(conn socket) {
		if a.random.IntN(2) == 0 {
			io.WriteString(conn, upgradeHead+"X: ")
		} else {
			io.WriteString(conn, "GET /")
		}
		long := bytes.Repeat([]byte("x"), 64<<10)
		a.pours(conn, time.Second, 0, func(int) []byte { return long })
	})
	a.waits(50 * time.Millisecond)
}

func (a *attacker) pipelines() {
	a.at("ws", func(conn socket) {
		many := strings.Repeat("GET /%?x="+strings.Repeat("y", 100)+" HTTP/1.1\r\nHost: x\r\n\r\n"+"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 50)
		if a.random.IntN(2) == 0 { // and what comes back is read, or not
			go io.Copy(io.Discard, conn)
		}
		a.pours(conn, time.Second, 20*time.Millisecond, func(int) []byte { return []byte(many) })
	})
	a.waits(50 * time.Millisecond)
}

func (a *attacker) bodies() {
	a.at("ws", func(conn socket) {
		head := []string{
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
			"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n",
			"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n",
			upgradeHead + "Content-Length: 99999999\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nTransfer-Encoding: chunked\r\n\r\n",
		}[a.random.IntN(5)]
		io.WriteString(conn, head)
		body := bytes.Repeat([]byte("x"), 16<<10)
		a.pours(conn, 3*time.Second, 5*time.Millisecond, func(int) []byte { return body })
		a.waits(50 * time.Millisecond)
	})
}

func (a *attacker) upgradesBadly() {
	a.at("ws", func(conn socket) {
		io.WriteString(conn, []string{
			strings.Replace(upgradeHead, "Version: 13", "Version: 8", 1) + "\r\n",
			strings.Replace(upgradeHead, "dGhlIHNhbXBsZSBub25jZQ==", "AA==", 1) + "\r\n",
			strings.Replace(upgradeHead, "Host: minitel.example\r\n", "", 1) + "\r\n",
			strings.Replace(upgradeHead, "GET / HTTP/1.1", "GET / HTTP/1.0", 1) + "\r\n",
			strings.Replace(upgradeHead, "GET", "POST", 1) + "\r\n",
			strings.Replace(upgradeHead, "GET /", "GET /?speed=-1", 1) + "\r\n",
			strings.Replace(upgradeHead, "GET /", "GET /?frames=%00%ff;&record&news&speed=300", 1) + "\r\n",
			upgradeHead + "Sec-WebSocket-Protocol: " + strings.Repeat("x,", 3000) + "\r\n\r\n",
			upgradeHead + "Sec-WebSocket-Protocol: \x01\r\n\r\n",
			upgradeHead + "Sec-WebSocket-Extensions: permessage-deflate; " + strings.Repeat("a=b; ", 500) + "\r\n\r\n",
			upgradeHead + "Origin: null\r\nX-Forwarded-For: " + strings.Repeat("127.5.1.1, ", 300) + "\r\n\r\n",
		}[a.random.IntN(11)])
		hangsOn(conn, 100*time.Millisecond)
	})
}

// upgraded calls by WebSocket, with more headers.
func (a *attacker) upgraded(more string, do func(socket)) {
	a.at("ws", func(conn socket) {
		io.WriteString(conn, upgradeHead+more+"\r\n")
		conn.SetReadDeadline(time.Now().Add(patience))
		w, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || w.StatusCode != http.StatusSwitchingProtocols {
			a.left.Add(1)
			return
		}
		conn.SetReadDeadline(time.Time{})
		do(conn)
	})
}

// masked is a frame: what is in its first byte, and its payload, of which it says that
// it has another size if that is not negative.
func masked(first byte, payload []byte, size int64) []byte {
	if size < 0 {
		size = int64(len(payload))
	}
	p := []byte{first}
	switch {
	case size < 126:
		p = append(p, 0x80|byte(size))
	case size < 1<<16:
		p = binary.BigEndian.AppendUint16(append(p, 0x80|126), uint16(size))
	default:
		p = binary.BigEndian.AppendUint64(append(p, 0x80|127), uint64(size))
	}
	return append(append(p, 0, 0, 0, 0), payload...) // by a mask that changes nothing
}

// framesBadly sends frames that RFC 6455 forbids, or would rather not see.
func (a *attacker) framesBadly() {
	more := ""
	if a.random.IntN(3) == 0 {
		more = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
	}
	a.upgraded(more, func(conn socket) {
		text := []byte("abc")
		frames := [][]byte{
			masked(0x81, text, 1<<62),
			append([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0, 0, 0, 0),
			{0x81, 3, 'a', 'b', 'c'},                                        // unmasked
			masked(0xc1, []byte("\xaa\x56\x4a\x4c\x4a\x06\x00"), -1),        // compressed
			masked(0xf1, text, -1),                                          // reserved bits
			masked(0x80, text, -1),                                          // goes on with what has not begun
			append(masked(0x01, text, -1), masked(0x81, text, -1)...),       // begins what has not ended
			masked(0x83, text, -1),                                          // unknown opcodes
			masked(0x8f, text, -1),                                          //
			masked(0x89, make([]byte, 126), -1),                             // control frames, too long
			masked(0x8a, make([]byte, 70000), -1),                           //
			masked(0x09, text, -1),                                          // fragmented
			masked(0x81, []byte("\xc3\x28\xed\xa0\x80\xff\xfe\xf8abc"), -1), // no UTF-8
			masked(0x81, []byte("\xf0\x9f\x92"), -1),
			masked(0x81, bytes.Repeat([]byte("é€😀"), 5000), -1),
			masked(0x88, []byte{3}, -1), // a code of one byte
			masked(0x88, []byte{0x03, 0xed}, -1),
			masked(0x88, []byte("\x03\xe8\xff\xff"), -1),
			masked(0x88, []byte("\xff\xffx"), -1),
			bytes.Repeat(masked(0x88, []byte{0x03, 0xe8}, -1), 1000),
			masked(0x82, a.bytes(1+a.random.IntN(3000)), -1),
			a.bytes(1 + a.random.IntN(3000)),
		}
		conn.Write(frames[a.random.IntN(len(frames))])
		hangsOn(conn, time.Duration(20+a.random.IntN(200))*time.Millisecond)
	})
}

// framesForEver sends some without end, and reads what comes back or does not.
func (a *attacker) framesForEver() {
	a.upgraded("", func(conn socket) {
		var frame []byte
		switch a.random.IntN(6) {
		case 0: // a message of fragments
			conn.Write(masked(0x01, []byte("a"), -1))
			frame = masked(0x00, []byte("b"), -1)
		case 1: // and of empty ones
			conn.Write(masked(0x02, nil, -1))
			frame = masked(0x00, nil, -1)
		case 2:
			frame = masked(0x89, make([]byte, 125), -1)
		case 3:
			frame = masked(0x8a, nil, -1)
		case 4: // one frame
			conn.Write(masked(0x82, nil, 1<<40))
			frame = make([]byte, 2000)
		case 5:
			frame = masked(0x81, nil, -1)
		}
		if a.random.IntN(2) == 0 {
			go io.Copy(io.Discard, conn)
		}
		frame = bytes.Repeat(frame, 1+1400/len(frame))
		a.pours(conn, 2*time.Second, 3*time.Millisecond, func(int) []byte { return frame })
	})
}

// storms negotiates without end, also with those who do not speak telnet.
func (a *attacker) storms() {
	a.at([]string{"telnet", "telnet", "tcp"}[a.random.IntN(3)], func(conn socket) {
		if a.random.IntN(2) == 0 {
			go io.Copy(io.Discard, conn)
		}
		var all []byte
		for _, verb := range []byte{251, 253, 252, 254} {
			for option := range 256 {
				all = append(all, 255, verb, byte(option))
			}
		}
		var next func(n int) []byte
		rest := 3 * time.Millisecond
		switch a.random.IntN(7) {
		case 0:
			next = func(int) []byte { return all }
		case 1: // on, off, on
			next = func(n int) []byte {
				return bytes.Repeat([]byte{255, 251 + byte(n%4), []byte{0, 1, 3, 23, 24, 31, 39}[n/4%7]}, 20)
			}
		case 2: // a subnegotiation without end
			conn.Write([]byte{255, 251, 24, 255, 250, 24, 0})
			next = func(int) []byte { return bytes.Repeat([]byte("XTERM"), 300) }
		case 3: // IAC at the end of each piece
			next = func(n int) []byte { return []byte{[]byte{255, 251, 24, 255, 253, 1, 255, 255, 13, 255}[n%10]} }
			rest = time.Millisecond
		case 4:
			conn.Write([]byte{255, 251, 31})
			next = func(n int) []byte {
				return bytes.Repeat([]byte{255, 250, 31, 0, byte(n), 0, byte(n >> 8), 255, 240}, 100)
			}
		case 5:
			conn.Write([]byte{255, 251, 24, 255, 251, 39})
			next = func(n int) []byte {
				return bytes.Repeat([]byte("\xff\xfa\x27\x00\x00USER\x01\x1b[2J\x03X\x01Y\xff\xf0\xff\xfa\x18\x00\x00\x00\xff\xf0"), 30)
			}
		case 6:
			next = func(int) []byte { return bytes.Repeat([]byte{255, byte(236 + a.random.IntN(20))}, 300) }
		}
		a.pours(conn, 2*time.Second, rest, next)
	})
}

// forged is what only a gateway, or only a portal, may say. The portal must not take any
// of it for the gateway's, nor the gateway for the portal's.
var forged = []string{
	"\x01\x7f\x7f\x7f\x04",
	"\x01\x7f\x7f\x7f\x04PID=1,IP=127.5.1.1,PORT=4000,Access=WS\n",
	"PID=1,IP=127.5.1.1,PORT=4000,Access=WS\n",
	"PID=1,1,CONNECT,tcp://127.0.0.1:1/,None,[]",
	"PID=2,1,CONNECT,ws://169.254.169.254/,None,[]",
	"NewWsUser,127.5.1.1,4000,1",
	"UserRedirectEnded,,,1,1",
	"UserGone,,,1",
	"\x13Y", "\x13\x59\x13I", // SEP 5/9
	"\x01Cu<\x04", "\x01\x04", "\x01" + "\x01\x01", // answers to what nobody asked
	"\x1f@A forg\x19Be \x18\n",                         // articles of row 00
	"\x1b9{", "\x1b\x3b\x60\x58\x51", "\x1b9z", "\x05", // questions
	"\x01\x7f", "\x7f\x7f\x7f", "\x7f\x7f\x04",
}

func (a *attacker) forges() {
	front, more := "", ""
	switch a.random.IntN(8) {
	case 0:
		front = "PROXY TCP4 127.5.1.1 127.0.0.1 4000 9000\r\n"
	case 1:
		front = "PROXY UNKNOWN\r\n"
	case 2:
		front = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\x05\x01\x01\x7f\x00\x00\x01\x0f\xa0\x23\x28"
	case 3:
		more = "X-Forwarded-For: 127.5.1.1\r\nX-Real-IP: 127.5.1.1\r\nForwarded: for=127.5.1.1;proto=https\r\n"
	}
	says := func(conn net.Conn, kind byte) {
		write := func(text string) {
			if kind != 0 {
				io.Copy(conn, bytes.NewReader(masked(kind, []byte(text), -1)))
			} else {
				io.WriteString(conn, text)
			}
		}
		write(forgery)
		for range 1 + a.random.IntN(12) {
			text := forged[a.random.IntN(len(forged))]
			if cut := a.random.IntN(len(text)); cut > 0 && kind == 0 && a.random.IntN(3) == 0 {
				write(text[:cut])
				a.waits(time.Duration(a.random.IntN(250)) * time.Millisecond)
				text = text[cut:]
			}
			write(text)
			if a.random.IntN(4) == 0 {
				write(forgery)
			}
		}
		hangsOn(conn, time.Duration(a.random.IntN(400))*time.Millisecond)
	}
	scheme := a.any()
	if scheme == "ws" && front == "" {
		a.upgraded(more, func(conn socket) { says(conn, []byte{0x81, 0x82}[a.random.IntN(2)]) })
		return
	}
	a.at(scheme, func(conn socket) {
		io.WriteString(conn, front)
		says(conn, 0)
	})
}

// neverReads asks for pages, and does not read them.
func (a *attacker) neverReads() {
	ask := []byte("\x13C")
	nag := func(conn socket) {
		conn.SetReadBuffer(2 << 10)
		a.pours(conn, 15*time.Second, 200*time.Millisecond, func(int) []byte { return ask })
	}
	switch scheme := a.any(); scheme {
	case "ws":
		ask = masked(0x82, ask, -1)
		a.upgraded("", nag)
	default:
		a.at(scheme, nag)
	}
}

// floods types faster than anybody can.
func (a *attacker) floods() {
	keys := bytes.Repeat([]byte("x\x13A\x13Ey\x08\x1b[A"), 100)
	flood := func(conn socket) {
		go io.Copy(io.Discard, conn)
		a.pours(conn, 2*time.Second, 5*time.Millisecond, func(int) []byte { return keys })
	}
	switch scheme := a.any(); scheme {
	case "ws":
		keys = masked(0x82, keys, -1)
		a.upgraded("", flood)
	default:
		a.at(scheme, flood)
	}
}

// hammers calls and is gone, as fast as it can.
func (a *attacker) hammers() {
	a.at(a.any(), func(conn socket) {
		switch a.random.IntN(4) {
		case 0:
			io.WriteString(conn, upgradeHead+"\r\n")
		case 1:
			conn.SetLinger(-1)
		}
	})
}

package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
	"pgregory.net/rapid"

	"moip/internal/session"
)

// A zone is a server of the DNS that answers each question anew.
type zone struct {
	mu     sync.Mutex
	asked  []string
	answer func(name string, asked int) []string // addresses, or =name for another name
}

// resolves has all names of this test looked up in a zone.
func resolves(t *testing.T, answer func(name string, asked int) []string) *zone {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{answer: answer}
	var serving sync.WaitGroup
	serving.Go(func() { z.serve(conn) })
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() { net.DefaultResolver = before; conn.Close(); serving.Wait() })
	return z
}

func (z *zone) serve(conn net.PacketConn) {
	p := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(p)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(p[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.Authoritative, m.RecursionAvailable, m.Additionals = true, true, true, nil
		z.say(&m)
		if reply, err := m.Pack(); err == nil {
			conn.WriteTo(reply, from)
		}
	}
}

// say answers a question.
func (z *zone) say(m *dnsmessage.Message) {
	z.mu.Lock()
	defer z.mu.Unlock()
	q := m.Questions[0]
	name := q.Name.String()
	asked := 0
	for _, before := range z.asked {
		if before == name+q.Type.String() {
			asked++
		}
	}
	z.asked = append(z.asked, name+q.Type.String())
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET}
	for _, text := range z.answer(strings.TrimSuffix(strings.ToLower(name), "."), asked) {
		if alias, ok := strings.CutPrefix(text, "="); ok {
			to := dnsmessage.MustNewName(alias + ".")
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.CNAMEResource{CNAME: to}})
			head.Name = to
			continue
		}
		switch a := netip.MustParseAddr(text); {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	if len(m.Answers) == 0 && len(z.answer(strings.TrimSuffix(strings.ToLower(name), "."), asked)) == 0 {
		m.RCode = dnsmessage.RCodeNameError
	}
}

func (z *zone) questions() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return len(z.asked)
}

// houses are services at several addresses of this machine, at one port. They count who
// comes.
type houses struct {
	port uint16
	mu   sync.Mutex
	came map[netip.Addr]int
}

func open(t *testing.T, addresses ...string) *houses {
	t.Helper()
	h := &houses{came: map[netip.Addr]int{}}
	var serving sync.WaitGroup
	for _, address := range addresses {
		l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(int(h.port))))
		if err != nil {
			t.Fatal(err)
		}
		at := l.Addr().(*net.TCPAddr).AddrPort()
		h.port = at.Port()
		serving.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				h.mu.Lock()
				h.came[at.Addr().Unmap()]++
				h.mu.Unlock()
				conn.Close()
			}
		})
		defer func() { t.Cleanup(func() { l.Close() }) }() // before it is waited for
	}
	t.Cleanup(serving.Wait)
	return h
}

func (h *houses) visitors(address string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.came[netip.MustParseAddr(address)]
}

var errNo = fmt.Errorf("there is %w", session.ErrForbidden)

// refusing returns a Dialer that dials no address of refused.
func refusing(refused ...string) *Dialer {
	return &Dialer{Permit: func(_ session.Route, _, _ string, at netip.AddrPort) error {
		for _, a := range refused {
			if at.Addr() == netip.MustParseAddr(a) {
				return errNo
			}
		}
		return nil
	}}
}

// try dials, waits until a house has noticed and hung up, and returns how it went.
func try(t *testing.T, d *Dialer, url string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	e, err := d.Dial(ctx, 1, session.Route{URL: url})
	if err == nil {
		e.Receive()
		e.Close()
	}
	return err
}

// Of a name's addresses those are dialled that may be, in whatever order the DNS has them,
// by whatever scheme, and behind whatever aliases.
func TestPermitEachAddress(t *testing.T) {
	h := open(t, "127.0.0.2", "127.0.0.3", "::1")
	resolves(t, func(name string, _ int) []string {
		switch name {
		case "mixed.test":
			return []string{"127.0.0.2", "127.0.0.3"}
		case "mixed6.test":
			return []string{"::1", "127.0.0.3"}
		case "alias.test":
			return []string{"=second.test", "=third.test", "127.0.0.2"}
		case "bad.test":
			return []string{"127.0.0.2", "::1"}
		case "down.test":
			return []string{"127.0.0.2", "127.0.0.9"}
		}
		return nil
	})
	d := refusing("127.0.0.2", "::1")
	for name, want := range map[string]string{
		"mixed.test": "", "mixed6.test": "", "MIXED.test.": "",
		"alias.test": errNo.Error(), "bad.test": errNo.Error(),
		"127.0.0.2": errNo.Error(), "[::1]": errNo.Error(), "[::ffff:127.0.0.2]": errNo.Error(), "127.0.0.3": "",
		"down.test": "no other address answers; " + errNo.Error(),
		"none.test": "no such host",
	} {
		err := try(t, d, fmt.Sprintf("tcp://%s:%d", name, h.port))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", name, err)
		}
		if all := name != "down.test" && want == errNo.Error(); all != errors.Is(err, session.ErrForbidden) {
			t.Errorf("%s: %v is taken for the wrong thing", name, err)
		}
		for _, scheme := range []string{"ws", "wss", "telnet"} {
			if want != errNo.Error() {
				continue
			}
			if err := try(t, d, fmt.Sprintf("%s://%s:%d", scheme, name, h.port)); !errors.Is(err, session.ErrForbidden) {
				t.Errorf("%s by %s: %v", name, scheme, err)
			}
		}
	}
	if n, m := h.visitors("127.0.0.2"), h.visitors("::1"); n+m > 0 {
		t.Errorf("what may not be dialled was, %d and %d times", n, m)
	}
}

// A name that leads elsewhere each time it is looked up leads nobody where it may not.
func TestPermitRebinding(t *testing.T) {
	h := open(t, "127.0.0.2", "127.0.0.3")
	z := resolves(t, func(_ string, asked int) []string {
		return []string{[]string{"127.0.0.3", "127.0.0.2"}[asked%2]}
	})
	d := refusing("127.0.0.2")
	for i := range 10 {
		err := try(t, d, fmt.Sprintf("tcp://rebind.test:%d", h.port))
		if forbidden := i%2 == 1; forbidden != errors.Is(err, session.ErrForbidden) || !forbidden && err != nil {
			t.Errorf("dial %d: %v", i, err)
		}
	}
	if h.visitors("127.0.0.2") > 0 {
		t.Error("what may not be dialled was")
	}
	if n := z.questions(); n != 20 { // A and AAAA, once a dial
		t.Errorf("%d questions, not two for each dial", n)
	}
}

// What may not be dialled by its name is not looked up.
func TestPermitBeforeLookup(t *testing.T) {
	z := resolves(t, func(string, int) []string { return []string{"127.0.0.1"} })
	d := &Dialer{Permit: func(_ session.Route, scheme, host string, at netip.AddrPort) error {
		if at.Addr().IsValid() || scheme != "wss" || host != "Bad.test" || at.Port() != 443 {
			t.Errorf("asked about %s, %s, %v", scheme, host, at)
		}
		return errNo
	}}
	r := session.Route{URL: "wss://Bad.test/x"}
	if err := try(t, d, r.URL); !errors.Is(err, session.ErrForbidden) || z.questions() > 0 {
		t.Errorf("%v, after %d questions", err, z.questions())
	}
	if err := d.Permits(r); !errors.Is(err, session.ErrForbidden) {
		t.Error(err)
	}
	if err := new(Dialer).Permits(r); err != nil {
		t.Error(err)
	}
	if err := d.Permits(session.Route{URL: "gopher://x"}); err == nil || errors.Is(err, session.ErrForbidden) {
		t.Error(err)
	}
}

// Ways to write an address that some resolvers know: what is dialled is what is judged.
func TestPermitLiterals(t *testing.T) {
	h := open(t, "127.0.0.1")
	d := refusing("127.0.0.1")
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{} // the system's, with all its habits
	t.Cleanup(func() { net.DefaultResolver = before })
	for _, host := range []string{"2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0x7f000001", "localhost.", "LOCALHOST", "[::ffff:7f00:1]", "127.0.0.1."} {
		if err := try(t, d, fmt.Sprintf("tcp://%s:%d", host, h.port)); err == nil {
			t.Errorf("%s is dialled", host)
		}
	}
	if h.visitors("127.0.0.1") > 0 {
		t.Error("what may not be dialled was")
	}
}

// Whatever the DNS says, and however it changes its mind, nothing is dialled that may not be.
func TestPermitAlways(t *testing.T) {
	all := []string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "::1"}
	h := open(t, all...)
	var mu sync.Mutex
	var answers [][]string
	resolves(t, func(_ string, asked int) []string {
		mu.Lock()
		defer mu.Unlock()
		return answers[asked%len(answers)]
	})
	rapid.Check(t, func(rt *rapid.T) {
		refused := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, len(all), rapid.ID[string]).Draw(rt, "refused")
		mu.Lock()
		answers = rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom(append([]string{"=other.test"}, all...)), 1, 4), 1, 3).Draw(rt, "answers")
		mu.Unlock()
		var before []int
		for _, a := range refused {
			before = append(before, h.visitors(a))
		}
		for range 3 {
			try(t, refusing(refused...), fmt.Sprintf("tcp://any.test:%d", h.port))
		}
		for i, a := range refused {
			if h.visitors(a) != before[i] {
				rt.Errorf("%s was dialled", a)
			}
		}
	})
}

// A service that sends us elsewhere is not followed, and a proxy of the environment has
// no say.
func TestNobodyIsFollowed(t *testing.T) {
	h := open(t, "127.0.0.2")
	for _, variable := range []string{"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(variable, fmt.Sprintf("http://127.0.0.2:%d", h.port))
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		address := service(t, "127.0.0.1", func(conn net.Conn) {
			fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nLocation: ws://127.0.0.2:%d/\r\nContent-Length: 0\r\n\r\n", status, http.StatusText(status), h.port)
			io.Copy(io.Discard, conn)
		})
		err := try(t, new(Dialer), "ws://"+address)
		if err == nil || !strings.Contains(err.Error(), strconv.Itoa(status)) {
			t.Error(err)
		}
	}
	if h.visitors("127.0.0.2") > 0 {
		t.Error("somebody was followed")
	}
}

func TestSame(t *testing.T) {
	for _, same := range [][2]string{
		{"ws://example.org", "ws://EXAMPLE.org.:80/"},
		{"wss://example.org/ws?a=b", "wss://u:p@example.org:443/ws?a=b"},
		{"tcp:example.org:23", "tcp://example.org:23"},
	} {
		if !Same(same[0], same[1]) {
			t.Errorf("%q are not the same", same)
		}
	}
	for _, other := range [][2]string{
		{"ws://example.org", "wss://example.org"},
		{"ws://example.org", "ws://example.org/ws"},
		{"ws://example.org", "ws://example.org:81"},
		{"ws://example.org/a", "ws://example.org/A"},
		{"ws://example.org/a%2Fb", "ws://example.org/a/b"},
		{"ws://example.org", "ws://example.org?x"},
		{"builtin:mire", "builtin:mire"},
	} {
		if Same(other[0], other[1]) {
			t.Errorf("%q are the same", other)
		}
	}
}

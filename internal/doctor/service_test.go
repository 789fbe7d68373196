package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"math/bits"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moip/internal/directory"
	"moip/videotex"
)

// first is a page as services of the field have it.
var first = string(videotex.Page(nil).Clear().At(2, 3).Text("Bienvenue").At(10, 3).Text("Code :")) + "\x11"

// A player is a WebSocket service. It hears keys of one kind, and shows what is typed.
type player struct {
	page     string // shown at once, or behind Envoi
	waits    bool   // for Envoi
	sends    websocket.MessageType
	hears    websocket.MessageType // 0 for both
	silent   bool                  // shows nothing of what is typed
	fin      string                // what ends the call
	deaf     bool                  // answers no ping
	hates    bool                  // hangs up when it is pinged
	wants    string                // subprotocol, without which it refuses
	rude     bool                  // says nothing when it refuses
	agrees   []string
	closes   bool
	accepted atomic.Int32
}

func (p *player) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.wants != "" && !strings.Contains(r.Header.Get("Sec-Websocket-Protocol"), p.wants) {
		if p.rude {
			panic(http.ErrAbortHandler) // no answer at all
		}
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	p.accepted.Add(1)
	var conn *websocket.Conn
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: p.agrees,
		OnPingReceived: func(context.Context, []byte) bool {
			if p.hates {
				go conn.Close(websocket.StatusPolicyViolation, "no pings")
			}
			return !p.deaf && !p.hates
		},
	})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	ctx := context.Background()
	if p.closes {
		conn.Close(websocket.StatusTryAgainLater, "plus tard")
		return
	}
	if p.sends == 0 {
		p.sends = websocket.MessageText
	}
	if !p.waits {
		conn.Write(ctx, p.sends, []byte(p.page))
	}
	for {
		kind, key, err := conn.Read(ctx)
		switch {
		case err != nil:
			return
		case p.hears != 0 && kind != p.hears:
		case p.fin != "" && string(key) == p.fin:
			conn.Close(websocket.StatusNormalClosure, "")
			return
		case p.waits && string(key) == "\x13A":
			conn.Write(ctx, p.sends, []byte(p.page))
		case key[0] >= ' ' && !p.silent:
			conn.Write(ctx, p.sends, key)
		}
	}
}

// serve has a WebSocket service play at the URL it returns.
func serve(t *testing.T, h http.Handler) (url string) {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// listen has a service without WebSocket play, and returns its address.
func listen(t *testing.T, play func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var playing sync.WaitGroup
	playing.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			playing.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				play(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		playing.Wait()
	})
	return l.Addr().String()
}

// untilFin shows what is typed until Connexion/Fin.
func untilFin(conn net.Conn) {
	keys := bufio.NewReader(conn)
	for {
		b, err := keys.ReadByte()
		switch {
		case err != nil:
			return
		case b == videotex.SEP:
			if b, _ := keys.ReadByte(); b == videotex.ConnexionFin {
				return
			}
		case b == iac:
			keys.Discard(2)
		case b >= ' ':
			conn.Write([]byte{b})
		}
	}
}

// even gives each byte an even parity.
func even(text string) []byte {
	p := []byte(text)
	for i, b := range p {
		p[i] |= byte(bits.OnesCount8(b)&1) << 7
	}
	return p
}

func TestWebSocketServices(t *testing.T) {
	t.Parallel()
	const fin = "\x13I"
	services, urls := map[string]*player{}, map[string]string{}
	for name, p := range map[string]*player{
		"plain":    {page: first, fin: fin, agrees: []string{"tty"}},
		"binary":   {page: first, sends: websocket.MessageBinary, hears: websocket.MessageBinary, deaf: true},
		"wants-59": {page: first, fin: "\x13Y", wants: "tty", rude: true},
		"wants":    {page: first, fin: fin, wants: "tty", agrees: []string{"tty"}},
		"fin59":    {page: first, fin: "\x13Y", silent: true},
		"waits":    {page: first, fin: fin, waits: true},
		"silent":   {waits: true},
		"closes":   {closes: true},
		"pinged":   {page: first, fin: fin, hates: true},
		"pymoip":   {page: "\x1f00\x18\x0c\x1b9{\x05\x1b9z" + first, sends: websocket.MessageBinary, fin: fin},
		"telstar":  {page: "\x0c\x1bAWelcome\r\n\x1bBto a service\r\n", fin: fin},
		"computer": {page: "\x1b[2J\x1b[1;1H\x1b[31mlogin: ", fin: fin},
		"utf8":     {page: "déjà vu, où ça", sends: websocket.MessageBinary, fin: fin},
	} {
		services[name], urls[name] = p, serve(t, p)
	}
	for name, r := range examine(t, urls) {
		t.Run(name, func(t *testing.T) {
			hold(t, name, r)
			listed(t, r)
			if n := services[name].accepted.Load(); n > 2 {
				t.Errorf("it was called %d times", n)
			}
		})
	}
}

// listed wants what is for a directory to be good for one.
func listed(t *testing.T, r Report) {
	t.Helper()
	if r.Entry == "" {
		return
	}
	if _, err := directory.Parse("entry", []byte(r.Entry)); err != nil {
		t.Error(err)
	}
	maybe := strings.NewReplacer("\n# ", "\n").Replace(r.Entry)
	if _, err := directory.Parse("entry", []byte(maybe)); err != nil {
		t.Error(err)
	}
}

// examine looks at many services at a time: most of it is waiting.
func examine(t *testing.T, urls map[string]string) map[string]Report {
	var mu sync.Mutex
	var examining sync.WaitGroup
	reports := map[string]Report{}
	for name, url := range urls {
		examining.Go(func() {
			began := time.Now()
			r := Service(t.Context(), url)
			if took := time.Since(began); took > serviceTime+10*time.Second {
				t.Errorf("%s: it took %v", name, took)
			}
			mu.Lock()
			defer mu.Unlock()
			reports[name] = r
		})
	}
	examining.Wait()
	return reports
}

func TestPlainServices(t *testing.T) {
	t.Parallel()
	urls := map[string]string{}
	for name, test := range map[string]struct {
		scheme string
		play   func(net.Conn)
	}{
		"tcp":    {"tcp", func(c net.Conn) { io.WriteString(c, first); untilFin(c) }},
		"parity": {"tcp", func(c net.Conn) { c.Write(even(first)); untilFin(c) }},
		"telnet": {"telnet", func(c net.Conn) { // which waits until it is answered
			io.WriteString(c, "\xff\xfb\x01\xff\xfd\x18")
			io.ReadFull(c, make([]byte, 6))
			io.WriteString(c, first)
			untilFin(c)
		}},
		"telnet-by-tcp": {"tcp", func(c net.Conn) { io.WriteString(c, "\xff\xfb\x01\xff\xfd\x63"+first); untilFin(c) }},
		"no-telnet":     {"telnet", func(c net.Conn) { io.WriteString(c, first); untilFin(c) }},
		"beeps": {"tcp", func(c net.Conn) {
			io.WriteString(c, first)
			for p := make([]byte, 1); ; {
				if _, err := c.Read(p); err != nil {
					return
				}
				c.Write([]byte{videotex.BEL})
			}
		}},
		"hangs-up":   {"tcp", func(net.Conn) {}},
		"leaves":     {"tcp", func(c net.Conn) { io.WriteString(c, first) }},
		"deaf":       {"tcp", func(c net.Conn) { io.WriteString(c, first); io.Copy(io.Discard, c) }},
		"ssh":        {"tcp", func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.6\r\n"); io.Copy(io.Discard, c) }},
		"ws-is-tcp":  {"ws", func(c net.Conn) { io.WriteString(c, first); io.Copy(io.Discard, c) }},
		"wss-is-tcp": {"wss", func(c net.Conn) { io.WriteString(c, first); io.Copy(io.Discard, c) }},
		"ws-mute":    {"ws", func(c net.Conn) { io.Copy(io.Discard, c) }},
		"floods": {"tcp", func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, strings.Repeat("\x1bAflot ", 1000)); err != nil {
					return
				}
			}
		}},
		"escapes": {"tcp", func(c net.Conn) { io.WriteString(c, "\x1b]0;title\x07\x9b31m\x0c\x1b[2Jtext"); untilFin(c) }},
	} {
		urls[name] = test.scheme + "://" + listen(t, test.play)
	}
	for name, r := range examine(t, urls) {
		t.Run(name, func(t *testing.T) {
			hold(t, name, r)
			listed(t, r)
			for _, row := range r.Page {
				if line("."+row) != strings.TrimRight("."+row, " ") {
					t.Errorf("row %q", row)
				}
			}
		})
	}
}

func TestOtherPlaces(t *testing.T) {
	t.Run("web", func(t *testing.T) {
		hold(t, "web", Service(t.Context(), serve(t, http.NotFoundHandler())))
	})
	t.Run("refused", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		hold(t, "refused", Service(t.Context(), "tcp://"+l.Addr().String()))
	})
	t.Run("moved", func(t *testing.T) {
		hold(t, "moved", Service(t.Context(), serve(t, http.RedirectHandler("https://elsewhere.example/", http.StatusMovedPermanently))))
	})
	t.Run("url", func(t *testing.T) { hold(t, "url", Service(t.Context(), "gopher://x")) })
	t.Run("no text", func(t *testing.T) {
		if r := Service(t.Context(), "ws:\xff"); !r.Bad() || r.Entry != "" {
			t.Errorf("%+v", r)
		}
	})
}

// Who is no WebSocket may have TLS, too.
func TestSecurePlainServices(t *testing.T) {
	t.Parallel()
	now := time.Now()
	cert := certified(t, "127.0.0.1", now.Add(-time.Hour), now.Add(100*24*time.Hour))
	secretly := func(play func(net.Conn)) string {
		return listen(t, func(c net.Conn) { play(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})) })
	}
	page := func(c net.Conn) { io.WriteString(c, first); untilFin(c) }
	telnet := func(c net.Conn) { io.WriteString(c, "\xff\xfb\x01\xff\xfd\x63"+first); untilFin(c) }
	for name, r := range examine(t, map[string]string{
		"tcps":            "tcps://" + secretly(page),
		"telnets-by-tcps": "tcps://" + secretly(telnet),
		"tcps-is-tcp":     "tcps://" + listen(t, page),
		"tcp-is-tcps":     "tcp://" + secretly(page),
	}) {
		t.Run(name, func(t *testing.T) {
			hold(t, name, r)
			listed(t, r)
		})
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	year, day := 365*24*time.Hour, 24*time.Hour
	now := time.Now()
	for name, cert := range map[string]tls.Certificate{
		"tls":         certified(t, "127.0.0.1", now.Add(-day), now.Add(year/2)),
		"tls-ends":    certified(t, "127.0.0.1", now.Add(-day), now.Add(5*day+time.Hour)),
		"tls-expired": certified(t, "127.0.0.1", now.Add(-9*day), now.Add(-day)),
		"tls-early":   certified(t, "127.0.0.1", now.Add(day), now.Add(9*day)),
		"tls-other":   certified(t, "autre.example", now.Add(-day), now.Add(year/2)),
		"tls-unknown": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(&player{page: first, fin: "\x13I"})
			if cert.Certificate != nil {
				s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			}
			s.Config.ErrorLog = discard
			s.StartTLS()
			defer s.Close()
			hold(t, name, Service(t.Context(), "wss"+strings.TrimPrefix(s.URL, "https")))
		})
	}
}

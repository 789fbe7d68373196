package minitel_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"moip/minitel"
	"moip/videotex"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A form is a page with two fields. It notes what it is told.
type form struct {
	name, town minitel.Field
	heard      []string
	other      minitel.Page
	draws      int
}

func newForm() *form {
	return &form{
		name: minitel.Field{Row: 3, Column: 10, Length: 5, Capitals: true},
		town: minitel.Field{Row: 4, Column: 10, Length: 4, Fill: '_'},
	}
}

func (f *form) Draw(t *minitel.Terminal) {
	f.draws++
	t.At(1, 1).Attr(videotex.Inverse).Text("Été")
	f.town.Draw(t)
	f.name.Draw(t)
}

func (f *form) Key(t *minitel.Terminal, k minitel.Key) {
	switch k {
	case minitel.Envoi:
		t.Line(10, 1, "Merci "+f.name.String())
	case minitel.Guide:
		t.Show(f.other)
	case minitel.Suite:
		f.town.Key(t, 'x')
	case minitel.Repetition:
		t.Redraw()
	case minitel.ConnexionFin:
		t.Show(last("Au revoir"))
		t.Hangup()
	default:
		if !f.name.Key(t, k) {
			t.Bell()
		}
	}
}

func (f *form) Hear(_ *minitel.Terminal, sequence []byte) {
	f.heard = append(f.heard, fmt.Sprintf("%q", sequence))
}

// last is a page that answers no key.
type last string

func (l last) Draw(t *minitel.Terminal)           { t.At(12, 1).Text(string(l)) }
func (l last) Key(*minitel.Terminal, minitel.Key) {}

// a visit is a terminal on the other end of Send and Receive.
type visit struct {
	t      *minitel.Terminal
	screen *videotex.Screen
}

func visits(p minitel.Page) *visit {
	v := &visit{minitel.New(p), videotex.NewScreen()}
	v.sees()
	return v
}

// sees shows the next thing there is to show, and returns it.
func (v *visit) sees() string {
	p, err := v.t.Receive()
	if err != nil {
		return err.Error()
	}
	v.screen.Write(p)
	return string(p)
}

func (v *visit) types(keys string) string {
	v.t.Send([]byte(keys))
	return v.sees()
}

func (v *visit) row(n int) string {
	return strings.TrimRight(strings.Split(v.screen.String(), "\n")[n], " ")
}

const (
	envoi, guide, annulation, correction, suite, repetition, fin = "\x13A", "\x13D", "\x13E", "\x13G", "\x13H", "\x13C", "\x13I"
)

func TestField(t *testing.T) {
	for _, test := range []struct{ keys, row, echo string }{
		{"ab", "AB...", "AB"},
		{"ab" + correction, "A....", "AB\b.\b"},
		{"ab\b\x7fc", "C....", "AB\b.\b\b.\bC"},
		{correction, ".....", "\a"},
		{"abcdef", "ABCDE", "ABCDE\a"},
		{"abc" + annulation + "d", "D....", "ABC\x1fCJ.\x12D\x1fCJ\x11D"},
		{"\x19Bet\x19Bc", "ETC..", "ETC"}, // capitals have no accents
		{"a\x19\x30b", "A°B..", "A\x19\x30B"},
		{"\x19\x4Bz\x1b[Ca", "ZA...", "ZA"}, // what is on no keyboard
		{"a" + suite + "b", "AB...", "A\x1fDJ\x11x\x1fCK\x11B"},
		{"a\x13Zb", "AB...", "AB"},
		{"aé\xe9\x80€", "AEE..", "AEE"}, // UTF-8, and Latin-1
	} {
		v := visits(newForm())
		if echo := v.types(test.keys); echo != test.echo || v.row(3)[9:] != test.row {
			t.Errorf("%q: %q is echoed, and the field is %q", test.keys, echo, v.row(3))
		}
	}
}

func TestKeyboards(t *testing.T) {
	for _, keys := range []string{"bob" + envoi, "bob\r", "bob\r\n", "bo\x19\x4Bc\x7fb\r\x00"} {
		f := newForm()
		f.town.Length = 1
		v := visits(f)
		v.types(keys)
		if got := v.row(10); got != "Merci BOB" || f.town.String() != "" {
			t.Errorf("%q: %q", keys, got)
		}
	}
	v := visits(newForm())
	v.types("\n")
	if got := v.row(4)[9:]; got != "x___" {
		t.Errorf("the arrow down is not Suite: %q", got)
	}
}

// Pages on the way of who types ahead are not drawn.
func TestTypedAhead(t *testing.T) {
	f := newForm()
	f.other = &menu{back: f}
	v := visits(f)
	if got := v.types("ab" + strings.Repeat(guide+guide, 20) + "c"); strings.Count(got, "\f") != 1 || f.draws != 2 {
		t.Errorf("%d draws, %q", f.draws, got)
	}
	if got := v.row(3)[9:]; got != "ABC.." {
		t.Errorf("the field is %q", got)
	}
}

// What a page writes is written on it, drawn or not.
func TestWrittenBeforeDrawn(t *testing.T) {
	v := &visit{minitel.New(&menu{}), videotex.NewScreen()}
	v.types("x")
	if got := v.row(2); got != " ???u" {
		t.Errorf("row 2 is %q", got)
	}
	f := newForm()
	f.other = &menu{}
	v = visits(f)
	v.types("a" + guide + "x")
	if got := v.row(2) + v.row(3); got != " ???u" {
		t.Errorf("the menu is %q", got)
	}
}

type menu struct{ back minitel.Page }

func (m *menu) Draw(t *minitel.Terminal) { t.At(2, 2).Text("Menu") }
func (m *menu) Key(t *minitel.Terminal, k minitel.Key) {
	if k == minitel.Guide {
		t.Show(m.back)
	} else {
		t.At(2, 2).Text("???")
	}
}

// A flood of keys is answered in pieces, so that a slow line slows it.
func TestFlood(t *testing.T) {
	v := visits(newForm())
	v.t.Send([]byte(strings.Repeat(envoi, 5000)))
	for answered := 0; answered < 5000; {
		p := v.sees()
		if len(p) > 1100 {
			t.Fatalf("%d bytes at once", len(p))
		}
		answered += strings.Count(p, "Merci")
	}
	v.t.Send(make([]byte, 10000))
	v.t.Send(make([]byte, 10000))
	if _, err := v.t.Receive(); err != minitel.ErrTyped {
		t.Error(err)
	}
}

func TestHear(t *testing.T) {
	f := newForm()
	v := visits(f)
	v.types("ab\x13A\x01Cu4\x04\x19Be")
	if got := strings.Join(f.heard, " "); got != `"ab" "\x13A" "\x01Cu4\x04" "\x19Be"` {
		t.Error(got)
	}
	if got := videotex.TerminalName(v.t.Identity()); got != "Minitel 1B Telic-Alcatel" {
		t.Errorf("it is a %q", got)
	}
	if got := v.row(3)[9:]; got != "ABE.." {
		t.Errorf("the answer was taken for keys: %q", got)
	}
}

func TestEnds(t *testing.T) {
	v := visits(newForm())
	left := 0
	v.t.AtEnd(func() { left++ })
	v.types("a" + fin + "b")
	if v.row(12) != "Au revoir" || v.row(1) != "" {
		t.Errorf("the screen is\n%s", v.screen)
	}
	if got := v.sees(); got != "EOF" || left != 1 {
		t.Errorf("%s, left %d times", got, left)
	}

	v = visits(newForm())
	v.t.AtEnd(func() { left++ })
	v.t.Close()
	if _, err := v.t.Receive(); err != net.ErrClosed || left != 2 {
		t.Errorf("%v, left %d times", err, left)
	}
}

// Whoever carries a call may drop it between two turns of Receive.
func TestEndsUnheard(t *testing.T) {
	v := visits(newForm())
	left := 0
	v.t.AtEnd(func() { left++ })
	v.t.Send([]byte("a"))
	v.t.Close()
	v.t.Close()
	if left != 1 {
		t.Errorf("left %d times", left)
	}
	if _, err := v.t.Receive(); err != net.ErrClosed || left != 1 {
		t.Errorf("%v, left %d times", err, left)
	}
}

// Whoever attends is woken for what comes while it sleeps, and told of what has come before.
func TestAttend(t *testing.T) {
	v := &visit{minitel.New(newForm()), videotex.NewScreen()}
	woken := make(chan struct{}, 1)
	if !v.t.Attend(func() { woken <- struct{}{} }) {
		t.Fatal("it cannot be attended")
	}
	quiet := minitel.ErrQuiet.Error()
	if v.sees(); v.row(1) == "" || v.sees() != quiet {
		t.Errorf("it has more than a page:\n%s", v.screen)
	}
	v.t.Send([]byte("a"))
	if v.t.Sleep() {
		t.Error("it sleeps, though a key has come")
	}
	if got := v.sees(); got != "A" || v.sees() != quiet {
		t.Errorf("the key shows as %q", got)
	}
	for _, happens := range []struct {
		what func()
		see  string
	}{
		{func() { v.t.Send([]byte("b")) }, "B"},
		{func() { v.t.Notify() }, quiet},
		{func() { v.t.Close() }, net.ErrClosed.Error()},
	} {
		if !v.t.Sleep() {
			t.Fatal("it does not sleep")
		}
		happens.what()
		<-woken
		if got := v.sees(); got != happens.see {
			t.Errorf("woken, it shows %q, not %q", got, happens.see)
		}
		for v.sees() != quiet && happens.see != net.ErrClosed.Error() {
		}
	}
}

// Nothing is lost between what comes and falling asleep.
func TestAttendLosesNothing(t *testing.T) {
	v := &visit{minitel.New(&counter{}), videotex.NewScreen()}
	const keys = 10_000
	done := make(chan struct{})
	listen := func() {
		for {
			switch got := v.sees(); {
			case strings.HasSuffix(got, fmt.Sprintf("(%d)", keys)):
				close(done)
				return
			case got == minitel.ErrQuiet.Error() && v.t.Sleep():
				return
			}
		}
	}
	v.t.Attend(listen)
	listen()
	for range keys {
		v.t.Send([]byte("x"))
		runtime.Gosched()
	}
	<-done
}

// A counter counts keys.
type counter struct{ n int }

func (c *counter) Draw(*minitel.Terminal) {}
func (c *counter) Key(t *minitel.Terminal, _ minitel.Key) {
	c.n++
	t.Text(fmt.Sprintf("(%d)", c.n))
}

// A clock counts what it is told.
type clock struct{ ticks, every int }

func (c *clock) Draw(t *minitel.Terminal)           { t.Alarm(time.Duration(c.every) * time.Second) }
func (c *clock) Key(*minitel.Terminal, minitel.Key) {}
func (c *clock) Notice(t *minitel.Terminal) {
	c.ticks++
	t.Article(fmt.Sprint(c.ticks))
	t.Alarm(time.Duration(c.every) * time.Second)
}

func TestAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := visits(&clock{every: 7})
		start := time.Now()
		for range 3 {
			v.sees()
		}
		if got := time.Since(start); got != 21*time.Second || v.row(0)[:1] != "3" {
			t.Errorf("after %v the screen is\n%s", got, v.screen)
		}
		go func() {
			for range 100 {
				v.t.Notify()
			}
		}()
		synctest.Wait()
		v.sees()
		if got := v.row(0)[:1]; got != "4" {
			t.Errorf("notices do not come as one: %s", got)
		}
		v.t.Close()
		v.sees()
	})
}

func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error)
	go func() {
		for range 2 {
			conn, err := l.Accept()
			if err != nil {
				served <- err
				return
			}
			served <- minitel.Serve(conn, newForm())
		}
	}()
	call := func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}

	conn := call()
	io.WriteString(conn, "bob"+envoi+fin)
	screen := videotex.NewScreen()
	if _, err := io.Copy(screen, conn); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil || !strings.Contains(screen.String(), "Au revoir") {
		t.Errorf("%v, and the screen is\n%s", err, screen)
	}

	call().(*net.TCPConn).CloseWrite()
	if err := <-served; err != io.EOF {
		t.Error(err)
	}
}

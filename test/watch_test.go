package test

import (
	"bytes"
	"context"
	"image/png"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"moip/internal/control/admin"
	"moip/internal/picture"
	"moip/internal/testkit/soon"
	"moip/videotex"
)

// Whoever watches a call sees what its caller sees, cell for cell and dot for dot: from
// the page that was there before on, through all that a service draws.
func TestWatch(t *testing.T) {
	t.Parallel()
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	guest := arrives(t, g)
	guest.sees("Passerelle en liaison")

	var watched watched
	client := admin.NewClient(g.doors["admin"])
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { ended <- client.Watch(ctx, "1", watched.take) }()
	terminal := exec.Command(program, "ctl", "--admin", g.doors["admin"], "screen", "--watch", "1")
	var shown log
	terminal.Stdout, terminal.Stderr = &shown, &shown
	if err := terminal.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Process.Kill(); terminal.Wait() })

	same := func(what string) {
		t.Helper()
		if !soon.Or(patience, func() bool { return watched.shows(guest) }) {
			t.Fatalf("%s: the watcher sees something else than\n%s", what, guest.text())
		}
	}
	same("portal")
	guest.types("<Annulation>MIRE<Envoi>")
	for _, card := range []string{"1/6", "2/6", "3/6", "4/6", "Suite ou Retour"} {
		guest.sees(card)
		same("MIRE " + card)
		guest.types("<Suite>")
	}
	guest.sees("6/6")
	guest.types("<Envoi>")
	guest.until("redefined characters", func(string) bool {
		return guest.screen.Glyph(videotex.Drcs1, 0x21) != videotex.Glyph{} || guest.screen.Glyph(videotex.Drcs0, 0x41) != videotex.Glyph{}
	})
	same("MIRE 6/6")
	soon.Is(t, "the picture is what the caller sees", func() bool { // the rest of the card may yet come
		var picture []byte
		if err := client.Do(ctx, "GET", "/calls/1/screen?as=png", nil, &picture); err != nil {
			t.Fatal(err)
		}
		return bytes.Equal(dots(t, picture), guest.dots())
	})
	same("MIRE 6/6")
	shown.Await(t, "6/6")
	guest.types("<Fin>")
	guest.sees("MIRE : visite terminée")
	same("portal again")
	guest.conn.Close()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("the watching goes on after the call")
	}
	if err := terminal.Wait(); err != nil {
		t.Errorf("moip ctl screen --watch: %v", err)
	}
	if out := shown.String(); !strings.Contains(out, "6/6") || !strings.HasSuffix(out, "\x1B[?1049l") {
		t.Errorf("moip ctl screen --watch shows\n%q", out[max(0, len(out)-1000):])
	}
}

// watched is what a watcher sees.
type watched struct {
	mu     sync.Mutex
	frame  admin.Frame
	rows   map[int][]byte
	glyphs []byte
}

func (w *watched) take(f admin.Frame) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rows == nil || f.Columns != w.frame.Columns {
		w.rows = map[int][]byte{}
	}
	for n, row := range f.Rows {
		w.rows[n] = row
	}
	if f.Glyphs != nil {
		w.glyphs = f.Glyphs
	}
	w.frame = f
	return nil
}

// shows reports whether it is what a guest's screen shows.
func (w *watched) shows(g *guest) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.screen
	var at admin.Frame
	at.Row, at.Column, at.Cursor = s.Cursor()
	if len(w.rows) != 25 || at.Row != w.frame.Row || at.Column != w.frame.Column || at.Cursor != w.frame.Cursor || s.Columns() != w.frame.Columns {
		return false
	}
	for n, row := range w.rows {
		for column := range s.Columns() {
			p := row[6*column:]
			c := videotex.Cell{
				Set: videotex.Set(p[0]), Code: p[1], Ink: videotex.Color(p[2]), Paper: videotex.Color(p[3]),
				Attr: videotex.Attr(p[4]) | videotex.Attr(p[5])<<8,
			}
			if c != s.Cell(n, column+1) {
				return false
			}
		}
	}
	var glyphs []byte
	for _, set := range []videotex.Set{videotex.Drcs0, videotex.Drcs1} {
		for code := byte(0x21); code <= 0x7E; code++ {
			form := s.Glyph(set, code)
			glyphs = append(glyphs, form[:]...)
		}
	}
	return w.glyphs == nil && reflect.DeepEqual(glyphs, make([]byte, len(glyphs))) || bytes.Equal(glyphs, w.glyphs)
}

func (g *guest) text() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.screen.String()
}

// dots returns what a guest's screen looks like, a byte for each dot.
func (g *guest) dots() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out bytes.Buffer
	png.Encode(&out, picture.Image(g.screen, picture.Options{Cursor: true}))
	return dots(g.t, out.Bytes())
}

func dots(t *testing.T, p []byte) (all []byte) {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(p))
	if err != nil {
		t.Fatal(err)
	}
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			r, g, b, _ := m.At(x, y).RGBA()
			all = append(all, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return all
}

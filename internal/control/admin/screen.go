package admin

import (
	"bytes"
	"errors"
	"image/png"
	"net/http"
	"strconv"
	"time"

	"moip/internal/picture"
	"moip/internal/session"
	"moip/internal/switchboard"
	"moip/videotex"
)

// screen tells what a caller sees, as text, as text with the colours of a terminal, or
// as a picture.
func (d desk) screen(id session.ID, r *http.Request) (any, error) {
	s, err := d.Board.Screen(id)
	if err != nil {
		return nil, err
	}
	switch as := r.FormValue("as"); as {
	case "", "text":
		return content{"text/plain; charset=utf-8", []byte(picture.Text(s))}, nil
	case "ansi":
		return content{"text/plain; charset=utf-8", []byte(picture.ANSI(s, picture.Options{}))}, nil
	case "png":
		return pictureOf(s, r.FormValue("scale"))
	default:
		return nil, faulty("%.20q is not how a screen is told (use text, ansi or png)", as)
	}
}

func pictureOf(s *videotex.Screen, scale string) (any, error) {
	n := 1
	if scale != "" {
		var err error
		if n, err = strconv.Atoi(scale); err != nil || n < 1 || n > 8 {
			return nil, faulty("%.20q is not a scale (use 1 to 8)", scale)
		}
	}
	var out bytes.Buffer
	err := png.Encode(&out, picture.Image(s, picture.Options{Scale: n, Cursor: true}))
	return content{"image/png", out.Bytes()}, err
}

// A Frame is what has changed of what a caller sees, since the frame before it.
type Frame struct {
	Columns  int  `json:"columns"`  // 40 or 80
	Row      int  `json:"row"`      // of the cursor, 0 to 24
	Column   int  `json:"column"`   // of the cursor, from 1
	Cursor   bool `json:"cursor"`   // shows
	Revealed bool `json:"revealed"` // so does what is masked

	// Rows are those that have changed, by their numbers: six bytes for each cell, which
	// are set, code, ink, paper and attributes, as videotex.Cell has them, the lower half
	// of the attributes first.
	Rows map[int][]byte `json:"rows"`

	// Glyphs are the redefinable characters of G'0 and G'1, ten bytes each for the codes
	// 21 to 7E, if any of them has changed.
	Glyphs []byte `json:"glyphs,omitempty"`

	Over bool `json:"over,omitempty"` // the call has ended, and this is the last frame
}

// A film makes frames.
type film struct {
	columns int
	rows    [25][]byte
	glyphs  []byte
}

// next returns what has changed.
func (f *film) next(s *videotex.Screen) Frame {
	e := Frame{Columns: s.Columns(), Revealed: s.Revealed(), Rows: map[int][]byte{}}
	e.Row, e.Column, e.Cursor = s.Cursor()
	if e.Columns != f.columns {
		f.columns, f.rows = e.Columns, [25][]byte{}
	}
	for y := range f.rows {
		if row := packed(s, y); !bytes.Equal(row, f.rows[y]) {
			f.rows[y], e.Rows[y] = row, row
		}
	}
	if g := glyphs(s); !bytes.Equal(g, f.glyphs) {
		f.glyphs, e.Glyphs = g, g
	}
	return e
}

func packed(s *videotex.Screen, row int) []byte {
	p := make([]byte, 0, 6*80)
	add := func(c videotex.Cell) {
		p = append(p, byte(c.Set), c.Code, byte(c.Ink), byte(c.Paper), byte(c.Attr), byte(c.Attr>>8))
	}
	if s.Columns() == 40 {
		for _, c := range s.Row(row) {
			add(c)
		}
		return p
	}
	for column := range s.Columns() {
		add(s.Cell(row, column+1))
	}
	return p
}

const glyphBytes = 2 * 94 * 10

func glyphs(s *videotex.Screen) []byte {
	p := make([]byte, 0, glyphBytes)
	for _, set := range []videotex.Set{videotex.Drcs0, videotex.Drcs1} {
		for code := byte(0x21); code <= 0x7E; code++ {
			g := s.Glyph(set, code)
			p = append(p, g[:]...)
		}
	}
	return p
}

// frameTime is how often whoever watches is told, at the most. A caller at 1200 bit/s
// receives 12 characters in it.
const frameTime = 100 * time.Millisecond

// watch tells what a caller sees as it changes, as server-sent events. A Frame tells
// all to whoever has just come. It costs the call nothing but a look at it now and then.
func (d desk) watch(w http.ResponseWriter, r *http.Request) {
	id, err := callOf(r)
	if err == nil {
		_, err = d.Board.Info(id)
	}
	if err != nil {
		fail(w, status(err), err)
		return
	}
	s := newStream(w)
	ticker := time.NewTicker(frameTime)
	defer ticker.Stop()
	film := film{glyphs: make([]byte, glyphBytes)}
	var seen session.Info
	var told time.Time
	for first := true; ; first = false {
		info, err := d.Board.Info(id)
		if errors.Is(err, switchboard.ErrUnknown) {
			s.tell("", Frame{Over: true, Rows: map[int][]byte{}})
			return
		}
		switch now := time.Now(); {
		case first || info.Out != seen.Out:
			screen, err := d.Board.Screen(id)
			if err == nil && !s.tell("", film.next(screen)) {
				return
			}
			seen, told = info, now
		case now.Sub(told) > quietTime:
			if !s.comment("nothing new") {
				return
			}
			told = now
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		}
	}
}

package videotex

import (
	"bytes"
	"encoding/binary"
	"sync"
)

// An Afterimage is what a terminal shows, from what it was sent, kept in little room for
// whoever may want to look: some 1 or 1.5 KiB, where a Screen takes 16. The zero Afterimage
// is of a terminal that has just been switched on.
type Afterimage struct {
	still *still // nil if it has just been switched on
	since []byte // what it was sent after that
}

// What is kept as it was sent: much while the still has little on it, as before the
// first page and where FF has cleared the last; otherwise less, for it comes on top.
const (
	maxFirst = 1 << 10
	maxSince = 256
	little   = 256 // bytes of a still, see appendCells
)

// A darkroom is what it takes to make a still.
type darkroom struct {
	Screen
	cells [80 * 25]Cell
	coded []byte
	sent  []byte
}

var darkrooms = sync.Pool{New: func() any { return new(darkroom) }}

// Write notes that the terminal is sent p.
func (a *Afterimage) Write(p []byte) {
	if a.holds(len(a.since) + len(p)) {
		a.since = append(a.since, p...)
		return
	}
	d := darkrooms.Get().(*darkroom)
	defer darkrooms.Put(d)
	d.sent = append(append(d.sent[:0], a.since...), p...)
	rest := d.sent
	a.restore(&d.Screen, &d.cells)
	// A page that begins with FF is kept as it is sent, over a still of an empty screen:
	// most are followed by another, and never looked at.
	if cleared := bytes.LastIndexByte(rest, FF) + 1; cleared > 0 && len(rest)-cleared <= maxFirst {
		d.Screen.Write(rest[:cleared])
		rest = rest[cleared:]
		a.take(d)
	}
	if !a.holds(len(rest)) {
		d.Screen.Write(rest)
		rest = nil
		a.take(d)
	}
	a.since = append(a.since[:0], rest...)
}

// holds reports whether n bytes may be kept as they were sent.
func (a *Afterimage) holds(n int) bool {
	return n <= maxSince || n <= maxFirst && (a.still == nil || len(a.still.cells) <= little)
}

// take makes the still of what d shows.
func (a *Afterimage) take(d *darkroom) {
	if a.still == nil {
		a.still = new(still)
	}
	a.still.take(d)
	if !a.holds(maxFirst) && cap(a.since) > maxSince {
		a.since = make([]byte, 0, maxSince)
	}
}

// Screen returns what the terminal shows. It has no Replies.
func (a *Afterimage) Screen() *Screen {
	s := new(Screen)
	a.restore(s, new([80 * 25]Cell))
	s.Write(a.since)
	s.terminal.replies = nil
	return s
}

// restore has s show what the terminal did before since, by means of cells.
func (a *Afterimage) restore(s *Screen, cells *[80 * 25]Cell) {
	if a.still == nil {
		s.switchOn()
	} else {
		a.still.restore(s, cells)
	}
}

// A still is a Screen in little room.
type still struct {
	registers
	cells []byte        // see appendCells
	drcs  *[2][94]Glyph // nil if none are defined
}

func (t *still) take(d *darkroom) {
	t.registers = d.Screen.registers
	t.terminal.replies = nil
	for i := range halves {
		copy(d.cells[i*half:], d.Screen.half(i))
	}
	d.coded = appendCells(d.coded[:0], d.cells[:])
	if n := len(d.coded); n > cap(t.cells) || n+512 < cap(t.cells) {
		t.cells = make([]byte, 0, n+n/8) // append would take twice what it needs
	}
	t.cells = append(t.cells[:0], d.coded...)
	switch {
	case d.drcs == [2][94]Glyph{}:
		t.drcs = nil
	case t.drcs == nil:
		t.drcs = new([2][94]Glyph)
		fallthrough
	default:
		*t.drcs = d.drcs
	}
}

func (t *still) restore(s *Screen, cells *[80 * 25]Cell) {
	replies := s.terminal.replies[:0]
	s.registers = t.registers
	s.terminal.replies = replies
	readCells(cells[:], t.cells)
	for i := range halves {
		copy(s.half(i), cells[i*half:])
	}
	if t.drcs == nil {
		s.drcs = [2][94]Glyph{}
	} else {
		s.drcs = *t.drcs
	}
}

const (
	half   = 40
	halves = 50
)

// half returns one of the halves of the rows: those of 40 columns first, then what there
// is more in 80.
func (s *Screen) half(i int) []Cell {
	y, x := i%25, i/25*half
	return s.cells[y][x : x+half]
}

// What of a run of cells is not as in the run before. The low bits are their ink.
const (
	otherSet = 1 << (4 + iota)
	otherPaper
	otherAttr
)

// maxRun is how many cells a run has at the most.
const maxRun = 128

// appendCells appends cells as runs of those that are alike but for their codes: how many
// less one, what they have in common and have not with the run before, and the codes.
func appendCells(p []byte, cells []Cell) []byte {
	for was := (Cell{}); len(cells) > 0; {
		c, n, same := cells[0], maxRun, uniform(cells)
		if !same {
			n = count(cells[:min(len(cells), maxRun)], func(d Cell) bool { d.Code = c.Code; return d == c })
		}
		p = append(p, byte(n-1), byte(c.Ink))
		how := len(p) - 1
		if c.Set != was.Set {
			p[how] |= otherSet
			p = append(p, byte(c.Set))
		}
		if c.Paper != was.Paper {
			p[how] |= otherPaper
			p = append(p, byte(c.Paper))
		}
		if c.Attr != was.Attr {
			p[how] |= otherAttr
			p = binary.LittleEndian.AppendUint16(p, uint16(c.Attr))
		}
		if same {
			p = append(p, c.Code|again, maxRun)
		} else {
			p = appendCodes(p, cells[:n])
		}
		cells, was = cells[n:], c
	}
	return p
}

// uniform reports whether cells start with a longest run of one cell, as where nothing
// has been written: comparing arrays takes a fraction of the time.
func uniform(cells []Cell) bool {
	const n = maxRun - 1
	return len(cells) >= maxRun && *(*[n]Cell)(cells) == *(*[n]Cell)(cells[1:])
}

// again, with a code, says that it is there as often as the next byte says. Codes have no
// bit 7.
const again = 0x80

func appendCodes(p []byte, cells []Cell) []byte {
	for len(cells) > 0 {
		c := cells[0]
		n := count(cells, func(d Cell) bool { return d == c })
		if n > 2 {
			p = append(p, c.Code|again, byte(n))
		} else {
			p, n = append(p, c.Code), 1
		}
		cells = cells[n:]
	}
	return p
}

// count returns how many cells there are up to the first that is not like.
func count(cells []Cell, like func(Cell) bool) int {
	for n, c := range cells {
		if !like(c) {
			return n
		}
	}
	return len(cells)
}

// readCells undoes appendCells.
func readCells(cells []Cell, p []byte) {
	for c := (Cell{}); len(cells) > 0; {
		run, how := cells[:int(p[0])+1], p[1]
		cells, p = cells[len(run):], p[2:]
		c.Ink = Color(how & 0x0F)
		if how&otherSet != 0 {
			c.Set, p = Set(p[0]), p[1:]
		}
		if how&otherPaper != 0 {
			c.Paper, p = Color(p[0]), p[1:]
		}
		if how&otherAttr != 0 {
			c.Attr, p = Attr(binary.LittleEndian.Uint16(p)), p[2:]
		}
		for len(run) > 0 {
			n := 1
			if c.Code, p = p[0], p[1:]; c.Code&again != 0 {
				c.Code, n, p = c.Code&^again, int(p[0]), p[1:]
			}
			run[0] = c
			for i := 1; i < n; i *= 2 {
				copy(run[i:n], run[:i])
			}
			run = run[n:]
		}
	}
}

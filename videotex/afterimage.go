package videotex

import (
	"encoding/binary"
	"sync"
)

// An Afterimage is what a terminal shows, from what it was sent, kept in little room for
// whoever may want to look: some 1 or 2 KiB, where a Screen takes 16. The zero Afterimage
// is of a terminal that has just been switched on.
type Afterimage struct {
	still *still // nil if it has just been switched on
	since []byte // what it was sent after that
}

// maxSince bounds what is kept as it was sent.
const maxSince = 1 << 10

var scratch = sync.Pool{New: func() any { return new(Screen) }}

// Write notes that the terminal is sent p.
func (a *Afterimage) Write(p []byte) {
	if len(a.since)+len(p) <= maxSince {
		a.since = append(a.since, p...)
		return
	}
	s := scratch.Get().(*Screen)
	a.develop(s)
	s.Write(p)
	if a.still == nil {
		a.still = new(still)
	}
	a.still.take(s)
	a.since = a.since[:0]
	scratch.Put(s)
}

// Screen returns what the terminal shows. It has no Replies.
func (a *Afterimage) Screen() *Screen {
	s := new(Screen)
	a.develop(s)
	s.terminal.replies = nil
	return s
}

func (a *Afterimage) develop(s *Screen) {
	if a.still == nil {
		s.switchOn()
	} else {
		a.still.restore(s)
	}
	s.Write(a.since)
}

// A still is a Screen in little room.
type still struct {
	registers
	cells []byte        // see appendCells
	drcs  *[2][94]Glyph // nil if none are defined
}

func (t *still) take(s *Screen) {
	t.registers = s.registers
	t.terminal.replies = nil
	t.cells = appendCells(t.cells[:0], &s.cells)
	switch {
	case s.drcs == [2][94]Glyph{}:
		t.drcs = nil
	case t.drcs == nil:
		t.drcs = new([2][94]Glyph)
		fallthrough
	default:
		*t.drcs = s.drcs
	}
}

func (t *still) restore(s *Screen) {
	s.registers = t.registers
	readCells(&s.cells, t.cells)
	if t.drcs == nil {
		s.drcs = [2][94]Glyph{}
	} else {
		s.drcs = *t.drcs
	}
}

// appendCells appends the cells of all rows, as runs of cells that are alike but for their
// codes: how many less one, what they have in common, and the codes.
func appendCells(p []byte, rows *[25][80]Cell) []byte {
	for y := range rows {
		for cells := rows[y][:]; len(cells) > 0; {
			c := cells[0]
			n := count(cells, func(d Cell) bool { d.Code = c.Code; return d == c })
			p = append(p, byte(n-1), byte(c.Set)|byte(c.Ink)<<4, byte(c.Paper))
			p = binary.LittleEndian.AppendUint16(p, uint16(c.Attr))
			p = appendCodes(p, cells[:n])
			cells = cells[n:]
		}
	}
	return p
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
func readCells(rows *[25][80]Cell, p []byte) {
	for y := range rows {
		for cells := rows[y][:]; len(cells) > 0; {
			run := cells[:p[0]+1]
			c := Cell{Set: Set(p[1] & 0x0F), Ink: Color(p[1] >> 4), Paper: Color(p[2]), Attr: Attr(binary.LittleEndian.Uint16(p[3:]))}
			cells = cells[len(run):]
			for p = p[5:]; len(run) > 0; {
				n := 1
				if c.Code, p = p[0], p[1:]; c.Code&again != 0 {
					c.Code, n, p = c.Code&^again, int(p[0]), p[1:]
				}
				for i := range run[:n] {
					run[i] = c
				}
				run = run[n:]
			}
		}
	}
}

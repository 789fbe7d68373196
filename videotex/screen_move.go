package videotex

// advance moves the cursor to the right, to the next row after the last column.
func (s *Screen) advance(columns int) {
	p := &s.pen
	p.column += int8(columns)
	switch {
	case p.column <= s.width:
	case p.row == 0:
		p.column = s.width
	default:
		p.column = 1
		if p.attr&Tall != 0 {
			s.down(2)
		} else {
			s.down(1)
		}
	}
}

// back moves the cursor to the left, to the row above before column 1.
func (s *Screen) back() {
	p := &s.pen
	switch {
	case p.column > 1:
		p.column--
	case p.row > 0:
		p.column = s.width
		s.up()
	}
}

// down moves the cursor down, from the end of the page to its top unless the
// page scrolls.
func (s *Screen) down(rows int8) {
	p := &s.pen
	p.row += rows
	switch {
	case p.row <= 24:
	case s.roll:
		s.deleteRows(1, int(p.row)-24)
		p.row = 24
	default:
		p.row = rows
	}
}

// up moves the cursor one row up.
func (s *Screen) up() {
	p := &s.pen
	p.row--
	switch {
	case p.row > 0:
	case s.roll:
		s.insertRows(1, 1)
		p.row = 1
	default:
		p.row = 24
	}
}

// erase blanks the rows first to last.
func (s *Screen) erase(first, last int) {
	for row := first; row <= last; row++ {
		s.eraseColumns(row, 1, int(s.width))
	}
}

// eraseColumns blanks the columns first to last of row.
func (s *Screen) eraseColumns(row, first, last int) {
	cells := s.cells[row][first-1 : last]
	for i := range cells {
		cells[i] = blank
	}
}

// insertRows moves row and those below it down, and blanks what they leave.
func (s *Screen) insertRows(row, n int) {
	n = min(n, 25-row)
	copy(s.cells[row+n:], s.cells[row:25-n])
	s.erase(row, row+n-1)
}

// deleteRows moves the rows below those deleted up, and blanks what they leave.
func (s *Screen) deleteRows(row, n int) {
	n = min(n, 25-row)
	copy(s.cells[row:], s.cells[row+n:])
	s.erase(25-n, 24)
}

// shiftRight makes room for n columns at the cursor.
func (s *Screen) shiftRight(n int) {
	row, column := int(s.pen.row), int(s.pen.column)
	n = min(n, int(s.width)+1-column)
	cells := s.cells[row][column-1 : s.width]
	copy(cells[n:], cells)
	s.eraseColumns(row, column, column+n-1)
}

// shiftLeft takes n columns away at the cursor.
func (s *Screen) shiftLeft(n int) {
	row, column := int(s.pen.row), int(s.pen.column)
	n = min(n, int(s.width)+1-column)
	cells := s.cells[row][column-1 : s.width]
	copy(cells, cells[n:])
	s.eraseColumns(row, int(s.width)+1-n, int(s.width))
}

// control obeys CSI and what follows it. Attributes stay as they are.
func (s *Screen) control(q []byte) {
	p := &s.pen
	given, ok := parameters(q[:len(q)-1])
	if !ok || p.row == 0 {
		return
	}
	n, width := given[0], int(s.width)
	switch once := max(n, 1); q[len(q)-1] {
	case 'A':
		p.row = int8(max(int(p.row)-once, 1))
	case 'B':
		p.row = int8(min(int(p.row)+once, 24))
	case 'C':
		p.column = int8(min(int(p.column)+once, width))
	case 'D':
		p.column = int8(max(int(p.column)-once, 1))
	case 'H':
		if row, column := once, max(given[1], 1); row <= 24 && column <= width {
			p.row, p.column = int8(row), int8(column)
		}
	case 'J':
		s.eraseScreen(n)
	case 'K':
		s.eraseRow(n)
	case 'P':
		s.shiftLeft(once)
	case '@':
		s.shiftRight(once)
	case 'L':
		s.insertRows(int(p.row), once)
		p.column = 1
	case 'M':
		s.deleteRows(int(p.row), once)
		p.column = 1
	case 'h', 'l':
		if n == 4 {
			s.insert = q[len(q)-1] == 'h'
		}
	}
}

// eraseScreen erases from the cursor on (0), up to it (1) or all (2).
func (s *Screen) eraseScreen(what int) {
	row := int(s.pen.row)
	switch what {
	case 0:
		s.erase(row+1, 24)
	case 1:
		s.erase(1, row-1)
	case 2:
		s.erase(1, 24)
	}
	s.eraseRow(what)
}

// eraseRow does as eraseScreen within the row.
func (s *Screen) eraseRow(what int) {
	row, column := int(s.pen.row), int(s.pen.column)
	switch what {
	case 0:
		s.eraseColumns(row, column, int(s.width))
	case 1:
		s.eraseColumns(row, 1, column)
	case 2:
		s.eraseColumns(row, 1, int(s.width))
	}
}

// parameters returns the first two parameters of a CSI, 0 for those that are
// not there. It is not ok if it has others than numbers.
func parameters(q []byte) (p [2]int, ok bool) {
	i := 0
	for _, b := range q {
		switch {
		case b == ';':
			i++
		case b < '0' || b > '9':
			return p, false
		case i < len(p):
			p[i] = min(p[i]*10+int(b-'0'), 99)
		}
	}
	return p, true
}

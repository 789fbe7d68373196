package transport

import (
	"sync/atomic"
	"unicode/utf8"
)

// A latin1 turns the UTF-8 of text messages into bytes, whatever the pieces it
// comes in: a code point up to U+00FF is the byte of that number, those above
// are dropped. What is not UTF-8 comes from peers that write bytes into text
// messages as they are, and is taken as it is.
type latin1 struct {
	held    [utf8.UTFMax]byte // the beginning of a code point
	n       int8              // bytes held
	dropped atomic.Uint64
}

// append appends the bytes of p to out. p may lie in out's array, further on
// than the held bytes and out together are long.
func (l *latin1) append(out, p []byte) []byte {
	for len(p) > 0 {
		if l.n == 0 {
			n := ascii(p)
			out, p = append(out, p[:n]...), p[n:]
			if len(p) == 0 {
				break
			}
		}
		l.held[l.n] = p[0]
		l.n++
		p = p[1:]
		out = l.settle(out, false)
	}
	return out
}

// settle appends what the held bytes are, as soon as that is clear. It is at
// the end of a message.
func (l *latin1) settle(out []byte, end bool) []byte {
	for l.n > 0 && (end || utf8.FullRune(l.held[:l.n])) {
		r, size := utf8.DecodeRune(l.held[:l.n])
		switch {
		case r == utf8.RuneError && size == 1:
			out = append(out, l.held[0])
		case r <= 0xFF:
			out = append(out, byte(r))
		default:
			l.dropped.Add(1)
		}
		l.n = int8(copy(l.held[:], l.held[size:l.n]))
	}
	return out
}

// ascii returns how many bytes at the beginning of p are ASCII.
func ascii(p []byte) int {
	for i, b := range p {
		if b >= utf8.RuneSelf {
			return i
		}
	}
	return len(p)
}

// appendUTF8 appends p, read as Latin-1, in UTF-8.
func appendUTF8(dst, p []byte) []byte {
	for len(p) > 0 {
		n := ascii(p)
		dst = append(dst, p[:n]...)
		if p = p[n:]; len(p) > 0 {
			dst = utf8.AppendRune(dst, rune(p[0]))
			p = p[1:]
		}
	}
	return dst
}

// fitUTF8 returns how many bytes of p, read as Latin-1, make up at most limit
// bytes of UTF-8, and how many those are.
func fitUTF8(p []byte, limit int) (n, size int) {
	for _, b := range p {
		width := 1
		if b >= utf8.RuneSelf {
			width = 2
		}
		if size+width > limit {
			break
		}
		n, size = n+1, size+width
	}
	return n, size
}

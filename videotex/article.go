package videotex

// Article returns the text as a message on row 00, from column 1, in the
// terminal's form: the cursor goes to row 00, and LF brings it back with its
// position and attributes (2-2-1-2-5-3), in every standard that has a row 00
// (2-2-2-2-3-4).
func Article(text string) []byte {
	a := append([]byte{US, 0x40, 0x41}, Encode(text)...)
	return append(a, CAN, LF)
}

// maxArticle bounds an article: row 00 has 38 columns for text, each of which
// may come with an accent and a colour.
const maxArticle = 240

// An ArticleReader picks the articles out of a stream and drops the rest. So a
// portal can go on showing the cost of a call while a service has the screen,
// and can show nothing else: neither questions to the terminal nor anything
// that reaches below row 00 passes.
type ArticleReader struct {
	parser  Parser
	shows   bool   // the article has shown a character, which REP may repeat
	article []byte // nil unless on row 00
}

// Write feeds p and returns the last article that p completes, nil if none.
func (r *ArticleReader) Write(p []byte) (article []byte) {
	for len(p) > 0 {
		on := r.parser.Row0()
		if n := r.parser.run(p); n > 0 && !on {
			p = p[n:]
			continue
		}
		was := r.parser.region
		s, n := r.parser.next(p)
		p = p[n:]
		switch {
		case len(s) == 0:
		case r.parser.Row0():
			if !on {
				r.article, r.shows = nil, false
			}
			switch {
			case r.parser.region != open: // a load would go on below
			case was == open:
				r.add(s)
			case was == loading: // its end is a US, of which s is but the last byte
				r.add([]byte{US, r.parser.tail[0], r.parser.tail[1]})
			}
		case on:
			article = append(r.article, LF)
			r.article = nil
		}
	}
	return article
}

// Skip feeds p up to the first place where the stream is at rest and returns
// what follows. A reader of the stream that starts there misses nothing but
// what was begun before.
func (r *ArticleReader) Skip(p []byte) (rest []byte) {
	for i, b := range p {
		if r.parser.free() {
			r.Write(p[i:])
			return p[i:]
		}
		r.Write([]byte{b})
	}
	return nil
}

// AtRest reports whether another reader of the stream may start here.
func (r *ArticleReader) AtRest() bool { return r.parser.free() }

func (r *ArticleReader) add(s []byte) {
	if len(r.article)+len(s) > maxArticle {
		return
	}
	switch c := s[0]; {
	case c >= 0x20, c == SS2 && len(s) > 1, c == SYN && len(s) > 1:
		r.shows = true
	case c == US, c == SO, c == SI, c == BS, c == HT, c == CR, c == CAN:
	case c == REP && r.shows:
	case c == ESC && len(s) == 2 && s[1] >= 0x40 && s[1] <= 0x5F: // attributes
	default:
		return
	}
	r.article = append(r.article, s...)
}

// Package token has the secrets by which operators and gateways are known to each other:
// read from files, compared in a time that does not tell how near a wrong one was, and
// shown to nobody.
package token

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"moip/internal/smallfile"
)

const (
	shortest = 16  // characters: fewer could be guessed
	longest  = 512 // characters
	most     = 64  // tokens of a file
	maxFile  = 64 << 10
)

// A Token is a secret. However it is printed, logged or encoded, it does not show.
type Token struct {
	text *string // a pointer, so that fmt has an address to show where it cannot ask
}

// Parse returns the Token that text is: 16 to 512 of A to Z, a to z, 0 to 9 and -._~+/=,
// which can stand in a header (RFC 6750, section 2.1). Blanks around it do not count. Its
// errors do not repeat the text.
func Parse(text string) (Token, error) {
	text = strings.TrimSpace(text)
	for _, c := range []byte(text) {
		if !isTokenChar(c) {
			return Token{}, errors.New("a token has no characters but letters, digits and -._~+/= (make one with openssl rand -hex 24)")
		}
	}
	if n := len(text); n < shortest || n > longest {
		return Token{}, fmt.Errorf("a token has %d to %d characters, and not %d (make one with openssl rand -hex 24)", shortest, longest, n)
	}
	return Token{&text}, nil
}

func isTokenChar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("-._~+/=", c) >= 0
}

// Read returns the tokens of a file, 1 to 64: one a line, in which blank lines and those
// that begin with # do not count. Its errors name the file and the line.
func Read(path string) ([]Token, error) {
	data, err := smallfile.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	var all []Token
	n := 0
	for line := range bytes.Lines(data) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		t, err := Parse(string(line))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		all = append(all, t)
	}
	if len(all) == 0 || len(all) > most {
		return nil, fmt.Errorf("%s: has %d tokens (write 1 to %d, one a line)", path, len(all), most)
	}
	return all, nil
}

// ReadOne returns the first token of a file, which is the one to show to others.
func ReadOne(path string) (Token, error) {
	all, err := Read(path)
	if err != nil {
		return Token{}, err
	}
	return all[0], nil
}

// IsZero reports whether there is none.
func (t Token) IsZero() bool { return t.text == nil }

// Authorization returns the value of the header of that name that shows the token (RFC
// 6750, section 2.1).
func (t Token) Authorization() string { return "Bearer " + *t.text }

// Secret returns the text of the token, for whoever must hand it on.
func (t Token) Secret() string { return *t.text }

// Bearer returns the text in a header Authorization, and whether it has one.
func Bearer(authorization string) (text string, ok bool) {
	scheme, text, _ := strings.Cut(authorization, " ")
	return strings.TrimSpace(text), strings.EqualFold(scheme, "Bearer")
}

// Find returns the first of all that is text, -1 if none is. The time that it takes depends on
// how many there are, and on the length of text.
func Find(all []Token, text string) int {
	sum, found := sha256.Sum256([]byte(text)), -1
	for i := len(all) - 1; i >= 0; i-- {
		own := sha256.Sum256([]byte(*all[i].text))
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], own[:]), i, found)
	}
	return found
}

const hidden = "(a token)"

// Format is fmt's, for all verbs.
func (Token) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// LogValue is slog's.
func (Token) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText is that of JSON and others.
func (Token) MarshalText() ([]byte, error) { return []byte(hidden), nil }

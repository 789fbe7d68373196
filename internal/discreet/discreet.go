// Package discreet hides the secrets that stand in URLs from whoever is shown them: people,
// logs, records and other gateways. Who dials, and who compares, has the URL itself.
package discreet

import (
	"slices"
	"strings"
)

// hidden stands where a value was.
const hidden = "..."

// open are the words of a query that are no secret: ?echo, which services of the field have,
// and what addresses and recordings of ours have.
var open = []string{"echo", "speed", "record", "proxy", "parity", "flow"}

// URL returns a URL as it may be shown: without name and password, and with dots for the
// values of its query, for words there that have no value, which may be secrets themselves,
// and for a fragment. It takes URLs as terminal programs write them, too, tcp:HOST:PORT, and
// leaves what is no URL as it is. What stands in a path it cannot tell from a place.
func URL(raw string) string {
	scheme, rest, ok := strings.Cut(raw, ":")
	if !ok {
		return raw
	}
	where, asked := cut(rest)
	slashes := ""
	if after, has := strings.CutPrefix(where, "//"); has {
		slashes, where = "//", after
	}
	host, path, hasPath := strings.Cut(where, "/")
	host = host[strings.LastIndexByte(host, '@')+1:]
	if hasPath {
		path = "/" + path
	}
	return scheme + ":" + slashes + host + path + covered(asked)
}

// cut cuts the query and the fragment off.
func cut(s string) (before, after string) {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// covered returns what cut has cut off, with dots.
func covered(asked string) string {
	query, _, hasFragment := strings.Cut(asked, "#")
	var b strings.Builder
	for query != "" {
		word := query[1:]
		if end := strings.IndexAny(word, "&;"); end >= 0 {
			word = word[:end]
		}
		b.WriteByte(query[0]) // ?, & or ;
		b.WriteString(coveredWord(word))
		query = query[1+len(word):]
	}
	if hasFragment {
		b.WriteString("#" + hidden)
	}
	return b.String()
}

func coveredWord(word string) string {
	name, value, hasValue := strings.Cut(word, "=")
	switch {
	case word == "", slices.Contains(open, name):
		return word
	case !hasValue:
		return hidden
	case value == "":
		return word
	}
	return name + "=" + hidden
}

// Text returns text, an error's or a peer's, with the URLs in it as they may be shown, and the
// targets of HTTP requests. Either ends at a blank or a quotation mark; that a comma may be
// part of it hides rather too much.
func Text(text string) string {
	var b strings.Builder
	for {
		start := find(text)
		if start < 0 {
			break
		}
		b.WriteString(text[:start])
		text = text[start:]
		end := strings.IndexAny(text, " \t\r\n\"")
		if end < 0 {
			end = len(text)
		}
		where := strings.TrimRight(text[:end], ":.,;)") // which the sentence has put there
		if strings.HasPrefix(where, "/") {
			path, asked := cut(where)
			b.WriteString(path + covered(asked))
		} else {
			b.WriteString(URL(where))
		}
		b.WriteString(text[len(where):end])
		text = text[end:]
	}
	return b.String() + text
}

// find returns where the first URL of text begins, or the first target, -1 if there is none.
func find(text string) int {
	for i := 0; ; i++ {
		next := strings.IndexByte(text[i:], '/')
		if next < 0 {
			return -1
		}
		i += next
		switch {
		case i == 0, strings.IndexByte(" \t\r\n", text[i-1]) >= 0:
			return i
		case text[i-1] == ':' && strings.HasPrefix(text[i:], "//"):
			scheme := i - 1
			for scheme > 0 && isOfScheme(text[scheme-1]) {
				scheme--
			}
			if scheme < i-1 {
				return scheme
			}
		}
	}
}

// isOfScheme reports whether c may be in the name of a scheme (RFC 3986, section 3.1).
func isOfScheme(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("+.-", c) >= 0
}

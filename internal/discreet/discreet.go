// Package discreet hides the secrets that stand in URLs from whoever is shown them: people,
// logs, records and other gateways. Who dials, and who compares, has the URL itself.
package discreet

import (
	"regexp"
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

// urls finds URLs, and the targets of HTTP requests. Commas are part of them: rather too
// much is hidden.
var urls = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"]+|(?:^|\s)/[^\s"]*`)

// Text returns text, an error's or a peer's, with the URLs in it as they may be shown.
func Text(text string) string {
	return urls.ReplaceAllStringFunc(text, func(found string) string {
		where := strings.TrimRight(found, ":.,;)") // which the sentence has put there
		after := found[len(where):]
		if strings.Contains(where, "://") {
			return URL(where) + after
		}
		path, asked := cut(where)
		return path + covered(asked) + after
	})
}

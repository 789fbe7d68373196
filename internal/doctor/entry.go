package doctor

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// entry returns what a directory may say of the service, in TOML.
func (e *examination) entry() string {
	var b strings.Builder
	code := codeOf(e.route.URL)
	fmt.Fprintf(&b, "[[service]]\ncode = %q          # what people type\ntitle = %q\nurl = %s\n", code, code, quoted(e.route.URL))
	for _, k := range e.keys {
		if !k.maybe {
			fmt.Fprintf(&b, "%s = %s  # %s\n", k.name, k.value, k.why)
		}
	}
	for _, k := range e.keys {
		if k.maybe {
			fmt.Fprintf(&b, "# %s = %s  # %s\n", k.name, k.value, k.why)
		}
	}
	return b.String()
}

// quoted returns text as a string of TOML: what Go escapes and TOML does not is no part
// of a URL.
func quoted(text string) string { return strconv.QuoteToASCII(text) }

const (
	maxCode = 20
	noCode  = "SERVICE"
)

// codeOf returns a code for what is at a URL: the first word of its host that says
// something.
func codeOf(raw string) string {
	_, rest, _ := strings.Cut(raw, ":")
	host := strings.TrimPrefix(rest, "//")
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		host = host[:i]
	}
	host = host[strings.LastIndexByte(host, '@')+1:]
	if strings.HasPrefix(host, "[") {
		return noCode
	}
	host, _, _ = strings.Cut(host, ":")
	if _, err := netip.ParseAddr(host); err == nil || strings.EqualFold(host, "localhost") {
		return noCode
	}
	words := strings.Split(host, ".")
	for len(words) > 2 && isCommon(words[0]) {
		words = words[1:]
	}
	code := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-':
			return r
		}
		return -1
	}, words[0])
	if code == "" {
		return noCode
	}
	return code[:min(len(code), maxCode)]
}

// isCommon reports whether a word of a host's name says nothing of what is there.
func isCommon(word string) bool {
	switch strings.ToLower(word) {
	case "www", "ws", "wss", "go", "home", "minitel", "bbs", "telnet", "mntl", "pavi":
		return true
	}
	return false
}

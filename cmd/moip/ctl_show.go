package main

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"
)

// What a gateway tells has in it what callers, portals and services have said of
// themselves. None of that may steer an operator's terminal.

// newTable returns what aligns lines of cells between tabs, once it is flushed.
func newTable(out io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(out, 0, 0, 2, ' ', 0) }

// printf is fmt.Fprintf, with texts as they may stand in a line or a cell.
func printf(out io.Writer, format string, a ...any) (int, error) {
	for i := range a {
		if v := reflect.ValueOf(a[i]); v.Kind() == reflect.String {
			a[i] = harmless(v.String())
		}
	}
	return fmt.Fprintf(out, format, a...)
}

// harmless returns text without what does not show.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, text)
}

// printJSON prints v for programs, in a line or, for those who look at it, in several.
func printJSON(out io.Writer, v any, lines bool) error {
	var b strings.Builder
	e := json.NewEncoder(&b)
	if lines {
		e.SetIndent("", "  ")
	}
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(out, escaped(b.String()))
	return err
}

// escaped returns JSON that says the same and has all in it that does not show as \u:
// the encoder leaves DEL as it is, and the control characters beyond ASCII.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n', unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

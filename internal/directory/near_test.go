package directory

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNear(t *testing.T) {
	d, err := Load("", builtin...)
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]string{
		"TEASR":                                 "TEASER",
		"taeser":                                "TEASER",
		"3614 TESER":                            "TEASER",
		"3615TEASSR":                            "TEASER",
		"TEL":                                   "TELEHACK TELETEL TELSTAR",
		"TÉLÉTELE":                              "TELETEL",
		"TEASER 2":                              "TEASER",
		"STAR":                                  "TELSTAR",
		"SLAON":                                 "SALON",
		"SALONS":                                "SALON",
		"361":                                   "3611 3617 3615CO",
		"3612":                                  "3611 3617",
		"3615 C":                                "CO CLAVIER",
		"LABEJ":                                 "LABBEJ",
		"XYZZY":                                 "",
		"Q":                                     "",
		"":                                      "",
		" ":                                     "",
		"\xff\x13A":                             "",
		"TEASR" + strings.Repeat(" ", maxTyped): "",
	} {
		if got := strings.Join(d.Near(code), " "); got != want {
			t.Errorf("%.40q: %s, want %s", code, got, want)
		}
	}
}

// A service is named once, by what is most like what was typed.
func TestNearAlias(t *testing.T) {
	d, err := Parse("services.toml", []byte(`
[[service]]
code = "MESSAGERIE"
aliases = ["ULLA", "ULLAS"]
url = "ws://x"
[[service]]
code = "ULLB"
url = "ws://x"
`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ULLA", "ULLB"}, d.Near("ULLE")); diff != "" {
		t.Error(diff)
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ABC", 3}, {"ABC", "ABC", 0}, {"ABC", "ACB", 1}, {"ABC", "ABD", 1}, {"ABC", "AB", 1},
		{"ABC", "XABC", 1}, {"KITTEN", "SITTING", 3}, {"CA", "ABC", 3}, {"ABCD", "BADC", 2},
		{strings.Repeat("A", 100), strings.Repeat("A", 200), 0}, {strings.Repeat("A", 100), strings.Repeat("B", 100), 40},
	} {
		if got, back := distance(test.a, test.b), distance(test.b, test.a); got != test.want || back != test.want {
			t.Errorf("%q and %q: %d and %d, want %d", test.a, test.b, got, back, test.want)
		}
	}
}

func FuzzNear(f *testing.F) {
	d, err := Load("", builtin...)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("3615 TEASR")
	f.Add("É\xff")
	f.Fuzz(func(t *testing.T, code string) {
		names := d.Near(code)
		if len(names) > maxNear {
			t.Errorf("%q is near %q", code, names)
		}
		for _, name := range names {
			if _, ok := d.Lookup(name); !ok {
				t.Errorf("%q is near %q, which there is not", code, name)
			}
		}
	})
}

func BenchmarkNear(b *testing.B) {
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "[[service]]\ncode = 'SERVICE %d'\nurl = 'ws://x'\n", i)
	}
	d, err := Parse("services.toml", []byte(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		d.Near("3615 SERVICE12A4")
	}
}

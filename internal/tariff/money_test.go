package tariff

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
	"pgregory.net/rapid"
)

func TestUnmarshalText(t *testing.T) {
	for text, want := range map[string]Money{
		"0":         0,
		"0,00":      0,
		"-0":        0,
		"1":         10000,
		"1.29":      12900,
		"1,29":      12900,
		"0.0001":    1,
		"0012,5":    125000,
		"1000":      maxPrice,
		"1000.0000": maxPrice,
	} {
		m := Money(-1)
		if err := m.UnmarshalText([]byte(text)); err != nil || m != want {
			t.Errorf("%q: %d, %v, want %d", text, m, err, want)
		}
	}
}

func TestUnmarshalTextFaults(t *testing.T) {
	const kind = " is not an amount (write 1.29, without a currency)"
	for text, want := range map[string]string{
		"":                          `""` + kind,
		" 1":                        `" 1"` + kind,
		"1\n":                       `"1\n"` + kind,
		"1,":                        `"1,"` + kind,
		".5":                        `".5"` + kind,
		"1.2.3":                     `"1.2.3"` + kind,
		"1,29 F":                    `"1,29 F"` + kind,
		"+1":                        `"+1"` + kind,
		"1e3":                       `"1e3"` + kind,
		"0x10":                      `"0x10"` + kind,
		"1_000":                     `"1_000"` + kind,
		"--1":                       `"--1"` + kind,
		"nan":                       `"nan"` + kind,
		"-inf":                      `"-inf"` + kind,
		"true":                      `"true"` + kind,
		"١":                         `"١"` + kind,
		"\xff":                      `"\xff"` + kind,
		strings.Repeat("x", 100):    `"` + strings.Repeat("x", 60) + `"` + kind,
		"-1":                        `"-1": a price is not negative`,
		"-0,0001":                   `"-0,0001": a price is not negative`,
		"1.00000":                   `"1.00000" has more than 4 decimals`,
		"1000.0001":                 `"1000.0001" is too much (a price is at most 1000)`,
		"5000":                      `"5000" is too much (a price is at most 1000)`,
		"99999999999999999999":      `"99999999999999999999" is out of range`,
		strings.Repeat("9", 100000): `"` + strings.Repeat("9", 60) + `" is out of range`,
	} {
		m := Money(42)
		err := m.UnmarshalText([]byte(text))
		if err == nil || err.Error() != want || m != 42 {
			t.Errorf("%.60q: %d, %v, want %s", text, m, err, want)
		}
	}
}

func TestPriceInFile(t *testing.T) {
	type prices struct {
		Whole, Nothing, Point, Quoted, Comma Price
		List                                 []Price
	}
	var got prices
	if err := toml.Unmarshal([]byte(`
		whole = 1
		nothing = 0
		point = 1.29
		quoted = "1.29"
		comma = "1,29"
		list = [1, 0.5, "0,25"]`), &got); err != nil {
		t.Fatal(err)
	}
	want := prices{
		Whole: Price{10000}, Point: Price{12900}, Quoted: Price{12900}, Comma: Price{12900},
		List: []Price{{10000}, {5000}, {2500}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, value := range []string{"-1", "-1.5", `"-1"`, "1001", "1e3", "0x10", "inf", "true", `""`, "[1]"} {
		if err := toml.Unmarshal([]byte("whole = "+value), &got); err == nil {
			t.Errorf("%s is taken", value)
		}
	}
}

func TestJSON(t *testing.T) {
	for text, m := range map[string]Money{
		"0":                     0,
		"1.29":                  12900,
		"12.5":                  125000,
		"100":                   1000000,
		"0.0001":                1,
		"-0.05":                 -500,
		"922337203685477.5807":  math.MaxInt64,
		"-922337203685477.5808": math.MinInt64,
	} {
		data, err := json.Marshal(m)
		if err != nil || string(data) != text {
			t.Errorf("%d: %s, %v, want %s", int64(m), data, err, text)
		}
		var back Money
		if err := json.Unmarshal([]byte(text), &back); err != nil || back != m {
			t.Errorf("%s: %d, %v", text, int64(back), err)
		}
	}
	back := Money(42)
	if err := json.Unmarshal([]byte("null"), &back); err != nil || back != 42 {
		t.Errorf("null: %v, %v", back, err)
	}
	for _, text := range []string{`"1.29"`, "1e3", "0.00001", "922337203685477.5808", "true", "[]", "{}"} {
		if err := json.Unmarshal([]byte(text), &back); err == nil || back != 42 {
			t.Errorf("%s is taken for %v", text, back)
		}
	}
}

func TestJSONIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Money(rapid.Int64().Draw(t, "m"))
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var back Money
		if err := json.Unmarshal(data, &back); err != nil || back != m {
			t.Fatalf("%d became %s and %d: %v", int64(m), data, int64(back), err)
		}
	})
}

func TestFormat(t *testing.T) {
	for _, test := range []struct {
		Money
		currency, want string
	}{
		{0, "F", "0,00 F"},
		{0, "", "0,00 F"},
		{99, "F", "0,00 F"},
		{12900, "F", "1,29 F"},
		{12999, "EUR", "1,29 EUR"},
		{9_999_999, "F", "999,99 F"},
		{10_000_000, "F", "1 000,00 F"},
		{123_456_000, "F", "12 345,60 F"},
		{12_345_678_901_299, "F", "1 234 567 890,12 F"},
		{-99, "F", "0,00 F"},
		{-12_345_678, "F", "-1 234,56 F"},
		{-9_999_999, "F", "-999,99 F"},
		{math.MinInt64, "F", "-922 337 203 685 477,58 F"},
	} {
		if got := test.Format(test.currency); got != test.want {
			t.Errorf("%d: %q, want %q", int64(test.Money), got, test.want)
		}
	}
}

func TestSum(t *testing.T) {
	var s Sum
	for _, step := range []struct {
		m        Money
		currency string
		want     string
	}{
		{0, "EUR", "0,00 EUR"},
		{0, "F", "0,00 EUR"},
		{40000, "F", "4,00 F"},
		{10000, "EUR", "1,00 EUR + 4,00 F"},
		{1000, "", "1,00 EUR + 4,10 F"},
		{100, "$", "1,00 EUR + 4,10 F + 0,01 $"},
	} {
		s.Add(step.m, step.currency)
		if got := s.String(); got != step.want {
			t.Errorf("%q, want %q", got, step.want)
		}
	}
	var zero Sum
	if got := zero.String(); got != "0,00 F" {
		t.Errorf("nothing is %q", got)
	}
}

func FuzzMoney(f *testing.F) {
	for _, seed := range []string{"1.29", "1,29", "0", "1000", "-1", "1e3", "0012,5000", "\u0661"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var m, back Money
		if err := m.UnmarshalText([]byte(text)); err != nil {
			if m != 0 {
				t.Errorf("%q is refused and taken for %v", text, m)
			}
			return
		}
		if m < 0 || m > maxPrice {
			t.Errorf("%q is %v", text, m)
		}
		if err := back.UnmarshalText([]byte(m.String())); err != nil || back != m {
			t.Errorf("%q became %v and %v: %v", text, m, back, err)
		}
	})
}

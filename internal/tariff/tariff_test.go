package tariff

import (
	"math"
	"math/big"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const year = 366 * 24 * time.Hour

func TestPaliers(t *testing.T) {
	for i, want := range []struct {
		palier, prices, hour string
	}{
		{"36 11", "gratuit 3 min, 0,37 F/min", "21,09 F"},
		{"36 13", "gratuit", "0,00 F"},
		{"36 14", "0,37 F/min", "22,20 F"},
		{"36 15", "1,29 F/min", "77,40 F"},
		{"36 16", "1,29 F/min", "77,40 F"},
		{"36 17", "2,23 F/min", "133,80 F"},
	} {
		p := Paliers()[i]
		hour := p.Cost(time.Hour).Format(p.Currency)
		if p.Palier != want.palier || p.String() != want.prices || hour != want.hour {
			t.Errorf("%s: %s, %s an hour, want %v", p.Palier, p, hour, want)
		}
		if n := utf8.RuneCountInString(p.String()); n > 25 {
			t.Errorf("%s: %d columns", p, n)
		}
	}
	if n := len(Paliers()); n != 6 {
		t.Errorf("%d paliers", n)
	}
}

func TestPaliersAreFixed(t *testing.T) {
	Paliers()[0].Minute = 1
	if p, _ := Palier("3611"); p.Minute != 3700 {
		t.Error("changed from outside")
	}
}

func TestPalier(t *testing.T) {
	for name, want := range map[string]string{
		"36 15":        "36 15",
		"3615":         "36 15",
		" 3 6\u00a011": "36 11",
		"36 12":        "",
		"36":           "",
		"":             "",
		"36 15 ULLA":   "",
		"\xff":         "",
	} {
		p, ok := Palier(name)
		if p.Palier != want || ok != (want != "") {
			t.Errorf("%q: %q, %v, want %q", name, p.Palier, ok, want)
		}
	}
}

func TestCost(t *testing.T) {
	p3611, _ := Palier("3611")
	p3615, _ := Palier("3615")
	mixed := Tariff{Connection: 1200, Minute: 7400, Free: 90 * time.Second}
	for _, test := range []struct {
		Tariff
		d    time.Duration
		want Money
	}{
		{p3615, -time.Second, 0},
		{p3615, 0, 0},
		{p3615, 999 * time.Millisecond, 0},
		{p3615, time.Second, 200}, // of 215
		{p3615, time.Minute, 12900},
		{p3615, time.Minute + 999*time.Millisecond, 12900},
		{p3611, 3 * time.Minute, 0},
		{p3611, 4*time.Minute - 1, 3600}, // of 3638
		{p3611, 4 * time.Minute, 3700},
		{mixed, 90*time.Second - 1, 0},
		{mixed, 90 * time.Second, 1200},
		{mixed, 150 * time.Second, 8600},
		{Tariff{Connection: 1200}, -1, 0},
		{Tariff{Connection: 1200}, 0, 1200},
		{Tariff{Connection: 1200}, year, 1200},
		{Tariff{Connection: 1999, Minute: 60}, 0, 1900},
		{Tariff{Connection: 1999, Minute: 60}, time.Second, 2000},
		{Tariff{}, year, 0},
	} {
		if got := test.Cost(test.d); got != test.want {
			t.Errorf("%v for %v: %v, want %v", test.Tariff, test.d, got, test.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	free := Tariff{Free: 1500 * time.Millisecond}
	for d, want := range map[time.Duration]int64{
		-time.Hour:              0,
		0:                       0,
		2499 * time.Millisecond: 0,
		2500 * time.Millisecond: 1,
		time.Minute:             58,
	} {
		if got := free.Seconds(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}

// exact is the cost in the arithmetic of people: no limits, one rounding.
func exact(t Tariff, d time.Duration) *big.Int {
	if d < t.Free {
		return big.NewInt(0)
	}
	charged := new(big.Int).Sub(big.NewInt(int64(d)), big.NewInt(int64(t.Free)))
	charged.Div(charged, big.NewInt(int64(time.Second)))
	// (connection + minute*charged/60) / 100, as one fraction
	sum := new(big.Int).Mul(big.NewInt(int64(t.Minute)), charged)
	sum.Add(sum, new(big.Int).Mul(big.NewInt(60), big.NewInt(int64(t.Connection))))
	sum.Div(sum, big.NewInt(60*100))
	return sum.Mul(sum, big.NewInt(100))
}

func TestCostProperties(t *testing.T) {
	price := rapid.OneOf(
		rapid.Just(Money(0)),
		rapid.Map(rapid.Int64Range(0, 100_000), func(n int64) Money { return Money(n) }),
		rapid.Map(rapid.Int64Range(0, int64(maxPrice)), func(n int64) Money { return Money(n) }),
	)
	span := func(most time.Duration) *rapid.Generator[time.Duration] {
		return rapid.OneOf(
			rapid.Map(rapid.Int64Range(0, int64(most)), func(n int64) time.Duration { return time.Duration(n) }),
			rapid.Map(rapid.Int64Range(0, int64(most/time.Second)), func(n int64) time.Duration {
				return time.Duration(n) * time.Second
			}),
		)
	}
	rapid.Check(t, func(t *rapid.T) {
		tariff := Tariff{
			Connection: price.Draw(t, "connection"),
			Minute:     price.Draw(t, "minute"),
			Free:       span(time.Hour).Draw(t, "free"),
		}
		visit := span(10 * time.Minute)
		if rapid.Bool().Draw(t, "long") {
			visit = span(year)
		}
		var before Money
		d := time.Duration(0)
		for range 5 {
			cost := tariff.Cost(d)
			if want := exact(tariff, d); want.Cmp(big.NewInt(int64(cost))) != 0 {
				t.Fatalf("%v: %d, want %v", d, cost, want)
			}
			if cost < before {
				t.Fatalf("%v: %d after %d", d, cost, before)
			}
			before = cost
			d += visit.Draw(t, "more")
		}
	})
}

func TestCostDoesNotOverflow(t *testing.T) {
	most := Tariff{Connection: maxPrice, Minute: maxPrice}
	for _, d := range []time.Duration{year, math.MaxInt64} {
		if got, want := most.Cost(d), exact(most, d); want.Cmp(big.NewInt(int64(got))) != 0 {
			t.Errorf("%v: %d, want %v", d, got, want)
		}
	}
}

func TestTariffString(t *testing.T) {
	for _, test := range []struct {
		Tariff
		want string
	}{
		{Tariff{}, "gratuit"},
		{Tariff{Free: time.Minute}, "gratuit"},
		{Tariff{Minute: 12900, Currency: Franc}, "1,29 F/min"},
		{Tariff{Connection: 1200, Minute: 7400}, "0,12 F + 0,74 F/min"},
		{Tariff{Connection: 10000, Currency: "EUR"}, "1,00 EUR la connexion"},
		{Tariff{Minute: 50}, "0,005 F/min"},
		{Tariff{Minute: 1}, "0,0001 F/min"},
		{Tariff{Minute: 3700, Free: 3 * time.Minute}, "gratuit 3 min, 0,37 F/min"},
		{Tariff{Minute: 3700, Free: 45 * time.Second}, "gratuit 45 s, 0,37 F/min"},
		{Tariff{Minute: 3700, Free: 90 * time.Second}, "gratuit 1 min 30 s, 0,37 F/min"},
		{Tariff{Minute: 3700, Free: time.Millisecond}, "0,37 F/min"},
	} {
		if got := test.String(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
		if test.IsFree() != (test.want == "gratuit") {
			t.Errorf("%q: free is %v", test.want, test.IsFree())
		}
	}
}

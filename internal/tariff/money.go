package tariff

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Franc is the currency of whatever names none.
const Franc = "F"

// Money is an amount in ten-thousandths of a unit of its currency: 12900 is
// 1,29 F.
//
// Money must not be the type of a field that go-toml fills: see [Price].
type Money int64

const (
	unit      Money = 10_000
	hundredth       = unit / 100
	places          = 4
	maxPrice        = 1000 * unit
)

// A Price is Money as people write it in a TOML file: 1, 1.29 or "1,29", all
// of which go-toml hands to UnmarshalText. It would not hand an integer to
// Money, which is an integer itself: 1 would be a ten-thousandth.
type Price struct{ Money }

var number = regexp.MustCompile(`^(-?[0-9]+)(?:[.,]([0-9]+))?$`)

// parse reads a number with a point or a comma and at most 4 decimals.
func parse(s string) (Money, error) {
	parts := number.FindStringSubmatch(s)
	if parts == nil {
		return 0, fmt.Errorf("%.60q is not an amount (write 1.29, without a currency)", s)
	}
	whole, decimals := parts[1], parts[2]
	if len(decimals) > places {
		return 0, fmt.Errorf("%.60q has more than %d decimals", s, places)
	}
	n, err := strconv.ParseInt(whole+decimals+strings.Repeat("0", places-len(decimals)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.60q is out of range", s)
	}
	return Money(n), nil
}

// UnmarshalText reads a price, 0 to 1000, with a point or a comma and at most 4
// decimals. Its errors say what to write.
func (m *Money) UnmarshalText(text []byte) error {
	price, err := parse(string(text))
	switch {
	case err != nil:
		return err
	case price < 0:
		return fmt.Errorf("%.60q: a price is not negative", text)
	case price > maxPrice:
		return fmt.Errorf("%.60q is too much (a price is at most %d)", text, maxPrice/unit)
	}
	*m = price
	return nil
}

// String returns all of m, with no more decimals than it needs: "1.29", "0".
func (m Money) String() string {
	return strings.TrimRight(strings.TrimRight(m.fixed(), "0"), ".")
}

// MarshalJSON writes the number that String returns.
func (m Money) MarshalJSON() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalJSON reads, exactly, any number that MarshalJSON writes.
func (m *Money) UnmarshalJSON(text []byte) error {
	if string(text) == "null" { // by convention no news
		return nil
	}
	amount, err := parse(string(text))
	if err != nil {
		return err
	}
	*m = amount
	return nil
}

// fixed returns m with 4 decimals.
func (m Money) fixed() string {
	s := strconv.FormatInt(int64(m), 10)
	digits := strings.TrimPrefix(s, "-")
	sign := s[:len(s)-len(digits)]
	digits = strings.Repeat("0", max(0, places+1-len(digits))) + digits
	point := len(digits) - places
	return sign + digits[:point] + "." + digits[point:]
}

// Format returns m as the French write it, without what is less than a
// hundredth of the unit: "12 345,60 F". The currency is the franc if empty.
func (m Money) Format(currency string) string {
	return french(strings.TrimSuffix((m-m%hundredth).fixed(), "00"), currency)
}

// exactly is Format without loss: a price may have more decimals than an amount
// that somebody pays.
func (m Money) exactly(currency string) string {
	return french(strings.TrimSuffix(strings.TrimSuffix(m.fixed(), "0"), "0"), currency)
}

// french writes an amount with a comma for its point, and spaces between its
// thousands.
func french(amount, currency string) string {
	digits := strings.TrimPrefix(amount, "-")
	sign := amount[:len(amount)-len(digits)]
	whole, decimals, _ := strings.Cut(digits, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + " " + whole[i:]
	}
	return sign + whole + "," + decimals + " " + cmp.Or(currency, Franc)
}

// A Sum adds amounts, each currency for itself. The zero Sum is nothing. A Sum
// must not be copied once something was added.
type Sum struct {
	amounts []amount
}

type amount struct {
	Money
	currency string
}

// Add adds m. The currency is the franc if empty.
func (s *Sum) Add(m Money, currency string) {
	currency = cmp.Or(currency, Franc)
	for i := range s.amounts {
		if s.amounts[i].currency == currency {
			s.amounts[i].Money += m
			return
		}
	}
	s.amounts = append(s.amounts, amount{m, currency})
}

// String returns the sum in French, its currencies in the order in which they
// were first added: "4,10 F + 1,00 EUR". Nothing is "0,00 F", or 0 of the first
// currency that something was charged in.
func (s *Sum) String() string {
	var parts []string
	for _, a := range s.amounts {
		if a.Money != 0 {
			parts = append(parts, a.Format(a.currency))
		}
	}
	switch {
	case len(parts) > 0:
		return strings.Join(parts, " + ")
	case len(s.amounts) > 0:
		return Money(0).Format(s.amounts[0].currency)
	}
	return Money(0).Format(Franc)
}

package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A spread is what was measured in several rounds.
type spread struct {
	median, least, most float64
	rounds              int // 0 if it was not measured
}

func spreadOf(values []float64) spread {
	n := len(values)
	if n == 0 {
		return spread{}
	}
	slices.Sort(values)
	return spread{values[(n-1)/2]/2 + values[n/2]/2, values[0], values[n-1], n}
}

// times returns the spread in another unit.
func (s spread) times(factor float64) spread {
	return spread{s.median * factor, s.least * factor, s.most * factor, s.rounds}
}

// String shows the median, and the least and the most where they differ.
func (s spread) String() string {
	if s.rounds == 0 {
		return "–"
	}
	if s.least == s.most {
		return number(s.median)
	}
	return fmt.Sprintf("%s (%s…%s)", number(s.median), number(s.least), number(s.most))
}

// count shows a number of things.
func count(n int) string { return grouped(strconv.Itoa(n)) }

// number shows three digits, or two behind zeros, or all before the point, in groups of
// three.
func number(v float64) string {
	digits := 0
	switch size := math.Abs(v); {
	case size == 0:
		return "0"
	case size > 1e15:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case size < 0.0995:
		digits = min(1-int(math.Floor(math.Log10(size))), 9)
	case size < 9.995:
		digits = 2
	case size < 99.95:
		digits = 1
	}
	return grouped(strconv.FormatFloat(v, 'f', digits, 64))
}

// tick shows a round number.
func tick(v float64) string {
	return grouped(strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64))
}

// percent shows one that need not be exact.
func percent(v float64) string {
	if v < 10 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return grouped(strconv.FormatFloat(min(v, 1e15), 'f', 0, 64))
}

// grouped puts commas into the digits before the point.
func grouped(text string) string {
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return whole
}

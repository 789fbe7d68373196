package report

import "math"

// A scale places values on a length.
type scale struct {
	least, most float64 // at its ends
	from, to    float64 // where these are
	log         bool
	ticks       []float64 // what to write on it
}

// at returns the place of a value, one that is beyond the ends at that end.
func (s scale) at(v float64) float64 {
	v = min(max(v, s.least), s.most)
	least, most := s.least, s.most
	if s.log {
		v, least, most = math.Log(v), math.Log(least), math.Log(most)
	}
	return s.from + (v-least)/(most-least)*(s.to-s.from)
}

// linear returns a scale from nothing to a round number that is no less than most.
func linear(most, from, to float64) scale {
	if !(most > 1e-9 && most < 1e15) { // nothing that anybody measures
		most = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for _, part := range []float64{0.2, 0.5, 1, 2} {
		if most/(step*part) <= 6 {
			step *= part
			break
		}
	}
	n := math.Ceil(most / step)
	s := scale{most: n * step, from: from, to: to}
	for i := range int(n) + 1 {
		s.ticks = append(s.ticks, float64(i)*step)
	}
	return s
}

// logarithmic returns a scale that begins and ends at 1, 2 or 5 times a power of ten.
func logarithmic(least, most, from, to float64) scale {
	least = min(max(least, 1e-3), 1e15)
	most = min(max(most, least), 1e15)
	first := int(math.Floor(3 * math.Log10(least)))
	for nth(first+1) <= least {
		first++
	}
	s := scale{from: from, to: to, log: true}
	for i := first; i == first || nth(i-1) < most; i++ {
		s.ticks = append(s.ticks, nth(i))
	}
	if len(s.ticks) == 1 {
		s.ticks = append(s.ticks, nth(first+1))
	}
	s.least, s.most = s.ticks[0], s.ticks[len(s.ticks)-1]
	return s
}

// nth counts 1, 2, 5, 10, 20, 50 and so on, from 1 at zero.
func nth(i int) float64 {
	power := math.Floor(float64(i) / 3)
	return []float64{1, 2, 5}[i-3*int(power)] * math.Pow(10, power)
}

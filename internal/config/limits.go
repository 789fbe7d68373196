package config

import (
	"fmt"
	"strconv"
)

// A Count is a number of something, 0 for no limit, or CountAuto.
type Count int

// CountAuto is the number that the gateway finds out itself.
const CountAuto Count = -1

// UnmarshalText reads a number, or auto.
func (c *Count) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*c = CountAuto
		return nil
	}
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil {
		return fmt.Errorf(`%.60q is no number of them (write 100, 0 for no limit, or "auto")`, text)
	}
	*c = Count(n)
	return nil
}

// String returns what UnmarshalText reads.
func (c Count) String() string {
	if c == CountAuto {
		return "auto"
	}
	return strconv.Itoa(int(c))
}

// FilesOfCall returns how many files a call may have open: its caller, a service, a portal
// that is not inside, and a recording.
func (c *Config) FilesOfCall() int {
	n := 2
	if !c.Builtin() {
		n++
	}
	if c.Recordings.Folder != "" {
		n++
	}
	return n
}

// maxNumber is more than any gateway has of anything.
const maxNumber = 1_000_000

// leastKeys is the least that a caller is heard at: answers of a terminal come so fast on
// a line of 1200/75, several keys of a row, and those who type fast.
const leastKeys = 75

func (l *Limits) checkNumbers(fault report) {
	for _, limit := range []struct {
		key      string
		n, least int
	}{
		{"max_calls", max(int(l.MaxCalls), 0), 1},
		{"household_calls", l.HouseholdCalls, 1},
		{"network_calls", l.NetworkCalls, 1},
		{"new_calls", l.NewCalls, 1},
		{"household_new_calls", l.HouseholdNewCalls, 1},
		{"arriving", max(int(l.Arriving), 0), 1},
		{"household_arriving", l.HouseholdArriving, 1},
		{"keys", l.Keys, leastKeys},
	} {
		if limit.n != 0 && (limit.n < limit.least || limit.n > maxNumber) {
			fault("limits."+limit.key, "%d is out of range (%d to %d, or 0 for no limit)", limit.n, limit.least, maxNumber)
		}
	}
}

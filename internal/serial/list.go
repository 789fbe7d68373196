package serial

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Info is what the system tells of a port; what it does not tell is empty. Only
// Linux tells all of it.
type Info struct {
	Path   string // what Open takes
	Name   string // product and maker, as told by USB
	Driver string
	ID     string // of USB: vendor:product, and serial number
	Stable string // another path to it, which stays the same when adapters are plugged in in another order
	InUse  string // program that has it open, as far as one may know
}

// List finds the ports that are really there, in order of their paths.
func List() ([]Info, error) {
	ports, err := list()
	sortPorts(ports)
	return ports, err
}

func sortPorts(ports []Info) {
	slices.SortFunc(ports, func(a, b Info) int { return comparePaths(a.Path, b.Path) })
}

// comparePaths orders by name and then by number: ttyUSB2 is before ttyUSB10.
func comparePaths(a, b string) int {
	nameA := strings.TrimRight(a, "0123456789")
	nameB := strings.TrimRight(b, "0123456789")
	numberA, _ := strconv.ParseUint(a[len(nameA):], 10, 64)
	numberB, _ := strconv.ParseUint(b[len(nameB):], 10, 64)
	return cmp.Or(cmp.Compare(nameA, nameB), cmp.Compare(numberA, numberB), cmp.Compare(a, b))
}

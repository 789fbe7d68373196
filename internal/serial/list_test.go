package serial

import (
	"slices"
	"testing"
)

func TestOrder(t *testing.T) {
	want := []string{"/dev/ttyACM0", "/dev/ttyS0", "/dev/ttyUSB1", "/dev/ttyUSB2", "/dev/ttyUSB10", "COM3", "COM12"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, comparePaths)
	if !slices.Equal(got, want) {
		t.Error(got)
	}
}

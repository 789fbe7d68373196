// Package stack spares new goroutines that their stack grows step by step.
package stack

// enough is what a goroutine comes to need that begins a call, or ends one.
const enough = 12 << 10

var never bool

// Grow has the stack of the goroutine that calls it be of 16 KiB from now on. Go begins with
// 2 KiB, and doubles that as often as it is too small: deep within, where there are many
// frames to be looked through and moved. It is for goroutines that are many and need that
// much soon; of one that waits after all, the garbage collector takes the rest back.
//
//go:noinline
func Grow() {
	if never { // or there would be something to clear
		var room [enough]byte
		use(&room)
	}
}

//go:noinline
func use(*[enough]byte) {}

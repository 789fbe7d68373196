package stack

import (
	"runtime/debug"
	"testing"
	"unsafe"
)

// After Grow, a stack that is needed to some depth stays where it is.
func TestGrow(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which moves stacks, too
	for grown, want := range map[bool]bool{false: true, true: false} {
		moved := make(chan bool)
		go func() {
			if grown {
				Grow()
			}
			before := place()
			deep(10)
			moved <- place() != before
		}()
		if got := <-moved; got != want {
			t.Errorf("grown %v: the stack has moved: %v", grown, got)
		}
	}
}

// place returns where the stack is.
//
//go:noinline
func place() uintptr {
	var here byte
	return uintptr(unsafe.Pointer(&here))
}

// deep needs so many KiB, and a little.
//
//go:noinline
func deep(kib int) byte {
	var room [1 << 10]byte
	if kib > 1 {
		room[kib] = deep(kib - 1)
	}
	return room[kib] + room[0]
}

package videotex

// speeds are those of a line by the three bits that stand for them in orders and
// statuses (2-6-7).
var speeds = [8]int{2: 300, 4: 1200, 6: 4800, 7: 9600}

// SpeedCode returns how orders and statuses tell of a line that has so many bit/s both
// ways, 0 if it is none that a socket has.
func SpeedCode(bits int) byte {
	for n, speed := range speeds {
		if speed == bits && bits > 0 {
			return byte(0x40 | n<<3 | n)
		}
	}
	return 0
}

// LineSpeed returns the speed of the line to the terminal, in bit/s, that the order
// PRO2 PROG asks for. It is not ok if the order is another one, or the speed none
// that a socket has.
func LineSpeed(order []byte) (bits int, ok bool) {
	if len(order) != 4 || order[0] != ESC || order[1] != 0x3A || order[2] != 0x6B {
		return 0, false
	}
	bits = speeds[order[3]&7]
	return bits, bits > 0
}

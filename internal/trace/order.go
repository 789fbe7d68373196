package trace

import (
	"fmt"

	"moip/videotex"
)

// pro1 are the orders PRO1 (2-6), and pro2 those of PRO2 that have one meaning.
var pro1 = map[byte]string{
	0x67: "DECONNEXION", 0x68: "CONNEXION", 0x6C: "RET1", 0x6D: "RET2", 0x6F: "OPPO",
	0x70: "STATUS TERMINAL", 0x72: "STATUS FONCTIONNEMENT", 0x74: "STATUS VITESSE", 0x76: "STATUS PROTOCOLE",
	0x78: "ENQRAM 1", 0x79: "ENQRAM 2", 0x7A: "ENQRAM 3", 0x7B: "ENQROM, who are you?", 0x7F: "RESET",
}

var pro2 = map[string]string{
	"\x31\x7D": "TELINFO", "\x32\x7D": "MIXTE 1, 80 columns", "\x32\x7E": "MIXTE 2, back to Vidéotex",
	"\x7C\x6A": "COPIE", "\x7C\x6B": "COPIE, international set",
}

var functions = map[byte]string{
	0x41: "ETEN", 0x43: "ROULEAU (scrolling)", 0x44: "PROCEDURE (error correction)", 0x45: "MINUSCULES", 0x46: "LOUPE (upper half)", 0x47: "LOUPE (lower half)",
}

// modules are by their codes as receivers less 8 and as senders (2-6-3).
var modules = [4]string{"screen", "keyboard", "modem", "socket"}

func module(b, first byte) string {
	if b >= first && b < first+4 {
		return modules[b-first]
	}
	return ref(b)
}

func named(names map[byte]string, b byte) string {
	if n, known := names[b]; known {
		return n
	}
	return ref(b)
}

// order names an order to the terminal's protocol layer: what follows ESC.
func order(s []byte) string {
	switch s[0] {
	case 0x39:
		return "PRO1 " + named(pro1, s[1])
	case 0x3A:
		return "PRO2 " + order2(s[1], s[2])
	default:
		return "PRO3 " + order3(s[1], s[2], s[3])
	}
}

func order2(a, b byte) string {
	if n, known := pro2[string([]byte{a, b})]; known {
		return n
	}
	switch a {
	case 0x69:
		return "START " + named(functions, b)
	case 0x6A:
		return "STOP " + named(functions, b)
	case 0x6B:
		if bits, ok := videotex.LineSpeed([]byte{videotex.ESC, 0x3A, a, b}); ok {
			return fmt.Sprintf("PROG %d bit/s", bits)
		}
	case 0x62:
		return "TO, routes of " + receiverOrSender(b)
	case 0x64:
		return "NON DIFFUSION " + receiverOrSender(b)
	case 0x65:
		return "DIFFUSION " + receiverOrSender(b)
	case 0x66:
		return fmt.Sprintf("TRANSPARENCE, %d bytes", b)
	case 0x72:
		return "STATUS of " + receiverOrSender(b)
	}
	return refs([]byte{a, b})
}

func receiverOrSender(b byte) string {
	if b < 0x58 {
		return module(b, 0x50)
	}
	return module(b, 0x58)
}

func order3(a, b, c byte) string {
	switch a {
	case 0x60:
		return "OFF, " + module(b, 0x58) + " no more hears " + module(c, 0x50)
	case 0x61:
		return "ON, " + module(b, 0x58) + " hears " + module(c, 0x50)
	case 0x69:
		return "START " + named(functions, c) + " of " + module(b, 0x58)
	case 0x6A:
		return "STOP " + named(functions, c) + " of " + module(b, 0x58)
	}
	return refs([]byte{a, b, c})
}

package telnet

import "strconv"

// commandNames are those of RFC 854, 885 and 1184, from 236 on.
var commandNames = [...]string{
	"EOF", "SUSP", "ABORT", "EOR", "SE", "NOP", "DM", "BRK", "IP", "AO", "AYT", "EC", "EL", "GA",
	"SB", "WILL", "WONT", "DO", "DONT", "IAC",
}

// CommandName returns the name of the command b, its number if it has none.
func CommandName(b byte) string {
	if first := 256 - len(commandNames); int(b) >= first {
		return commandNames[int(b)-first]
	}
	return strconv.Itoa(int(b))
}

// optionNames are those of IANA's registry that are met.
var optionNames = map[byte]string{
	0: "BINARY", 1: "ECHO", 2: "RCP", 3: "SGA", 4: "NAMS", 5: "STATUS", 6: "TM", 10: "NAOCRD", 17: "EXTEND-ASCII",
	18: "LOGOUT", 19: "BM", 23: "SEND-LOCATION", 24: "TTYPE", 25: "EOR", 26: "TUID", 27: "OUTMRK", 28: "TTYLOC",
	29: "3270-REGIME", 30: "X.3-PAD", 31: "NAWS", 32: "TSPEED", 33: "LFLOW", 34: "LINEMODE", 35: "XDISPLOC",
	36: "ENVIRON", 37: "AUTHENTICATION", 38: "ENCRYPT", 39: "NEW-ENVIRON", 40: "TN3270E", 42: "CHARSET",
	44: "COM-PORT", 46: "START-TLS", 47: "KERMIT", 69: "MSDP", 70: "MSSP", 85: "MCCP1", 86: "MCCP2", 90: "MSP",
	91: "MXP", 200: "ATCP", 201: "GMCP", 255: "EXOPL",
}

// OptionName returns the name of an option, its number if it has none here.
func OptionName(code byte) string {
	if name, known := optionNames[code]; known {
		return name
	}
	return strconv.Itoa(int(code))
}

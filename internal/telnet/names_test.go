package telnet

import "testing"

func TestNames(t *testing.T) {
	for b, want := range map[byte]string{
		236: "EOF", se: "SE", sb: "SB", will: "WILL", wont: "WONT", do: "DO", dont: "DONT", iac: "IAC", 249: "GA", 246: "AYT", 7: "7",
	} {
		if got := CommandName(b); got != want {
			t.Errorf("command %d is %s, want %s", b, got, want)
		}
	}
	for code, want := range map[byte]string{
		optBinary: "BINARY", optEcho: "ECHO", optSGA: "SGA", optTerminal: "TTYPE", optWindow: "NAWS", optEnviron: "NEW-ENVIRON",
		optLocation: "SEND-LOCATION", 34: "LINEMODE", 199: "199",
	} {
		if got := OptionName(code); got != want {
			t.Errorf("option %d is %s, want %s", code, got, want)
		}
	}
}

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// TestVdtInTerminal shows a page in a terminal, which has colours unless it or
// its user says otherwise.
func TestVdtInTerminal(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.vdt")
	if err := os.WriteFile(page, []byte("\x1BArouge"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		variable, option, want string
	}{
		{"NO_COLOR=", "--cursor", "\x1B[0;38;5;196;48;5;16mrouge\x1B["},
		{"NO_COLOR=", "--grey", "\x1B[0;38;5;244;48;5;16mrouge\x1B["},
		{"NO_COLOR=1", "--grey", "\nrouge\r\n"},
		{"TERM=dumb", "--grey", "\nrouge\r\n"},
	} {
		command := exec.Command("moip", "vdt", page, test.option)
		command.Env = environ("TERM=xterm", "NO_COLOR=", test.variable)
		terminal, err := pty.Start(command)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(terminal) // ends with an error when the other end is closed
		terminal.Close()
		if err := command.Wait(); err != nil {
			t.Error(err)
		}
		if strings.Count(string(got), "\n") != 25 || !strings.Contains(string(got), test.want) {
			t.Errorf("%s, %s: %q", test.variable, test.option, got)
		}
	}
}

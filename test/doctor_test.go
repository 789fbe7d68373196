package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A new operator has the doctor look at a gateway that runs: at its portal, by each
// way in, and at the gateway itself.
func TestDoctor(t *testing.T) {
	t.Parallel()
	g := runs(t, "--ws", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	says := func(want []string, args ...string) {
		t.Helper()
		out, err := exec.Command(program, append([]string{"doctor"}, args...)...).CombinedOutput()
		if err != nil {
			t.Errorf("moip doctor %v: %v, %s", args, err, out)
		}
		for _, want := range want {
			if !strings.Contains(string(out), want) {
				t.Errorf("moip doctor %v says\n%s, without %q", args, out, want)
			}
		}
	}
	portal := []string{
		"videotex, 7 bits; it clears the screen", "what it is (ENQROM)", "it shows what is typed", "Connexion/Fin  it hangs up",
		"T é l é t e l", "[[service]]", "All is well.",
	}
	says(append(portal, "it answers them", `it picks "binary"`), "ws://"+g.doors["ws"])
	says(append(portal, "it says WILL ECHO"), "telnet://"+g.doors["telnet"])
	services := filepath.Join(t.TempDir(), "services.toml")
	if err := os.WriteFile(services, []byte("[[service]]\ncode = \"ECHO\"\nurl = \"builtin:echo\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	says([]string{"is had by a MoIP that runs", g.doors["admin"] + " is had by a MoIP that runs; calls under way: "},
		"--ws", g.doors["ws"], "--tcp", g.doors["telnet"], "--admin", g.doors["admin"], "--directory", services, "--log", "none", "--records", "none")
}

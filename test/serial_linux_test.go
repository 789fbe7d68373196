package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moip/internal/prise/minitest"
)

// A Minitel by its socket is put through to a gateway, which is not there at first,
// and goes and comes back in the middle of a call.
func TestSerialBridge(t *testing.T) {
	m := minitest.New(t, minitest.Telic1B)
	m.On()
	before := m.State()
	address := ports(t, 1)[0]
	bridge := runs(t, "serial", m.Path, "ws://"+address, "--speed", "4800")
	m.AwaitText("Ligne à 4800 bit/s")
	m.Press("A")
	m.AwaitText("momentanément indisponible")
	gateway := runs(t, "--ws", address)
	m.Press("<Envoi>")
	m.AwaitText("Tapez le code")
	m.Press("MIRE<Envoi>")
	m.AwaitText("couleurs 1/6")
	m.Press("<Fin>")
	m.AwaitText("Tapez le code")
	gateway.kill()
	m.AwaitText("momentanément indisponible")
	runs(t, "--ws", address)
	m.AwaitText("Tapez le code")
	m.Say("\x13\x59") // Connexion/Fin
	time.Sleep(time.Second)
	m.Say("\x13\x59")
	m.AwaitText("Appuyez sur une touche")
	if err := bridge.stop(); err != nil {
		t.Fatal(err)
	}
	if err := bridge.exit("0"); err != nil {
		t.Error(err)
	}
	m.AwaitText("arrêtée")
	if after := m.State(); after != before {
		t.Errorf("it was %s, and is left as %s", before, after)
	}
}

// A Minitel is a caller of a gateway without any network, and the gateway stops in
// the middle of its call.
func TestSerialListener(t *testing.T) { // alone, as all here: a line keeps its time
	m := minitest.New(t, minitest.Philips2)
	m.On()
	file := filepath.Join(t.TempDir(), "moip.toml")
	listen := fmt.Sprintf("listen = [\"serial://%s?speed=9600\", \"ws://127.0.0.1:0\"]\n", m.Path)
	if err := os.WriteFile(file, []byte(listen), 0o600); err != nil {
		t.Fatal(err)
	}
	g := runs(t, "--config", file)
	m.AwaitText("Ligne à 9600 bit/s")
	m.Press("<Envoi>")
	m.AwaitText("Tapez le code")
	m.Press("ECHO<Envoi>")
	m.Await("the service", func() bool { return strings.Contains(m.Text(), "ECHO") && !strings.Contains(m.Text(), "Tapez le code") })
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	if err := g.exit("0"); err != nil {
		t.Error(err)
	}
	m.AwaitText("arrêtée")
	if speed, _, _ := strings.Cut(m.State(), " "); speed != "1200" {
		t.Errorf("it is left at %s bit/s", speed)
	}
}

// A Minitel by its socket watches a recording, at its own speed, by pressing a key.
func TestSerialReplay(t *testing.T) {
	m := minitest.New(t, minitest.Telic1B)
	m.On()
	file := filepath.Join(t.TempDir(), "call.cast")
	text := `{"version":3,"term":{"cols":40,"rows":25}}
[0.1,"o","\fBienvenue au mus\u0019Bee"]
[0.5,"o","\u001fCADeux fois"]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := runs(t, "replay", file, "--listen", "serial://"+m.Path+"?speed=4800")
	for range 2 { // it closes after the end, and the next key has it again
		m.AwaitText("Appuyez sur une touche")
		m.AwaitText("Ligne à 4800 bit/s") // the last of the page: keys are heard from then on
		m.Press("<Envoi>")
		m.AwaitText("Bienvenue au musée")
		m.AwaitText("Deux fois")
	}
	m.AwaitText("Appuyez sur une touche")
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	if err := g.exit("0"); err != nil {
		t.Error(err)
	}
	m.AwaitText("arrêtée")
}

package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// listensAt is a service that hangs up at once, and counts who comes.
func listensAt(t *testing.T, address string) (at string, came *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	came = new(atomic.Int32)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String(), came
}

func writes(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// An operator who names a URL is bound by the rules too, and is told which it is; they
// change while the gateway runs. What the directory's own files have is not asked about,
// what they import from elsewhere leads to nobody in this house.
func TestRedirectRules(t *testing.T) {
	t.Parallel()
	echo := repeater(t)
	private, came := listensAt(t, "127.0.0.1:0")
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"servers": [{"name": "SPY", "address": "tcp://%s"}, {"name": "FAR", "address": "tcp://192.0.2.1:1"}]}`, private)
	}))
	t.Cleanup(pages.Close)
	dir := t.TempDir()
	rules := func(text string) {
		writes(t, filepath.Join(dir, "moip.toml"),
			"listen = [\"telnet://127.0.0.1:0\"]\ndirectory = \"services.toml\"\ncache = \"none\"\n[redirect]\n"+text)
	}
	rules("")
	writes(t, filepath.Join(dir, "services.toml"),
		fmt.Sprintf("starter = true\n[[service]]\ncode = \"MINE\"\nurl = %q\n[[import]]\nurl = %q\n", echo, pages.URL))
	g := runsIn(t, dir, "--config", "moip.toml", "--admin", "127.0.0.1:0")
	o := operator{t, g.doors["admin"]}
	guest := arrives(t, g)
	guest.sees("Passerelle en liaison")
	forbidden := func(to, why string) {
		t.Helper()
		if told := o.asks("POST", "/calls/1/redirect", fmt.Sprintf(`{"to": %q}`, to), http.StatusForbidden); !strings.Contains(told, why) {
			t.Errorf("to %s: %s", to, told)
		}
	}

	forbidden("ws://169.254.169.254/latest/meta-data", "169.254.169.254:80 is refused: it is a link-local address")
	forbidden("tcp://"+g.doors["admin"], "there operators reach the gateway")
	forbidden("tcp://[::ffff:127.0.0.1]:"+g.doors["admin"][len("127.0.0.1:"):], "there operators reach the gateway")
	forbidden("telnet://"+g.doors["telnet"], "there the gateway itself answers")
	o.fails(line("redirect 1 tcp://0.0.0.0:1"), "no address")

	// By a name, it turns out when it is dialled.
	o.does(line("redirect 1 tcp://localhost:" + g.doors["admin"][len("127.0.0.1:"):]))
	guest.sees("Ce service n'est pas autorisé")
	o.does(line("redirect 1 " + echo))
	guest.types("bonjour")
	guest.sees("bonjour")
	o.does(line("recall 1"))
	guest.sees("Retour au portail")

	// The import has been fetched by now, or will be soon.
	for end := time.Now().Add(patience); !strings.Contains(o.asks("GET", "/services", "", http.StatusOK), `"SPY"`); {
		if time.Now().After(end) {
			t.Fatal("nothing is imported")
		}
		time.Sleep(20 * time.Millisecond)
	}
	guest.types("<Sommaire>SPY<Envoi>")
	guest.sees("Ce service n'est pas autorisé")
	forbidden("SPY", "an imported directory leads to no address of this house")
	if n := came.Load(); n > 0 {
		t.Errorf("%d have come to where nobody from elsewhere may send them", n)
	}

	rules("allow = [\"directory\"]\n")
	o.reloads(g, "redirect.allow")
	forbidden("tcp://"+private, "no rule of redirect.allow fits") // though an import lists that very URL
	o.does(line("redirect 1 MINE"))
	guest.types("encore")
	guest.sees("encore")
	o.does(line("recall 1"))
	guest.sees("Retour au portail")
	o.does(line("redirect 1 " + echo)) // which the directory has
	guest.types("toujours")
	guest.sees("toujours")
	o.does(line("recall 1"))
	guest.sees("Retour au portail")

	rules("deny = [\"local\"]\n")
	o.reloads(g, "redirect.allow", "redirect.deny")
	forbidden(echo, `redirect.deny has \"local\"`)
	o.does(line("redirect 1 MINE"))
	guest.types("enfin")
	guest.sees("enfin")
	rules("deny = [\"127.1\"]\n")
	o.fails(line("reload"), "moip.toml:5: redirect.deny")

	metrics := fetch(t, "http://"+g.doors["admin"]+"/metrics")
	for _, want := range []string{
		`{reason="reserved"} 2`, `{reason="gateway"} 4`, `{reason="import"} 2`, `{reason="allow"} 1`, `{reason="deny"} 1`,
	} {
		if !strings.Contains(metrics, "moip_redirects_refused_total"+want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	for _, want := range []string{"from=SPY reason=forbidden", "an imported directory leads to no address of this house"} {
		if !strings.Contains(g.log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

// With a portal elsewhere, the directory is what its orders may name.
func TestRedirectDirectoryOnly(t *testing.T) {
	t.Parallel()
	echo := repeater(t)
	other, came := listensAt(t, "127.0.0.1:0")
	portal := serves(t, func(c net.Conn) { io.WriteString(c, "\x0cACCUEIL"); io.Copy(io.Discard, c) })
	dir := t.TempDir()
	writes(t, filepath.Join(dir, "moip.toml"), fmt.Sprintf(
		"listen = [\"telnet://127.0.0.1:0\"]\ndirectory = \"services.toml\"\nlink = \"none\"\nportal.url = \"tcp://%s\"\nredirect.allow = [\"directory\"]\n", portal))
	services := func(url string) {
		writes(t, filepath.Join(dir, "services.toml"), fmt.Sprintf("[[service]]\ncode = \"MINE\"\nurl = %q\n", url))
	}
	services(echo)
	g := runsIn(t, dir, "--config", "moip.toml", "--admin", "127.0.0.1:0")
	o := operator{t, g.doors["admin"]}
	guest := arrives(t, g)
	guest.sees("ACCUEIL")
	o.fails(line("redirect 1 tcp://"+other), "no rule of redirect.allow fits")
	o.does(line("redirect 1 " + echo))
	guest.types("bonjour")
	guest.sees("bonjour")
	o.does(line("recall 1"))
	guest.sees("Retour au portail")

	services("tcp://" + other) // which is read within two seconds
	if err := g.log.hear("files read anew"); err != nil {
		t.Fatal(err)
	}
	o.fails(line("redirect 1 "+echo), "no rule of redirect.allow fits")
	o.does(line("redirect 1 tcp://" + other))
	guest.sees("Le service a raccroché")
	if came.Load() != 1 {
		t.Errorf("%d have come", came.Load())
	}
}

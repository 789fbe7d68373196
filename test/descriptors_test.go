//go:build linux

package test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	refusals = append(refusals, refusal{reason: "files", transport: "telnet", told: "Toutes les lignes sont occupées.", provoke: func(t *testing.T, g *gateway) string {
		limitFiles(t, g, uint64(descriptorsOf(t, g))+4)
		defer limitFiles(t, g, 1000)
		return toldAt(t, g.doors["telnet"], "127.0.0.2", "")
	}})
}

// startsShort starts a gateway that may have so many files open, and takes any number of
// calls, and a service BANQUE that shows what is typed on
// a page of its own.
func startsShort(t *testing.T, files int) (*gateway, operator) {
	t.Helper()
	bank := serves(t, func(c net.Conn) {
		io.WriteString(c, "\fBienvenue.")
		for p := make([]byte, 100); ; {
			n, err := c.Read(p)
			if err != nil {
				return
			}
			fmt.Fprintf(c, "\f%s", p[:n])
		}
	})
	dir := t.TempDir()
	for name, text := range map[string]string{
		"services.toml": "[[service]]\ncode = 'BANQUE'\ntitle = 'Banque'\nprobe = 'none'\nurl = 'tcp://" + bank + "'\n",
		"moip.toml":     "listen = ['ws://127.0.0.1:0', 'telnet://127.0.0.1:0', 'tcp://127.0.0.1:0']\ndirectory = 'services.toml'\nlimits.max_calls = 1000\nbans.file = 'none'\nshield.file = 'none'\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return startsBy(t, []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files)}, dir,
		"--config", "moip.toml", "--admin", "127.0.0.1:0", "--history", "history.db", asFileSays)
}

// startsBy is startBy for a gateway that is killed when the test ends, and whose last words
// are told if it fails.
func startsBy(t *testing.T, command []string, dir string, flags ...string) (*gateway, operator) {
	t.Helper()
	g, err := startBy(command, dir, flags)
	if err != nil {
		t.Fatalf("%v\n%s", err, &g.log)
	}
	t.Cleanup(func() {
		g.kill()
		if t.Failed() {
			text := g.log.String()
			t.Logf("the gateway said:\n%s", text[max(0, len(text)-3000):])
		}
	})
	return g, operator{t, g.doors["admin"]}
}

// Where more calls may come than there are descriptors, callers are told that all lines are
// busy, and a service that cannot be dialled for want of one is out of reach; calls go on,
// and there are descriptors for operators. The log tells of it twice.
func TestLastDescriptors(t *testing.T) {
	t.Parallel()
	g, op := startsShort(t, 100)
	var in []*guest
	for range 40 {
		in = append(in, calls(t, g.doors["telnet"], "127.0.0.1"))
	}
	more := fills(t, g)
	refusedBy(t, g, "127.0.0.1", "Toutes les lignes sont occup", func() { more = append(more, fills(t, g)...) })
	visits := 0
	for _, guest := range in {
		guest.types("BANQUE<Envoi>")
		if !guest.seesEither("Bienvenue.", "Ce service est inaccessible") {
			break
		}
		visits++
	}
	if visits == 0 || visits > 20 {
		t.Errorf("%d callers of %d find a descriptor for a service", visits, len(in))
	}
	for i, guest := range in {
		if i < visits {
			guest.types("X")
			guest.sees("X ")
		} else if i > visits {
			guest.types("<Guide>")
			guest.sees("MODE D'EMPLOI")
		}
	}
	for range 5 { // operators, by programs that each bring a connection
		op.does(line("limits"), "files\n")
	}
	if kept := 100 - descriptorsOf(t, g); kept < 8 {
		t.Errorf("%d descriptors are left", kept)
	}
	metrics := fetch(t, "http://"+op.at+"/metrics")
	if metricSum(metrics, "moip_descriptor_shortages_total") < 3 || metricSum(metrics, `moip_refusals_total{reason="files",transport="ws"}`) < 1 {
		t.Error("the metrics lack it")
	}
	if strings.Contains(g.log.String(), "service is down") {
		t.Error("a service is taken for down that was not dialled")
	}
	t.Logf("of 100 descriptors %d calls and %d visits have one, %d are left", len(in)+len(more), visits, 100-descriptorsOf(t, g))
	for _, guest := range in {
		guest.conn.Close()
	}
	for _, conn := range more {
		conn.Close()
	}
	if err := g.log.hear("descriptors are enough again"); err != nil {
		t.Error(err)
	}
	letIn(t, g, "127.0.0.1")
	if n := strings.Count(g.log.String(), `msg="descriptors are `); n != 2 {
		t.Errorf("the log tells of it %d times", n)
	}
	if !strings.Contains(g.log.String(), "the last descriptors are kept for operators (raise the limit of open files") {
		t.Error("the log does not say why a service is not dialled")
	}
}

// fills calls until somebody is told that all lines are busy, and returns who is let in.
func fills(t *testing.T, g *gateway) (in []net.Conn) {
	t.Helper()
	for len(in) < 100 {
		conn, err := net.Dial("tcp", g.doors["tcp"])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetReadDeadline(time.Now().Add(patience))
		first := make([]byte, 1)
		if _, err := io.ReadFull(conn, first); err != nil {
			t.Fatal(err)
		}
		if first[0] == 'T' { // outes les lignes
			return in
		}
		in = append(in, conn)
	}
	t.Fatal("more calls come in than there are descriptors")
	return nil
}

// Where there is no descriptor at all, nobody is accepted, and calls under way go on; to
// wait costs next to nothing. Once there are some, those who have waited are answered.
func TestNoDescriptors(t *testing.T) {
	t.Parallel()
	g, _ := startsShort(t, 200)
	guests := []*guest{calls(t, g.doors["telnet"], "127.0.0.1"), calls(t, g.doors["tcp"], "127.0.0.1")}
	visitor := calls(t, g.doors["tcp"], "127.0.0.1")
	visitor.types("BANQUE<Envoi>")
	visitor.sees("Bienvenue.")
	limitFiles(t, g, 5) // fewer than are open
	var waiting []net.Conn
	for _, door := range []string{"telnet", "tcp", "ws", "admin"} {
		conn, err := net.Dial("tcp", g.doors[door])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		waiting = append(waiting, conn)
		if door == "ws" || door == "admin" {
			io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
	}
	if err := g.log.hear("descriptors are wanting"); err != nil {
		t.Fatal(err)
	}
	before, began := ticks(t, g), time.Now()
	for i := range 12 {
		for j, guest := range guests {
			guest.types("<Guide>")
			guest.sees("MODE D'EMPLOI")
			guest.types("<Retour>")
			guest.sees("Minitel sur IP")
			visitor.types(string(rune('A' + 2*i + j)))
			visitor.sees(string(rune('A'+2*i+j)) + " ")
		}
		time.Sleep(250 * time.Millisecond)
	}
	guests[0].types("BANQUE<Envoi>")
	guests[0].sees("Ce service est inaccessible")
	spent := time.Duration(ticks(t, g)-before) * 10 * time.Millisecond
	t.Logf("of %v, the gateway works %v", time.Since(began).Round(time.Millisecond), spent)
	if spent > time.Since(began)/4 {
		t.Errorf("to wait for descriptors takes %v of %v", spent, time.Since(began))
	}
	limitFiles(t, g, 200)
	for i, conn := range waiting {
		conn.SetReadDeadline(time.Now().Add(patience))
		if n, err := conn.Read(make([]byte, 1)); n == 0 {
			t.Errorf("who has waited, %d., is not answered: %v", i, err)
		}
	}
	if err := g.log.hear("descriptors are enough again"); err != nil {
		t.Error(err)
	}
	visitor.types("Z")
	visitor.sees("Z ")
	if n := strings.Count(g.log.String(), "descriptors are"); n != 2 {
		t.Errorf("the log tells of it %d times", n)
	}
	if !strings.Contains(g.log.String(), "too many open files") {
		t.Error("the log does not say what is wrong")
	}
}

func limitFiles(t *testing.T, g *gateway, n uint64) {
	t.Helper()
	var limit unix.Rlimit
	err := unix.Prlimit(g.command.Process.Pid, unix.RLIMIT_NOFILE, nil, &limit)
	limit.Cur = min(n, limit.Max)
	if err == nil {
		err = unix.Prlimit(g.command.Process.Pid, unix.RLIMIT_NOFILE, &limit, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func descriptorsOf(t *testing.T, g *gateway) int {
	t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// ticks returns how long the gateway has worked so far, in hundredths of a second
// (proc_pid_stat(5)).
func ticks(t *testing.T, g *gateway) (n int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", g.command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	for _, field := range strings.Fields(rest)[11:13] {
		some, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		n += some
	}
	return n
}

// seesEither waits until one text or another is on the screen, and reports whether it is
// the one.
func (g *guest) seesEither(one, other string) (isOne bool) {
	g.until(one+" or "+other, func(screen string) bool {
		isOne = strings.Contains(screen, one)
		return isOne || strings.Contains(screen, other)
	})
	return isOne
}

package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"moip/internal/ledger"
	"moip/internal/tariff"
	"moip/videotex"
)

const eveningCallers = 200

// TestEvening has 200 people call the portal on one evening. They page through
// the directory, mistype, visit services that cost, chat, come back, and hang up;
// each keeps the receipt, and all receipts must add up to the records.
func TestEvening(t *testing.T) {
	bank := opensBank(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"moip.toml": "listen = ['tcp://127.0.0.1:0']\ndirectory = 'services.toml'\n",
		"services.toml": `starter = true
[[service]]
code = "BANQUE"
title = "Vos comptes, jour et nuit"
url = "tcp://` + bank + `"
tariff = { connection = 0.12, minute = 97.2 }
[[service]]
code = "ULLA"
title = "La messagerie de tous"
url = "tcp://` + bank + `"
tariff = { minute = 131.4, free = "1s", currency = "EUR" }
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g, err := start(dir, []string{"--config", "moip.toml", "--records", "visits.jsonl"})
	if g != nil {
		defer func() {
			if t.Failed() {
				text := g.log.String()
				t.Logf("the gateway said:\n%s", text[max(0, len(text)-4000):])
			}
			if g.running() {
				g.kill()
			}
		}()
	}
	if err != nil {
		t.Fatal(err)
	}

	var evening sync.WaitGroup
	guests := make([]*guest, eveningCallers)
	for i := range guests {
		guests[i] = &guest{t: t, name: fmt.Sprintf("N%d", i), random: rand.New(rand.NewPCG(uint64(i), 3615)), screen: videotex.NewScreen(), news: make(chan struct{}, 1)}
		evening.Go(func() { guests[i].call(g.doors["tcp"], net.IPv4(127, 3, byte(i/200), byte(1+i%200))) })
	}
	evening.Wait()
	if err := g.finish(); err != nil {
		t.Error(err)
	}
	compare(t, guests, filepath.Join(dir, "visits.jsonl"))
}

// opensBank opens a service that greets and repeats what is typed, and hangs up
// on "Fin.".
func opensBank(t *testing.T) (address string) {
	return serves(t, func(c net.Conn) {
		io.WriteString(c, "\x0cBienvenue. ")
		keys := bufio.NewReader(c)
		for text := ""; !strings.HasSuffix(text, "Fin."); {
			b, err := keys.ReadByte()
			if err != nil {
				return
			}
			c.Write([]byte{b})
			text += string(b)
		}
	})
}

// serves has each caller served by serve, and hung up on when that returns.
func serves(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return l.Addr().String()
}

// A guest is one of the callers.
type guest struct {
	t      *testing.T
	name   string
	random *rand.Rand
	from   string // address
	conn   net.Conn
	failed bool

	mu     sync.Mutex
	screen *videotex.Screen
	got    []byte // all that the screen was sent
	over   bool
	news   chan struct{}
	visits []string // made, by name
}

// call is the guest's evening.
func (g *guest) call(to string, from net.IP) {
	g.from = from.String()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: patience}).Dial("tcp", to)
	if err != nil {
		g.t.Error(err)
		g.failed = true
		return
	}
	g.conn = conn
	defer conn.Close()
	var reading sync.WaitGroup
	reading.Go(g.read)
	defer reading.Wait()

	g.sees("Passerelle en liaison")
	things := []func(){g.pages, g.mistypes, g.banks, g.banks, g.chats, g.idles, g.typesAhead}
	for range 3 + g.random.IntN(4) {
		if things[g.random.IntN(len(things))](); g.failed {
			conn.Close()
			return
		}
	}
	g.types("<Fin>")
	g.until("the receipt", func(string) bool { return g.over })
}

func (g *guest) pages() {
	g.types("<Guide>")
	g.sees("MODE D'EMPLOI")
	g.types("<Suite>1<Envoi>")
	g.sees("TOUS LES SERVICES")
	g.types("<Suite>")
	g.sees("2/4")
	g.types("<Retour><Retour><Retour><Retour>")
	g.sees("Minitel sur IP")
}

func (g *guest) mistypes() {
	g.types("<Annulation>BANKUE<Envoi>")
	g.sees("Peut-être BANQUE ?")
	g.types("<Annulation>")
}

// banks visits a service for a while, and leaves it by Connexion/Fin or because
// it hangs up.
func (g *guest) banks() {
	code := []string{"BANQUE", "ULLA"}[g.random.IntN(2)]
	g.types("<Annulation>" + code + "<Envoi>")
	g.sees("Bienvenue.")
	time.Sleep(time.Duration(g.random.IntN(2500)) * time.Millisecond)
	g.types("Je suis " + g.name)
	g.sees("Je suis " + g.name)
	g.visits = append(g.visits, code)
	if g.random.IntN(2) == 0 {
		g.types("<Fin>")
	} else {
		g.types(" Fin.")
	}
	g.sees(code + " : ")
	g.sees("Minitel sur IP")
}

func (g *guest) chats() {
	g.types("<Annulation>SALON<Envoi>")
	g.sees("Votre pseudo")
	g.types(g.name + "<Envoi>")
	g.sees("vous êtes " + g.name)
	g.types("Bonsoir de " + g.name + " !<Envoi>")
	g.sees(g.name + " Bonsoir de " + g.name + " !")
	g.visits = append(g.visits, "SALON")
	g.types("<Fin>")
	g.sees("SALON : visite terminée")
	g.sees("Minitel sur IP")
}

func (g *guest) idles() { time.Sleep(time.Duration(g.random.IntN(500)) * time.Millisecond) }

// typesAhead does not wait for any page.
func (g *guest) typesAhead() {
	g.types("<Annulation>ECHO<Envoi>salut" + g.name)
	g.sees("salut" + g.name)
	g.visits = append(g.visits, "ECHO")
	g.types("<Fin>")
	g.sees("ECHO : visite terminée")
	g.sees("Minitel sur IP")
}

func (g *guest) read() {
	p := make([]byte, 4<<10)
	for {
		n, err := g.conn.Read(p)
		g.mu.Lock()
		g.screen.Write(p[:n])
		g.got = append(g.got, p[:n]...)
		g.over = err != nil
		replies := g.screen.Replies()
		g.mu.Unlock()
		g.conn.Write(replies)
		select {
		case g.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (g *guest) types(text string) {
	keys, err := videotex.Keys(text)
	if err != nil {
		g.t.Error(err)
	}
	g.conn.Write(keys)
}

func (g *guest) sees(text string) {
	g.until(text, func(screen string) bool { return strings.Contains(screen, text) })
}

// until waits until the screen is as it should be.
func (g *guest) until(what string, ok func(screen string) bool) {
	late := time.After(3 * patience) // there are many of us
	for !g.failed {
		g.mu.Lock()
		done, screen := ok(g.screen.String()), g.screen.String()
		g.mu.Unlock()
		if done {
			return
		}
		select {
		case <-g.news:
		case <-late:
			g.failed = true
			g.t.Errorf("%s does not see %s:\n%s", g.name, what, screen)
		}
	}
}

// A receipt is what the last page says.
type receipt struct {
	lines []string // name and cost of each visit
	total string
}

var visitLine = regexp.MustCompile(`^ +([A-Z0-9]+) +((?:\d+ min )?\d+ s) +(gratuit|[0-9, ]+ (?:F|EUR)) *$`)

func (g *guest) receipt() (r receipt) {
	for row := range strings.Lines(g.screen.String()) {
		row = strings.TrimRight(row, "\n")
		if m := visitLine.FindStringSubmatch(row); m != nil {
			r.lines = append(r.lines, m[1]+"  "+m[3])
		}
		if rest, ok := strings.CutPrefix(strings.TrimSpace(row), "Total"); ok {
			r.total = strings.TrimSpace(rest)
		}
	}
	return r
}

// compare holds the receipts against the records in a file.
func compare(t *testing.T, guests []*guest, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if records := compareLines(t, guests, string(data)); records == 0 {
		t.Error("there are no records")
	}
	t.Logf("%d callers", len(guests))
}

// compareLines holds the receipts against records, of which others may be among them. Who
// has called more than once has a receipt of each call, in their order. It returns how many
// records there are of the guests.
func compareLines(t *testing.T, guests []*guest, lines string) (records int) {
	t.Helper()
	calls, made, failed := map[string]int{}, map[string][]string{}, map[string]bool{}
	for _, g := range guests {
		calls[g.from]++
		made[g.from] = append(made[g.from], g.visits...)
		failed[g.from] = failed[g.from] || g.failed
	}
	recorded, totals := map[string][]string{}, map[string]*tariff.Sum{}
	for line := range strings.Lines(lines) {
		var r ledger.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if calls[r.Caller] == 0 {
			continue
		}
		records++
		cost := r.Cost.Format(r.Currency)
		if r.Service == "ECHO" || r.Service == "SALON" {
			cost = "gratuit"
		}
		recorded[r.Caller] = append(recorded[r.Caller], r.Service+"  "+cost)
		if totals[r.Caller] == nil {
			totals[r.Caller] = new(tariff.Sum)
		}
		totals[r.Caller].Add(r.Cost, r.Currency)
	}
	received := map[string][]string{}
	for _, g := range guests {
		r := g.receipt()
		received[g.from] = append(received[g.from], r.lines...)
		want := totals[g.from]
		if calls[g.from] == 1 && !g.failed && (want != nil && r.total != want.String() || want == nil && r.total != "") {
			t.Errorf("%s has paid %q, and the records say %v", g.name, r.total, want)
		}
	}
	for from := range calls {
		if got, want := strings.Join(received[from], "\n"), strings.Join(recorded[from], "\n"); !failed[from] && (got != want || len(received[from]) != len(made[from])) {
			t.Errorf("%s went to %v\non the receipts:\n%s\nin the records:\n%s", from, made[from], got, want)
		}
	}
	return records
}

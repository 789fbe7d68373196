package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moip/internal/testkit/soon"
)

// together starts two gateways of a hub, with NATS inside, each with more in its
// configuration.
func together(t *testing.T, more ...string) (all []*gateway, ops []operator) {
	t.Helper()
	places := ports(t, len(more))
	for i, more := range more {
		dir := t.TempDir()
		config := fmt.Sprintf("listen = [\"ws://127.0.0.1:0\", \"telnet://127.0.0.1:0\", \"tcp://127.0.0.1:0\"]\n%s\n[cluster]\nnode = %q\nlisten = %q\nroutes = [%q]\n",
			more, string(rune('a'+i)), places[i], places[(i+1)%len(places)])
		if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		g, err := start(dir, []string{"--config", "moip.toml", "--admin", "127.0.0.1:0"})
		if err != nil {
			t.Fatalf("%v\n%s", err, &g.log)
		}
		t.Cleanup(func() {
			g.kill()
			if text := g.log.String(); t.Failed() {
				t.Logf("a gateway said:\n%s", text[max(0, len(text)-3000):])
			}
		})
		all, ops = append(all, g), append(ops, operator{t, g.doors["admin"]})
	}
	soon.Is(t, "a hub", func() bool { return strings.Contains(ops[0].asks("GET", "/limits", "", 200), `"gateways": 2`) })
	soon.Is(t, "a hub", func() bool { return strings.Contains(ops[1].asks("GET", "/limits", "", 200), `"gateways": 2`) })
	return all, ops
}

// A ban of one gateway holds at the other, for calls under way too if that is wanted, and
// any of them ends it. Whom one never bans comes in there all the same.
func TestSharedBans(t *testing.T) {
	t.Parallel()
	all, ops := together(t, "[bans]\nnever = []", "[bans]\nnever = [\"127.0.0.9\"]")
	rascal, exempt := calls(t, all[1].doors["telnet"], "127.0.0.2"), calls(t, all[1].doors["telnet"], "127.0.0.9")
	ops[0].does(line("ban 127.0.0.0/28 --reason scans --now"), "127.0.0.0/28 is kept out for ever, calls ended: 0 of a, and those of other gateways")
	rascal.sees("Fin : accès refusé")
	soon.Is(t, "ban", func() bool { return strings.Contains(ops[1].asks("GET", "/bans", "", 200), "127.0.0.0/28") })
	keptOut(t, all[0], "127.0.0.2")
	keptOut(t, all[1], "127.0.0.2")
	letIn(t, all[1], "127.0.0.9")
	keptOut(t, all[0], "127.0.0.9")
	exempt.types("<Guide>")
	exempt.sees("MODE D'EMPLOI")
	ops[1].does(line("bans"), "NETWORK", "GATEWAY", "127.0.0.0/28  operator  a        2", "  scans\n")
	if n := strings.Count(all[1].log.String(), "another gateway has banned whom this one never does"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}

	// What is lifted stays lifted, whoever comes back.
	ops[1].does(line("unban 127.0.0.0/28"))
	soon.Is(t, "end of the ban", func() bool { return !strings.Contains(ops[0].asks("GET", "/bans", "", 200), "127.0.0.0/28") })
	letIn(t, all[0], "127.0.0.2")
	for _, want := range []string{"moip_bans 0", `moip_hub_ban_changes{said="unbanned"} 1`, `moip_hub_ban_changes_total{how="taken"} 1`, "moip_hub_counted_gateways 2"} {
		soon.Is(t, want+" in the metrics", func() bool { return strings.Contains(fetch(t, "http://"+ops[0].at+"/metrics"), "\n"+want+"\n") })
	}
	soon.Is(t, "a file without bans", func() bool {
		file, err := os.ReadFile(filepath.Join(all[0].command.Dir, "bans.json"))
		return err == nil && string(file) == "[\n]\n"
	})
}

// A scanner that spreads over two gateways is kept out by both, as soon as by one.
func TestSharedShield(t *testing.T) {
	t.Parallel()
	all, ops := together(t, "[bans]\nnever = []", "[bans]\nnever = []")
	n := 0
	for banned := false; !banned && n < 40; n++ {
		banned = says(t, all[n%2].doors["telnet"], "127.0.0.2", ssh) == refused
		time.Sleep(300 * time.Millisecond) // in less than 100 ms one does not hear of the other
	}
	if n > 15 {
		t.Errorf("it comes %d times", n)
	}
	for i := range all {
		soon.Is(t, "ban", func() bool { return strings.Contains(ops[i].asks("GET", "/bans", "", 200), `"127.0.0.2/32"`) })
		keptOut(t, all[i], "127.0.0.2")
	}
	ops[1].does(line("shield forgive 127.0.0.2"))
	soon.Is(t, "forgiveness", func() bool { return strings.Contains(ops[0].asks("GET", "/shield", "", 200), `"known": 0`) })
	letIn(t, all[0], "127.0.0.2")
}

// A household has so many calls at both gateways together, and so have all.
func TestSharedLimits(t *testing.T) {
	t.Parallel()
	more := "[bans]\nnever = []\n[limits]\nhousehold_calls = 3"
	all, ops := together(t, more, more)
	var in []*guest
	for range 3 {
		in = append(in, calls(t, all[0].doors["telnet"], "127.0.0.2"))
	}
	soon.Is(t, "count", func() bool { return strings.Contains(ops[1].asks("GET", "/limits", "", 200), `"calls": 3,`) })
	if told := toldAt(t, all[1].doors["tcp"], "127.0.0.2", ""); !strings.Contains(told, "Trop d'appels depuis votre adresse") {
		t.Errorf("one too many is told %q", told)
	}
	calls(t, all[1].doors["tcp"], "127.0.0.3")
	ops[1].does(line("limits"), "calls of the hub", "4 of any number, as told by 2 gateways")
	in[0].conn.Close()
	soon.Is(t, "room", func() bool {
		return strings.Contains(ops[1].asks("GET", "/limits", "", 200), `"calls": 3,`)
	})
	calls(t, all[1].doors["tcp"], "127.0.0.2")
	all[0].kill() // and its calls count no more
	soon.Is(t, "silence", func() bool { return strings.Contains(ops[1].asks("GET", "/limits", "", 200), `"gateways": 1`) })
	calls(t, all[1].doors["tcp"], "127.0.0.2")
}

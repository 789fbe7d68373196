package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"moip/internal/bus/natstest"
	"moip/internal/control/admin"
)

// dashboard is what we go by of Grafana's model of one.
type dashboard struct {
	UID           string
	SchemaVersion int
	Templating    struct {
		List []struct{ Name string }
	}
	Panels []struct {
		ID         int
		Title      string
		Datasource source
		GridPos    struct{ X, Y, W, H int }
		Targets    []struct {
			Datasource source
			Expr       string
		}
	}
}

type source struct{ Type, UID string }

// leftOut are the metrics that the dashboard does not show, and why.
var leftOut = map[string]string{
	"moip_hub_ban_changes":       "how large a table is says nothing of whether all is well; whom it keeps out, moip_bans does",
	"moip_hub_ban_changes_total": "is for whoever looks for what gateways say of bans; what comes of it, moip_bans shows",
}

// Each metric that a gateway may tell is in the dashboard, or is left out for a reason.
func TestDashboardIsWhole(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../packaging/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, name := range metricName.FindAllString(string(data), -1) {
		shown[strings.TrimSuffix(name, "_bucket")] = true
	}
	files, err := filepath.Glob("../internal/control/admin/*.go")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range metricWritten.FindAllStringSubmatch(string(source), -1) {
			told[m[1]] = true
		}
	}
	if len(told) < 40 {
		t.Errorf("only %d metrics are told", len(told))
	}
	for name := range told {
		if _, out := leftOut[name]; out == shown[name] {
			t.Errorf("%s is neither in the dashboard nor left out, or both", name)
		}
	}
	for name := range leftOut {
		if !told[name] {
			t.Errorf("%s is left out, and no gateway tells it", name)
		}
	}
}

// The dashboard asks for metrics and labels that a gateway tells, by whatever data
// source is chosen, and its panels have a place each.
func TestDashboard(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../packaging/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.SchemaVersion == 0 || len(d.Panels) < 10 || d.Templating.List[0].Name != "datasource" {
		t.Errorf("it cannot be imported: %+v", d)
	}
	told := metricsOf(t)
	taken := map[[2]int]string{} // places of the grid
	for i, p := range d.Panels {
		at := p.GridPos
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q is in the way of %q, or outside", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.ID != i+1 {
			t.Errorf("%q has the number %d, want %d", p.Title, p.ID, i+1)
		}
		for _, target := range p.Targets {
			if want := (source{"prometheus", "${datasource}"}); p.Datasource != want || target.Datasource != want {
				t.Errorf("%q goes by %v, %v", p.Title, p.Datasource, target.Datasource)
			}
			for _, fault := range unknown(target.Expr, told) {
				t.Errorf("%q: no gateway tells %s (%s)", p.Title, fault, target.Expr)
			}
		}
	}
}

var (
	metricName    = regexp.MustCompile(`\b(?:moip|go|process)_\w+`)
	metricWritten = regexp.MustCompile(`"(moip_\w+)"`) // in the program's source
	grouping      = regexp.MustCompile(`by \(([^)]*)\)`)
	sample        = regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? \S+$`)
	label         = regexp.MustCompile(`(\w+)="`)
)

// unknown returns what an expression asks for that is not told.
func unknown(expr string, told map[string][]string) (faults []string) {
	names := metricName.FindAllString(expr, -1)
	if names == nil {
		faults = append(faults, "anything of its own")
	}
	for _, name := range names {
		labels, ok := told[name]
		if !ok {
			faults = append(faults, name)
		}
		for _, by := range grouping.FindAllStringSubmatch(expr, -1) {
			for one := range strings.SplitSeq(by[1], ", ") {
				if !slices.Contains(labels, one) {
					faults = append(faults, name+" by "+one)
				}
			}
		}
	}
	return faults
}

// metricsOf returns the metrics of gateways to which all has happened that is counted,
// with their labels.
func metricsOf(t *testing.T) map[string][]string {
	t.Helper()
	server := natstest.New(t, natstest.JetStream)
	cert, key := certifies(t)
	opens := func(name string, flags ...string) *gateway {
		dir := t.TempDir()
		config := bansConfig + "[limits]\nmax_calls = 90\n[tls]\ncert = ['" + cert + "']\nkey = ['" + key + "']\n" +
			"[cluster]\nnode = '" + name + "'\nurl = ['" + server.URL + "']\nrecords = 'CALLS'\nmax_calls = 99\n"
		if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		return runsIn(t, dir, append([]string{"--config", "moip.toml", "--admin", "127.0.0.1:0", "--history", "history.db"}, flags...)...)
	}
	inside := opens("paris")
	guest, op := calls(t, inside.doors["telnet"], "127.0.0.2"), operator{t, inside.doors["admin"]}
	op.fails(line("redirect 1 ws://169.254.169.254/"), "")
	r := request{"GET", "/api/v1/state", nil, ""}
	r.refused(t, 421, inside.doors["admin"], "", "Host", "minitel.example")
	op.does(line("redirect 1 ECHO"))
	guest.sees("ECHO")
	op.does(line("recall 1"))
	guest.sees("Retour au portail")
	op.does(line("ban --call 1 --now"))
	guest.until("the end", func(string) bool { return guest.over })
	keptOut(t, inside, "127.0.0.2")
	calls(t, inside.doors["telnet"], "127.0.0.3")
	// Nobody is behind this link: it is down.
	linked := opens("lyon", "--videotext", "tcp://127.0.0.1:1", "--command", "ws://127.0.0.1:1")
	for _, g := range []*gateway{inside, linked} {
		g.waits(t, "both gateways", func(h admin.Gateways) bool { return len(h.Gateways) == 2 })
	}

	told := map[string][]string{}
	for _, g := range []*gateway{inside, linked} {
		for _, m := range sample.FindAllStringSubmatch(fetch(t, "http://"+g.doors["admin"]+"/metrics"), -1) {
			labels := []string{"instance"} // Prometheus's own
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				labels = append(labels, l[1])
			}
			told[m[1]] = labels
		}
	}
	return told
}

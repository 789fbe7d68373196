package report

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"moip/bench/result"
	"moip/internal/testkit/golden"
)

// written returns the document and the pictures that are made of a file of measurements.
func written(t *testing.T, file string) (doc string, pictures map[string]string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "doc.md")
	text, err := os.ReadFile("testdata/doc.md")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "doc")
	old := filepath.Join(folder, "old.svg")
	if err := errors.Join(os.WriteFile(path, text, 0o600), os.Mkdir(folder, 0o700), os.WriteFile(old, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := Write(file, path); err != nil {
		t.Fatal(err)
	}
	once, _ := os.ReadFile(path)
	if err := Write(file, path); err != nil {
		t.Fatalf("a second time: %v", err)
	}
	again, _ := os.ReadFile(path)
	if string(once) != string(again) {
		t.Error("written a second time, the document is another")
	}
	pictures = map[string]string{}
	files, _ := os.ReadDir(folder)
	for _, f := range files {
		picture, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, f.Name(), string(picture))
		pictures[f.Name()] = string(picture)
	}
	if _, kept := pictures["old.svg"]; kept {
		t.Error("a picture that nobody draws is kept")
	}
	return string(again), pictures
}

func wellFormed(t interface{ Errorf(string, ...any) }, name, picture string) {
	d := xml.NewDecoder(strings.NewReader(picture))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
	}
}

func TestWrite(t *testing.T) {
	doc, pictures := written(t, "testdata/results.jsonl")
	golden.CheckText(t, "testdata/results.md", doc)
	for _, c := range charts {
		name := c.name + ".svg"
		golden.CheckText(t, "testdata/"+name, pictures[name])
	}
	for _, unwanted := range []string{"old\n", "long ago", "<!-- bench -->"} {
		if strings.Contains(doc, unwanted) {
			t.Errorf("the document has %q", unwanted)
		}
	}
}

// What is told in doc/performance.md is what was measured: nobody has changed the one
// without the other.
func TestDocument(t *testing.T) {
	const folder = "../../doc/performance"
	want, err := os.ReadFile(folder + ".md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	doc := filepath.Join(dir, "performance.md")
	if err := os.WriteFile(doc, want, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write("../results.jsonl", doc); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(doc); string(got) != string(want) {
		t.Errorf("%s.md is not of bench/results.jsonl: go run ./bench -report", folder)
	}
	drawn, _ := filepath.Glob(filepath.Join(dir, "performance", "*.svg"))
	kept, _ := filepath.Glob(folder + "/*.svg")
	if len(drawn) != len(kept) {
		t.Errorf("%s has %d pictures, want %d: go run ./bench -report", folder, len(kept), len(drawn))
	}
	for _, path := range drawn {
		got, _ := os.ReadFile(path)
		if want, _ := os.ReadFile(filepath.Join(folder, filepath.Base(path))); string(got) != string(want) {
			t.Errorf("%s is not of bench/results.jsonl: go run ./bench -report", filepath.Base(path))
		}
	}
}

// Rows of several runs say so, wherever they stand together.
func TestSeveralRuns(t *testing.T) {
	doc, _ := written(t, "testdata/runs.jsonl")
	golden.CheckText(t, "testdata/runs.md", doc)
	var printed strings.Builder
	if err := Print(&printed, "testdata/runs.jsonl"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(printed.String(), "These rows come from 2 runs"); got != 2 {
		t.Errorf("%d tables of what is printed say that their rows come from two runs, want 2", got)
	}
}

func TestBadDocument(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"a\n<!-- bench: run -->\n", "line 2: the section does not end"},
		{"<!-- bench: run -->\n<!-- bench: run -->\n", "line 2: the section of line 1 does not end"},
		{"a\n<!-- /bench -->\n", "line 2: the end of no section"},
		{"<!-- bench: runs -->\n<!-- /bench -->\n", `line 1: there is no section "runs"`},
		{"<!-- bench: chart x -->\n<!-- /bench -->\n", `line 1: there is no chart "x"`},
		{"nothing", "no section for"},
	} {
		path := filepath.Join(t.TempDir(), "doc.md")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := Write("testdata/results.jsonl", path)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
		if text, _ := os.ReadFile(path); string(text) != tt.text {
			t.Errorf("%q has become %q", tt.text, text)
		}
	}
}

// Whatever the measurements are, tables have as many cells in each row, and pictures are
// XML whose numbers are numbers.
func TestAnyMeasurements(t *testing.T) {
	scenarios := []string{idle, growth, keys5000, churn, "x|<!-- /bench -->\n"}
	peers := []string{ours, "direct", "HAProxy HTTP", "websockify", "<a>&\x00|"}
	names := []result.Figure{result.RSSCall, result.CPUMessage, result.CPUCall, result.P50, result.P99, result.PerSecond, "new"}
	rapid.Check(t, func(t *rapid.T) {
		r := &run{Run: result.Run{Date: "2026-11-28", Machine: "<m>"}, number: 1}
		for range rapid.IntRange(0, 30).Draw(t, "measurements") {
			m := result.Measurement{
				Scenario: rapid.SampledFrom(scenarios).Draw(t, "scenario"), Peer: rapid.SampledFrom(peers).Draw(t, "peer"),
				Path:  rapid.SampledFrom([]string{"ws→ws", "", "ws→tcp"}).Draw(t, "path"),
				Round: rapid.IntRange(1, 4).Draw(t, "round"), Calls: rapid.IntRange(1, math.MaxInt32).Draw(t, "calls"),
				Figures: rapid.MapOfN(rapid.SampledFrom(names), rapid.Float64(), 0, 5).Draw(t, "figures"),
			}
			if len(m.Figures) == 0 {
				m.Failed = rapid.String().Draw(t, "failed") + "."
			}
			r.measured = append(r.measured, m)
		}
		all := &report{[]*run{r}}
		checkTables(t, all.targets()+"\n"+all.ratios()+"\n"+all.scale())
		for _, scenario := range all.scenarios() {
			checkTables(t, all.scenario(scenario))
		}
		for _, c := range charts {
			picture := string(all.picture(c))
			wellFormed(t, c.name, picture)
			for _, no := range []string{`"NaN"`, `"+Inf"`, `"-Inf"`, "MNaN", " NaN", "Inf "} {
				if strings.Contains(picture, no) {
					t.Errorf("%s has %s:\n%s", c.name, no, picture)
				}
			}
		}
	})
}

func checkTables(t *rapid.T, text string) {
	columns := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		n := strings.Count(line, "|") - strings.Count(line, `\|`)
		if columns == 0 {
			columns = n
		}
		if n != columns || strings.Contains(line, "<") {
			t.Errorf("%q has %d columns, the table %d", line, n, columns)
		}
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.123: "0.12", 0.00128: "0.0013", 0.0996: "0.10", 0.0994: "0.099", 9.99: "9.99", 9.996: "10.0", 16.33: "16.3", 99.96: "100", 123.4: "123", 9900: "9,900", 1234567: "1,234,567", -1234: "-1,234", -12.34: "-12.3", 1e18: "1e+18"} {
		if got := number(v); got != want {
			t.Errorf("%v is %s, want %s", v, got, want)
		}
	}
}

func TestScales(t *testing.T) {
	for _, tt := range []struct {
		s    scale
		want []float64
	}{
		{linear(4.9, 0, 100), []float64{0, 1, 2, 3, 4, 5}},
		{linear(17.8, 0, 100), []float64{0, 5, 10, 15, 20}},
		{linear(9900, 0, 100), []float64{0, 2000, 4000, 6000, 8000, 10000}},
		{linear(0, 0, 100), []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{logarithmic(35, 480, 0, 100), []float64{20, 50, 100, 200, 500}},
		{logarithmic(100, 100, 0, 100), []float64{100, 200}},
	} {
		if !slices.EqualFunc(tt.s.ticks, tt.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
			t.Errorf("%v, want %v", tt.s.ticks, tt.want)
		}
		if first, last := tt.s.at(-1), tt.s.at(math.Inf(1)); first != 0 || last != 100 {
			t.Errorf("%v is from %v to %v", tt.want, first, last)
		}
	}
}

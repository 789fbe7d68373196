// Package report makes tables and charts of what the benchmark has measured.
//
// What it writes it writes all at once, from one file: a table and a chart that are in a
// document are of the same measurements, and where these are of several runs, each row
// says of which.
package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"moip/bench/result"
)

// Print prints what was measured on, the table of targets and that of ratios of the
// measurements in a file. An error names the line that cannot be read.
func Print(w io.Writer, file string) error {
	r, err := open(file)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n%s\n%s", r.about(), r.targets(), r.ratios())
	return err
}

// Write writes tables and charts of the measurements in a file into a document of
// Markdown, and the folder of its name beside it, as doc/performance for
// doc/performance.md. It rewrites what is between the markers
//
//	<!-- bench: SECTION -->
//	<!-- /bench -->
//
// and removes pictures from that folder that are no longer drawn. SECTION is run,
// targets, ratios, scale, scenario NAME, others (scenarios without a section) or chart
// NAME. What was not measured is said not to be. Nothing is written if there is an error.
func Write(file, doc string) error {
	r, err := open(file)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	d := document{report: r, folder: strings.TrimSuffix(doc, ".md")}
	if text, err = d.fill(text); err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	if err := d.draw(); err != nil {
		return err
	}
	return os.WriteFile(doc, text, 0o644)
}

func open(file string) (*report, error) {
	measured, err := result.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(report)
	for i, m := range measured {
		r.runs = append(r.runs, &run{m.Run, i + 1, m.All})
	}
	return r, nil
}

// A document is where a report is written.
type document struct {
	*report
	folder   string            // of its pictures
	pictures map[string][]byte // by name
	shown    []string          // scenarios that have a section
}

const (
	from = "<!-- bench: "
	end  = " -->"
	to   = "<!-- /bench -->"
)

// fill returns the text with its sections written anew.
func (d *document) fill(text []byte) ([]byte, error) {
	d.pictures = map[string][]byte{}
	lines := slices.Collect(bytes.Lines(text))
	for _, line := range lines {
		if name, ok := strings.CutPrefix(begins(line), "scenario "); ok {
			d.shown = append(d.shown, name)
		}
	}
	var out bytes.Buffer
	inside, others := 0, false
	for i, line := range lines {
		section := begins(line)
		switch {
		case section != "" && inside > 0:
			return nil, fmt.Errorf("line %d: the section of line %d does not end", i+1, inside)
		case section != "":
			content, err := d.section(section)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			inside, others = i+1, others || section == "others"
			out.Write(line)
			out.WriteString(content)
		case strings.TrimSpace(string(line)) == to:
			if inside == 0 {
				return nil, fmt.Errorf("line %d: the end of no section", i+1)
			}
			inside = 0
			out.Write(line)
		case inside == 0:
			out.Write(line)
		}
	}
	if inside > 0 {
		return nil, fmt.Errorf("line %d: the section does not end, by %s", inside, to)
	}
	if missing := d.others(); len(missing) > 0 && !others {
		return nil, fmt.Errorf("no section for %q, nor one for others", missing)
	}
	return out.Bytes(), nil
}

// begins returns the section that begins on a line, "" if none does.
func begins(line []byte) string {
	section, ok := strings.CutPrefix(strings.TrimSpace(string(line)), from)
	section, closed := strings.CutSuffix(section, end)
	if !ok || !closed {
		return ""
	}
	return section
}

// section returns what is written there.
func (d *document) section(name string) (string, error) {
	kind, of, _ := strings.Cut(name, " ")
	switch kind {
	case "run":
		return d.about(), nil
	case "targets":
		return d.targets(), nil
	case "ratios":
		return d.ratios(), nil
	case "scale":
		return d.scale(), nil
	case "scenario":
		return d.scenario(of), nil
	case "others":
		var b strings.Builder
		for _, scenario := range d.others() {
			fmt.Fprintf(&b, "\n### %s\n\n%s", plain(scenario), d.scenario(scenario))
		}
		return b.String(), nil
	case "chart":
		return d.chart(of)
	}
	return "", fmt.Errorf("there is no section %q", name)
}

// others returns the scenarios that have no section.
func (d *document) others() []string {
	return slices.DeleteFunc(d.scenarios(), func(name string) bool { return slices.Contains(d.shown, name) })
}

// chart returns the reference to a picture, which it draws.
func (d *document) chart(name string) (string, error) {
	i := slices.IndexFunc(charts, func(c *chart) bool { return c.name == name })
	if i < 0 {
		return "", fmt.Errorf("there is no chart %q", name)
	}
	picture := d.picture(charts[i])
	if picture == nil {
		return notMeasured, nil
	}
	d.pictures[name+".svg"] = picture
	return fmt.Sprintf("![%s](%s/%s.svg)\n", charts[i].title, filepath.Base(d.folder), name), nil
}

// draw writes the pictures, and removes those of other measurements.
func (d *document) draw() error {
	if err := os.MkdirAll(d.folder, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(d.folder, "*.svg"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if d.pictures[filepath.Base(path)] == nil {
			err = errors.Join(err, os.Remove(path))
		}
	}
	for _, name := range sortedKeys(d.pictures) {
		err = errors.Join(err, os.WriteFile(filepath.Join(d.folder, name), d.pictures[name], 0o644))
	}
	return err
}

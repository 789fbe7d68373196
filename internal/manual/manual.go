// Package manual writes the pages of the manual, for man(1), from what is written
// already: the commands' flags, and the configuration's example.
package manual

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// A Head says of which edition a page is.
type Head struct {
	Version string
	Date    time.Time
}

// A page grows in the language of man(7).
type page struct{ strings.Builder }

// line adds a request, or a line of text that is escaped already.
func (p *page) line(format string, a ...any) { fmt.Fprintf(p, format+"\n", a...) }

// text adds lines of plain text.
func (p *page) text(s string) { p.line("%s", escape(s)) }

// bold is escape for a name. The request .B would take quotes for its own.
func bold(s string) string { return `\fB` + escape(s) + `\fR` }

func (p *page) head(h Head, name, section, about string) {
	p.line(`.TH %s %s "%s" "moip %s" "Minitel over IP"`, strings.ToUpper(name), section, h.Date.UTC().Format(time.DateOnly), h.Version)
	p.line(".nh") // a word may be a key or a URL
	p.line(".SH NAME\n%s \\- %s", name, about)
}

var escapes = strings.NewReplacer(`\`, `\e`, `-`, `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'")

// escape makes text of s, of which nothing is a request.
func escape(s string) string { return strings.TrimPrefix(escapes.Replace("\n"+s), "\n") }

// Commands returns moip(1): each command and flag that is not hidden.
func Commands(app *kong.Application, h Head) string {
	p := new(page)
	p.head(h, "moip", "1", "a gateway between Minitels and videotex services")
	p.line(".SH SYNOPSIS\n.B moip\n.RI [ command ]\n.RI [ flags ]")
	p.line(".SH DESCRIPTION")
	p.text(app.Help)
	p.text("Without a command it is the gateway, as with \"moip serve\".")
	p.line(".SH COMMANDS")
	p.commands(app.Node)
	p.line(".SH FLAGS OF ALL COMMANDS")
	p.flags(app.Flags)
	p.line(".SH EXIT STATUS")
	for _, code := range []string{"0\nDone, or stopped by SIGINT or SIGTERM.", "1\nSomething went wrong; a line for each thing says what.", "2\nThe command line cannot be read."} {
		p.line(".TP\n%s", escape(code))
	}
	p.line(".SH FILES\n.TP\n.I /etc/moip/moip.toml\nThe configuration of the gateway that the system starts. See")
	p.line(".BR moip.toml (5).")
	p.line(".SH SEE ALSO\n.BR moip.toml (5),\n.BR systemctl (1)")
	return p.String()
}

func (p *page) commands(parent *kong.Node) {
	for _, n := range parent.Children {
		if n.Hidden {
			continue
		}
		p.line(".SS %s", escape("moip "+n.Summary()))
		p.text(n.Help)
		for _, arg := range n.Positional {
			p.item(arg.Summary(), arg.Help)
		}
		p.flags(n.Flags)
		p.commands(n)
	}
}

func (p *page) flags(all []*kong.Flag) {
	for _, f := range all {
		if f.Hidden {
			continue
		}
		help := f.Help
		if len(f.Envs) > 0 {
			help += " The environment may say it in " + strings.Join(f.Envs, ", ") + "."
		}
		p.item(f.String(), help)
	}
}

// item adds a name and what it means.
func (p *page) item(name, help string) { p.line(".TP\n%s\n%s", bold(name), escape(help)) }

var (
	key   = regexp.MustCompile(`^(# )?[a-z_]+ = `)
	table = regexp.MustCompile(`^\[.+\]$`)

	heading = regexp.MustCompile(`(^|\n)\.SH .*\n$`) // at the end
)

// Config returns moip.toml(5), made of the example: paragraphs of comments, each
// followed by the keys, or the table, that they are about.
func Config(example string, h Head) string {
	p := new(page)
	p.head(h, "moip.toml", "5", "the configuration of moip")
	p.line(".SH DESCRIPTION")
	for paragraph := range strings.SplitSeq(strings.TrimSpace(example), "\n\n") {
		p.paragraph(strings.Split(paragraph, "\n"))
	}
	p.line(".SH FILES\n.TP\n.I /etc/moip/moip.toml\nThat of the gateway which the system starts.")
	p.line(".SH SEE ALSO\n.BR moip (1)")
	return p.String()
}

func (p *page) paragraph(lines []string) {
	about := slices.IndexFunc(lines, func(s string) bool { return key.MatchString(s) || table.MatchString(s) })
	if about < 0 {
		about = len(lines)
		if !heading.MatchString(p.String()) {
			p.line(".PP")
		}
	}
	request := ".TP"
	for _, s := range lines[about:] {
		if table.MatchString(s) {
			p.line(".SH %s", escape(s))
			continue
		}
		p.line("%s\n%s", request, bold(strings.TrimPrefix(s, "# ")))
		request = ".TQ"
	}
	for _, s := range lines[:about] {
		p.text(strings.TrimPrefix(strings.TrimPrefix(s, "#"), " "))
	}
}

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/creack/pty"
)

// says returns what a command line prints.
func says(t *testing.T, args ...string) string {
	t.Helper()
	var out, faults bytes.Buffer
	if code := run(args, &out, &faults); code != exitOK {
		t.Fatalf("moip %q: %d, %s", args, code, &faults)
	}
	return out.String()
}

// each calls f with all commands that are shown, and the words that lead to each.
func each(n *kong.Node, path []string, f func(*kong.Node, []string)) {
	f(n, path)
	for _, child := range n.Children {
		if !child.Hidden {
			each(child, append(slices.Clip(path), child.Name), f)
		}
	}
}

// TestManual finds all commands, arguments and flags in moip(1), with their help, and
// all keys in moip.toml(5), as troff shows them.
func TestManual(t *testing.T) {
	page := shown(t, says(t, "man"))
	wants := func(words ...string) {
		t.Helper()
		for _, s := range words {
			if !strings.Contains(page, plain(s)) {
				t.Errorf("not in the page: %s", s)
			}
		}
	}
	each(newParser(io.Discard, io.Discard).Model.Node, []string{"moip"}, func(n *kong.Node, path []string) {
		wants(strings.Join(path, " "), n.Help)
		for _, f := range n.Flags {
			wants("--"+f.Name, f.Help)
		}
		for _, arg := range n.Positional {
			wants(arg.Summary(), arg.Help)
		}
	})

	name := filepath.Join("..", "..", "doc", "moip.example.toml")
	example, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	page = shown(t, says(t, "man", "--example", name))
	for line := range strings.Lines(string(example)) {
		wants(strings.TrimLeft(line, "# "))
	}
}

// shown returns the words of a page, as groff and mandoc show them, which must not
// have found anything wrong with it.
func shown(t *testing.T, page string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page")
	if err := os.WriteFile(file, []byte(page), 0o666); err != nil {
		t.Fatal(err)
	}
	// mandoc would have no line longer than 80 bytes, which is a matter of style.
	if out, err := exec.Command("mandoc", "-T", "lint", "-W", "warning", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc: %v\n%s", err, out)
	}
	groff := exec.Command("groff", "-K", "utf8", "-man", "-T", "utf8", "-P", "-cbou", "-w", "w", "-r", "LL=600n", file)
	var text, faults bytes.Buffer
	groff.Stdout, groff.Stderr = &text, &faults
	if err := groff.Run(); err != nil || faults.Len() > 0 {
		t.Errorf("groff: %v\n%s", err, &faults)
	}
	return plain(text.String())
}

var (
	blanks      = regexp.MustCompile(`\s+`)
	typographic = strings.NewReplacer("’", "'", "‘", "`", "−", "-", "‐\n", "", "“", `"`, "”", `"`)
)

// plain returns s without line ends, and without what troff makes more beautiful.
func plain(s string) string {
	return strings.TrimSpace(blanks.ReplaceAllString(typographic.Replace(s), " "))
}

// TestComplete finishes all commands and flags.
func TestComplete(t *testing.T) {
	each(newParser(io.Discard, io.Discard).Model.Node, nil, func(n *kong.Node, path []string) {
		offered := func(word string) []string {
			out := says(t, append(append([]string{"complete"}, path...), word)...)
			words := []string{}
			for line := range strings.Lines(out) {
				words = append(words, line[:strings.Index(line, "\t")])
			}
			return words
		}
		flags := offered("--")
		for _, f := range n.Flags {
			if !slices.Contains(flags, "--"+f.Name) {
				t.Errorf("%v: --%s is not offered", path, f.Name)
			}
		}
		commands := offered("")
		for _, child := range n.Children {
			if slices.Contains(commands, child.Name) == child.Hidden {
				t.Errorf("%v: of %s, offered is %v", path, child.Name, !child.Hidden)
			}
		}
	})
}

// shells complete a line each in their own way, in a folder, and return the line or
// its last words.
var shells = map[string]func(t *testing.T, dir, line string) string{
	"bash": func(t *testing.T, dir, line string) string {
		bash := exec.Command("bash", "--norc", "--noprofile", "-i")
		bash.Dir, bash.Env = dir, append(bash.Environ(), "TERM=dumb", "PS1=", "HISTFILE=", "INPUTRC=/dev/null")
		tty, err := pty.StartWithSize(bash, &pty.Winsize{Rows: 25, Cols: 250})
		if err != nil {
			t.Fatal(err)
		}
		defer bash.Wait()
		defer tty.Close()
		// Alt-* inserts all that Tab would offer, and Ctrl-A goes to the line's beginning.
		fmt.Fprintf(tty, "source <(moip completion bash)\n%s\x1b*\x01echo got: \n", line)
		for lines := bufio.NewScanner(tty); lines.Scan(); {
			if got, ok := strings.CutPrefix(lines.Text(), "got: "); ok {
				return got
			}
		}
		t.Fatal("the shell has ended")
		return ""
	},
	"zsh": func(t *testing.T, dir, line string) string {
		// _describe needs an editor; this one shows what it is given.
		return asks(t, dir, "zsh", "-f", "-c", `
			_describe() { print -l -- ${(P)2%%:*} }
			_files() { print -l -- *(N) }
			words=("${(@s. .)1}") CURRENT=$#words
			_moip() { eval "$(moip completion zsh)" }
			_moip`, "zsh", line)
	},
	"fish": func(t *testing.T, dir, line string) string {
		return asks(t, dir, "fish", "--no-config", "-c", `
			moip completion fish | source
			complete -C $argv[1] | string replace -r '\t.*' ''
			true`, line)
	},
}

func asks(t *testing.T, dir, name string, args ...string) string {
	c := exec.Command(name, args...)
	c.Dir = dir
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestShells has real shells complete lines.
func TestShells(t *testing.T) {
	for shell, complete := range shells {
		for line, want := range map[string]string{
			"moip ver":                    "version",
			"moip --direc":                "--directory",
			"moip ctl --json hang":        "hangup",
			"moip ctl --admin call rec":   "recall record",
			"moip connect --blocks ":      "auto half quadrant sextant",
			"moip completion z":           "zsh",
			"moip check-config gateway.t": "gateway.toml",
			"moip serial --parity=l":      "--parity=line",
		} {
			t.Run(shell+" "+line, func(t *testing.T) {
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, "gateway.toml"), nil, 0o666); err != nil {
					t.Fatal(err)
				}
				got := strings.Fields(complete(t, dir, line))
				if shell == "bash" { // the line
					got = got[min(strings.Count(line, " "), len(got)):]
				}
				slices.Sort(got)
				if strings.Join(got, " ") != want {
					t.Errorf("%q, want %q", got, want)
				}
			})
		}
	}
}

package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"moip/internal/completion"
	"moip/internal/manual"
)

// man prints a page of the manual, which packages install.
type man struct {
	Example string `help:"Print moip.toml(5), made of the example of a configuration in FILE, instead of moip(1)." placeholder:"FILE"`
}

func (m *man) Run(parser *kong.Kong, out io.Writer) error {
	edition := manual.Head{Version: programVersion(), Date: time.Now()}
	// So that the same source makes the same page (reproducible-builds.org).
	if epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		edition.Date = time.Unix(epoch, 0)
	}
	text := ""
	if m.Example == "" {
		text = manual.Commands(parser.Model, edition)
	} else {
		example, err := os.ReadFile(m.Example)
		if err != nil {
			return err
		}
		text = manual.Config(string(example), edition)
	}
	_, err := io.WriteString(out, text)
	return err
}

type completionScript struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

func (c *completionScript) Run(out io.Writer) error {
	script, err := completion.Script(c.Shell)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, script)
	return err
}

// complete answers those scripts: a candidate a line, with what it means behind a
// tab.
type complete struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"The words of the command line, up to the one to finish."`
}

func (c *complete) Run(parser *kong.Kong, out io.Writer) error {
	for _, candidate := range completion.Candidates(parser.Model, c.Words) {
		if _, err := fmt.Fprintf(out, "%s\t%s\n", candidate.Word, candidate.Help); err != nil {
			return err
		}
	}
	return nil
}

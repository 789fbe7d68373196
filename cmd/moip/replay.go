package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"moip/internal/picture"
	"moip/internal/recording"
	"moip/internal/session"
	"moip/internal/terminal"
)

// replay plays a recording on the Minitel in the terminal.
type replay struct {
	File   string          `arg:"" help:"The recording, an asciicast as moip connect --record writes it; - for standard input with --dump."`
	Speed  pastime         `default:"1x" help:"As it was (${default}), so many times as fast, such as 2x, as on a line of 1200, 4800 or 9600 bit/s, or max." placeholder:"SPEED"`
	Blocks terminal.Blocks `enum:"auto,sextant,quadrant,half" default:"auto" help:"Characters for mosaics: sextant, quadrant or half." placeholder:"NAME"`
	Dump   bool            `help:"Need no terminal; print the last screen as text, and exit."`
}

// A pastime is how fast a recording is played: so many times as fast as it was, 0
// for as fast as can be, or that at the speed of a line.
type pastime struct {
	factor float64
	line   int // bit/s, 0 for none
}

func (p *pastime) UnmarshalText(text []byte) error {
	s := string(text)
	line, err := strconv.Atoi(s)
	if err == nil && slices.Contains(session.Speeds, line) {
		*p = pastime{line: line}
		return nil
	}
	if s == "max" {
		*p = pastime{}
		return nil
	}
	number, times := strings.CutSuffix(s, "x")
	factor, err := strconv.ParseFloat(number, 64)
	if !times || err != nil || !(factor >= 0.1 && factor <= 1000) {
		return fmt.Errorf("%.40q is no speed (use 0.1x to 1000x, 300, 1200, 4800, 9600 or max)", s)
	}
	*p = pastime{factor: factor}
	return nil
}

func (r *replay) Run(ctx context.Context, out io.Writer) error {
	file := os.Stdin
	if r.File != "-" {
		f, err := os.Open(r.File)
		if err != nil {
			return err
		}
		defer f.Close()
		file = f
	}
	told, err := recording.NewReader(file)
	if err != nil {
		return fmt.Errorf("%s: %w", r.File, err)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	if r.Dump {
		screen, err := terminal.Dump(ctx, recording.Play(told, 0), "", time.Hour, terminal.Options{})
		io.WriteString(out, picture.Text(screen))
		return err
	}
	return terminal.Run(ctx, recording.Play(told, r.Speed.factor), r.Blocks, terminal.Options{Speed: r.Speed.line})
}

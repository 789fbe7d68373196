package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"moip/internal/config"
	"moip/internal/downstream"
	"moip/internal/gateway"
	"moip/internal/picture"
	"moip/internal/recording"
	"moip/internal/session"
	"moip/internal/terminal"
)

// replay plays a recording, or a folder of them: on the Minitel in the terminal, to
// somebody who is called, or to whoever calls.
type replay struct {
	File   string          `arg:"" help:"The recording, an asciicast as moip connect --record writes it, or a page (.vdt); - for standard input. Of a folder, all of them, for ever."`
	Speed  recording.Speed `default:"1x" help:"As it was (${default}), so many times as fast, such as 2x, as on a line of 300, 1200, 4800 or 9600 bit/s, or max." placeholder:"SPEED"`
	Blocks terminal.Blocks `enum:"auto,sextant,quadrant,half" default:"auto" help:"Characters for mosaics: sextant, quadrant or half." placeholder:"NAME"`
	Dump   bool            `help:"Need no terminal; print the last screen as text, and exit."`
	To     string          `help:"Call a ws, wss, telnet, telnets, tcp or tcps URL and play it there; - writes to standard output." placeholder:"URL"`
	Listen string          `help:"Play it to whoever calls at an address such as ws://:9010 or serial:///dev/ttyUSB0, each from the beginning." placeholder:"URI"`
}

// Validate is kong's: what it refuses is a matter of usage.
func (r *replay) Validate() error {
	ways := 0
	for _, way := range []bool{r.Dump, r.To != "", r.Listen != ""} {
		if way {
			ways++
		}
	}
	switch {
	case ways > 1:
		return errors.New("--dump, --to and --listen: one of them, at most")
	case strings.HasPrefix(r.To, "serial:"):
		return fmt.Errorf("--to: a Minitel at a serial port is not called, it calls by a key (write --listen %s)", r.To)
	case r.Listen != "" && r.File == "-":
		return errors.New("--listen: standard input is played once (name a file)")
	case r.Listen != "":
		if _, err := downstream.ParseAddress(r.Listen); err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
	}
	return nil
}

func (r *replay) Run(ctx context.Context, out io.Writer) error {
	if r.Listen != "" {
		return r.serve(ctx, out)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	speed := r.Speed
	if r.Dump {
		speed = recording.Speed{}
	}
	player, err := r.open(speed)
	if err != nil {
		return err
	}
	defer player.Close()
	switch {
	case r.Dump:
		screen, err := terminal.Dump(ctx, player, "", time.Hour, terminal.Options{})
		io.WriteString(out, picture.Text(screen))
		return err
	case r.To != "":
		return r.send(ctx, player, out)
	}
	return terminal.Run(ctx, player, r.Blocks, terminal.Options{})
}

func (r *replay) open(s recording.Speed) (*recording.Player, error) {
	if r.File == "-" {
		told, err := recording.NewReader(os.Stdin)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.File, err)
		}
		return recording.Play(told, s), nil
	}
	info, err := os.Stat(r.File)
	if err == nil && info.IsDir() && r.Dump {
		return nil, fmt.Errorf("%s is a folder, which has no last screen (name a recording in it)", r.File)
	}
	log := slog.New(slog.DiscardHandler)
	if r.To != "" { // and no Minitel has the terminal
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return recording.NewProjector(log).Open(r.File, s)
}

// send plays to whoever is called, or to standard output.
func (r *replay) send(ctx context.Context, player *recording.Player, out io.Writer) error {
	to := session.Endpoint(&output{out: out, closed: make(chan struct{})})
	if r.To != "-" {
		var err error
		if to, err = dial(ctx, r.To, dialTime); err != nil {
			return err
		}
	}
	defer to.Close()
	defer context.AfterFunc(ctx, func() { player.Close(); to.Close() })()
	left := make(chan error, 1)
	go func() {
		left <- hear(to)
		player.Close()
	}()
	err := speak(player, to)
	select {
	case gone := <-left: // before the end
		if ctx.Err() == nil && !errors.Is(gone, io.EOF) {
			return fmt.Errorf("the connection is lost: %w", gone)
		}
	default:
		to.Close()
		<-left
	}
	return err
}

// hear waits until the other end leaves, whatever it says.
func hear(e session.Endpoint) error {
	for {
		if _, err := e.Receive(); err != nil {
			return err
		}
	}
}

// speak sends all that from says, and waits until it is taken.
func speak(from, to session.Endpoint) error {
	for {
		p, err := from.Receive()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case to.Send(p):
			to.Flush()
		}
	}
}

// An output is an Endpoint that is a file.
type output struct {
	out    io.Writer
	err    error
	once   sync.Once
	closed chan struct{}
}

// Receive waits until the output cannot be written to, or is closed.
func (o *output) Receive() ([]byte, error) {
	<-o.closed
	return nil, o.err
}

func (o *output) Send(p []byte) (kept bool) {
	if _, err := o.out.Write(p); err != nil {
		o.end(err)
	}
	return false
}

func (o *output) Flush() {}

func (o *output) Close() error { o.end(io.EOF); return nil }

func (o *output) end(err error) { o.once.Do(func() { o.err = err; close(o.closed) }) }

// serve plays to whoever calls, by a gateway that has the recording for a portal.
func (r *replay) serve(ctx context.Context, out io.Writer) error {
	player, err := r.open(r.Speed) // what is wrong is told now
	if err != nil {
		return err
	}
	player.Close()
	cfg := single()
	cfg.Listen, cfg.Log, cfg.Records = []string{r.Listen}, "none", "none"
	cfg.Limits.Idle, cfg.Limits.Call = 0, 0 // there is nothing to be typed
	cfg.LogLevel = config.Level(slog.LevelWarn)
	return gateway.Run(ctx, out, gateway.Plan{Config: cfg, Version: programVersion(), Portal: gateway.Player(r.File, r.Speed)})
}

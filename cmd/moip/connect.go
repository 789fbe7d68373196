package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"moip/internal/discreet"
	"moip/internal/picture"
	"moip/internal/recording"
	"moip/internal/session"
	"moip/internal/terminal"
	"moip/internal/upstream"
)

// connect is a Minitel in a text terminal, or one that nobody looks at. It is
// described in doc/connect.md.
type connect struct {
	URL     string          `arg:"" optional:"" default:"ws://localhost:9001" help:"Whom to call: a ws, wss, telnet, telnets, tcp or tcps URL (${default})."`
	Speed   int             `enum:"0,1200,4800,9600" default:"0" help:"Draw at 1200, 4800 or 9600 bit/s." placeholder:"BIT/S"`
	Blocks  terminal.Blocks `enum:"auto,sextant,quadrant,half" default:"auto" help:"Characters for mosaics: sextant, quadrant or half." placeholder:"NAME"`
	Record  string          `help:"Write what is received, with its times, to a file." placeholder:"FILE"`
	Send    string          `help:"Type this, such as \"SALON{Envoi}\"; {Attente} waits until the page is still." placeholder:"KEYS"`
	Dump    bool            `help:"Need no terminal; print the screen as text at the end, and exit."`
	Wait    string          `help:"With --dump: the end is when this is on the screen and the page still." placeholder:"TEXT"`
	Timeout time.Duration   `help:"With --dump: the end is after this time at the latest; 10s if not given." placeholder:"TIME"`
}

// Validate is kong's: what it refuses is a matter of usage.
func (c *connect) Validate() error {
	switch {
	case !c.Dump && c.Wait != "":
		return errors.New("--wait needs --dump")
	case !c.Dump && c.Timeout != 0:
		return errors.New("--timeout needs --dump")
	case c.Timeout < 0:
		return errors.New("--timeout: a time is positive")
	}
	return nil
}

func (c *connect) Run(ctx context.Context, out io.Writer) (err error) {
	o := terminal.Options{Speed: c.Speed}
	if o.Keys, err = terminal.Script(c.Send); err != nil {
		return fmt.Errorf("--send: %w", err)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	began, limit := time.Now(), cmp.Or(c.Timeout, 10*time.Second)
	patience := dialTime
	if c.Dump {
		patience = min(dialTime, limit)
	}
	end, err := dial(ctx, c.URL, patience)
	if err != nil {
		return err
	}
	defer end.Close()
	if c.Record != "" {
		file, failed := os.OpenFile(c.Record, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // what is typed is in it
		if failed != nil {
			return fmt.Errorf("--record: %w", failed)
		}
		o.Record = recording.NewWriter(file, recording.Header{Began: time.Now(), Title: discreet.URL(c.URL), Terminal: "minitel"})
		defer func() { err = cmp.Or(err, file.Close()) }()
	}
	if c.Dump {
		return c.dump(ctx, end, limit-time.Since(began), o, out)
	}
	err = terminal.Run(ctx, end, c.Blocks, o)
	if errors.Is(err, terminal.ErrNoTerminal) {
		err = fmt.Errorf("%w (--dump needs none)", err)
	}
	return err
}

// untilSignal returns a context for what has the terminal. A second signal ends what
// waits for a terminal that takes nothing.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// dialTime is how long whoever is called may take to answer, at most.
const dialTime = 15 * time.Second

func dial(ctx context.Context, url string, limit time.Duration) (session.Endpoint, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
	defer cancel()
	end, err := new(upstream.Dialer).Dial(ctx, 0, session.Route{URL: url})
	if errors.Is(err, syscall.ECONNREFUSED) {
		err = fmt.Errorf("%w (is a gateway running there? moip starts one on this machine)", err)
	}
	return end, err
}

// dump prints the screen at the end.
func (c *connect) dump(ctx context.Context, end session.Endpoint, limit time.Duration, o terminal.Options, out io.Writer) error {
	screen, err := terminal.Dump(ctx, end, c.Wait, limit, o)
	io.WriteString(out, picture.Text(screen))
	switch {
	case errors.Is(err, terminal.ErrNotTyped):
		return errors.New("the end came before all of --send was typed (--timeout gives it more time)")
	case errors.Is(err, terminal.ErrNotShown):
		return fmt.Errorf("%q is not on the screen at the end (--wait; --timeout gives it more time)", c.Wait)
	}
	return err
}

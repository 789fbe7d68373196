package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"moip/internal/control/admin"
)

type ctlScreen struct {
	ID    callID `arg:"" help:"The number of the call; of another gateway of the hub, as in paris-42."`
	Watch bool   `help:"Go on showing it, in this terminal."`
	PNG   string `name:"png" help:"Write it to a file, as a picture." placeholder:"FILE"`
	Scale int    `default:"2" help:"Pixels for a dot of the picture, 1 to 8." placeholder:"N"`
}

func (o ctlScreen) Run(ctx context.Context, c *ctl, out io.Writer) error {
	switch file, ok := out.(*os.File); {
	case o.PNG != "":
		picture, err := o.get(ctx, c, query("as", "png", "scale", fmt.Sprint(o.Scale)))
		if err != nil {
			return err
		}
		return os.WriteFile(o.PNG, picture, 0o600)
	case o.Watch:
		return o.watch(ctx, c, out)
	default:
		as := "text"
		if ok && term.IsTerminal(int(file.Fd())) {
			as = "ansi"
		}
		text, err := o.get(ctx, c, query("as", as))
		if err == nil {
			_, err = out.Write(text)
		}
		return err
	}
}

func (o ctlScreen) get(ctx context.Context, c *ctl, query string) (p []byte, err error) {
	err = c.client().Do(ctx, "GET", o.ID.path("/screen"+query), nil, &p)
	return p, err
}

// What a terminal of our days is told (ECMA-48, and xterm for the screen beside).
const (
	aside = "\x1B[?1049h\x1B[?25l"
	back  = "\x1B[?25h\x1B[?1049l"
	home  = "\x1B[H"
)

// watch shows the screen anew whenever it has changed.
func (o ctlScreen) watch(ctx context.Context, c *ctl, out io.Writer) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	begun := false
	defer func() {
		if begun {
			io.WriteString(out, back)
		}
	}()
	return c.client().Watch(ctx, string(o.ID), func(f admin.Frame) error {
		if f.Over {
			return nil
		}
		screen, err := o.get(ctx, c, query("as", "ansi"))
		if err != nil {
			return nil // it is over, as the next frame says
		}
		begin := home
		if !begun {
			begin, begun = aside+home, true
		}
		about := fmt.Sprintf("call %s, watched; Ctrl-C ends the watching", o.ID)
		_, err = fmt.Fprint(out, begin, strings.TrimSuffix(string(screen), "\n"), "\n\x1B[K", about)
		return err
	})
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"moip/internal/control/admin"
)

type ctlState struct{ atGateway }

func (o ctlState) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "GET", "/state"+o.query(), nil, func(s admin.State) error {
		ready := "yes"
		if !s.Ready {
			ready = "no: " + s.Why
		}
		table := newTable(out)
		printf(table, "state\t%s\nready\t%s\nversion\t%s\nsince\t%s\ncalls\t%d\nportal\t%s\n",
			s.State, ready, s.Version, s.Since.Local().Format(time.DateTime), s.Calls, s.Portal)
		if s.Bus != nil {
			printf(table, "bus\t%s\n", busLine(*s.Bus))
		}
		for _, c := range s.Certificates {
			printf(table, "certificate\t%s\n", certificateLine(c))
		}
		return table.Flush()
	})
}

// busLine tells of the bus to the other gateways in a line.
func busLine(b admin.Bus) string {
	since := ", since " + b.Since.Local().Format(time.DateTime)
	if b.Up {
		return b.At + since
	}
	return "down: " + b.Why + " (" + b.At + ")" + since
}

// certificateLine tells of a certificate in a line.
func certificateLine(c admin.Certificate) string {
	line := c.Name + ", "
	if c.Until.IsZero() {
		line += "none yet"
	} else {
		line += "until " + c.Until.Local().Format(time.DateTime)
	}
	line += ", from " + c.From
	if c.Error != "" {
		line += ": " + c.Error
	}
	return line
}

type ctlConfig struct{ atGateway }

func (o ctlConfig) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "GET", "/config"+o.query(), nil, func(s admin.Settings) error {
		if s.File != "" {
			printf(out, "# from %s, and from the flags\n", s.File)
		}
		for _, key := range slices.Sorted(maps.Keys(s.Settings)) {
			value, err := json.Marshal(s.Settings[key])
			if err != nil {
				return err
			}
			printf(out, "%s = %s\n", key, string(value))
		}
		return nil
	})
}

type ctlReload struct{ atGateway }

func (o ctlReload) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "POST", "/reload"+o.query(), nil, func(r admin.Reloaded) error {
		if len(r.Changed)+len(r.Left) == 0 {
			fmt.Fprintln(out, "nothing has changed")
		}
		if len(r.Changed) > 0 {
			fmt.Fprintln(out, "changed:", strings.Join(r.Changed, ", "))
		}
		if len(r.Left) > 0 {
			fmt.Fprintln(out, "not changed (moip ctl upgrade does, and cuts no call):", strings.Join(r.Left, ", "))
		}
		return nil
	})
}

type ctlDrain struct {
	For time.Duration `default:"5m" help:"How long calls may go on; 5m if not given."`
	atGateway
}

func (o ctlDrain) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "POST", "/drain"+o.query(), admin.Draining{For: o.For.String()}, nothing)
}

type ctlUpgrade struct{ atGateway }

func (o ctlUpgrade) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "POST", "/upgrade"+o.query(), nil, func(u admin.Upgraded) error {
		_, err := printf(out, "process %d takes calls now; the old one ends with its last call\n", u.Process)
		return err
	})
}

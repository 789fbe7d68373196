package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"moip/internal/config"
	"moip/internal/doctor"
	"moip/internal/services"
)

// doctorCommand looks at a gateway, which need not run, or at a service. It is
// described in doc/operators.md.
type doctorCommand struct {
	URL   string `arg:"" optional:"" help:"Look at this service instead: a ws, wss, telnet, telnets, tcp or tcps URL."`
	JSON  bool   `name:"json" help:"Print what is found for programs."`
	Serve serve  `embed:""`
}

// errProblems is why doctor fails. All has been said of them.
var errProblems = errors.New("there are problems")

// Validate is kong's: what it refuses is a matter of usage.
func (d *doctorCommand) Validate() error {
	if d.URL != "" && d.Serve != (serve{}) {
		return errors.New("a URL of a service goes with no flag of a gateway")
	}
	return nil
}

func (d *doctorCommand) Run(ctx context.Context, out io.Writer) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	report := d.look(ctx)
	if err := d.print(out, report); err != nil {
		return err
	}
	if report.Bad() {
		return errProblems
	}
	return nil
}

func (d *doctorCommand) look(ctx context.Context) doctor.Report {
	if d.URL != "" {
		return doctor.Service(ctx, d.URL)
	}
	cfg, err := d.Serve.config()
	if err != nil {
		return doctor.Unreadable(flat(err))
	}
	return doctor.Gateway(ctx, d.options(cfg))
}

func (d *doctorCommand) options(cfg *config.Config) doctor.Options {
	return doctor.Options{
		Config: cfg, File: d.Serve.Config, LogAsked: d.Serve.Log != nil || d.Serve.Config != "",
		Inside: services.Names(), Cache: cfg.CacheFolder(),
	}
}

func (d *doctorCommand) print(out io.Writer, r doctor.Report) error {
	if !d.JSON {
		return r.Print(out)
	}
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	lines.SetIndent("", "  ")
	return lines.Encode(r)
}

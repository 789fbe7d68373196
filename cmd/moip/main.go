// Command moip is MoIP, a gateway for the Minitel: it answers callers, puts
// them through to a portal and from there to services, and takes them back.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"moip/internal/config"
	"moip/internal/directory"
	"moip/internal/policy/ban"
	"moip/internal/policy/token"
	"moip/internal/services"
)

// commands is the command line. A bare moip is moip serve.
type commands struct {
	Serve       serve         `cmd:"" default:"withargs" help:"Run the gateway (the default command)."`
	Portal      portalAlone   `cmd:"" help:"Run the portal alone, for gateways elsewhere."`
	Connect     connect       `cmd:"" help:"Be a Minitel in this terminal, and call a gateway or a service."`
	Replay      replay        `cmd:"" help:"Play a recording on the Minitel in this terminal."`
	Serial      serialLine    `cmd:"" help:"Put a Minitel at a serial port through to a gateway."`
	Ctl         ctl           `cmd:"" help:"See and steer a gateway that runs."`
	Vdt         vdt           `cmd:"" help:"Show pages: here, or as pictures, text or cells."`
	Doctor      doctorCommand `cmd:"" help:"Look a gateway over, or a service: what is wrong, and what to do."`
	CheckConfig checkConfig   `cmd:"" help:"Check a configuration file and the files it names."`
	Version     version       `cmd:"" help:"Print the version."`
	Help        help          `cmd:"" help:"Print this help, or that of a command."`

	Completion completionScript `cmd:"" help:"Print the script that makes a shell complete moip's command lines."`
	Complete   complete         `cmd:"" hidden:"" passthrough:"" help:"Complete a command line; for such scripts."`
	Man        man              `cmd:"" hidden:"" help:"Print a page of the manual; for packages."`
}

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run executes a command line and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	parser := newParser(stdout, stderr)
	line, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "moip: %v (moip help tells what there is)\n", err)
		return exitUsage
	}
	line.BindTo(context.Background(), (*context.Context)(nil))
	line.BindTo(stdout, (*io.Writer)(nil))
	err = line.Run(parser)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errProblems):
		return exitError // all is said
	}
	for _, err := range flat(err) {
		fmt.Fprintf(stderr, "moip: %v\n", err)
	}
	return exitError
}

func newParser(stdout, stderr io.Writer) *kong.Kong {
	return kong.Must(&commands{},
		kong.Name("moip"),
		kong.Description("Minitel over IP: a gateway between Minitels and videotex services."),
		kong.Vars{"admin": config.DefaultAdmin},
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
}

// flat returns the errors that err joins, to be shown on a line each.
func flat(err error) (all []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	for _, err := range joined.Unwrap() {
		all = append(all, flat(err)...)
	}
	return all
}

type checkConfig struct {
	File string `arg:"" help:"The configuration file."`
}

func (c *checkConfig) Run(out io.Writer) error {
	cfg, err := config.Load(c.File)
	if err != nil {
		return err
	}
	if _, err := directory.Load(cfg.Directory, services.Names()...); err != nil {
		return err
	}
	if err := services.CheckPages(cfg.Pages); err != nil {
		return err
	}
	if _, err := ban.Load(cfg.Bans.Options().File); err != nil {
		return fmt.Errorf("bans: %w", err)
	}
	for key, file := range map[string]string{
		"admin_token_file": cfg.AdminTokenFile, "admin_look_token_file": cfg.AdminLookTokenFile, "link_token_file": cfg.LinkTokenFile,
	} {
		if file == "" {
			continue
		}
		if _, err := token.Read(file); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	_, err = fmt.Fprintf(out, "%s is good\n", c.File)
	return err
}

type version struct{}

func (version) Run(out io.Writer) error {
	_, err := fmt.Fprintf(out, "moip %s, %s\n", programVersion(), runtime.Version())
	return err
}

// release is the version of a package; the linker sets it (packaging).
var release string

// programVersion returns the version of the program: the release, or what the go
// command knows.
func programVersion() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "(devel)"
}

type help struct {
	Command []string `arg:"" optional:"" help:"The command."`
}

func (h help) Run(parser *kong.Kong) error {
	line, err := kong.Trace(parser, h.Command)
	if err = cmp.Or(err, line.Error); err != nil {
		return err
	}
	if len(h.Command) == 0 {
		line.Path = line.Path[:1] // not the default command
	}
	return line.PrintUsage(false)
}

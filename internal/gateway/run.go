// Package gateway is a gateway that runs: the rooms of the house wired together, changed
// while calls go on, and left in order.
package gateway

import (
	"context"
	"io"
	"os/signal"
	"syscall"

	"moip/internal/config"
	"moip/internal/handover"
	"moip/internal/trace"
)

// A Plan is what a gateway is to be.
type Plan struct {
	Config   *config.Config
	File     string                         // where Config is from, "" for none
	Source   func() (*config.Config, error) // reads Config anew; nil if the gateway stays as it is
	LogAsked bool                           // or it does without a log file that cannot be written
	Version  string                         // of the program
	Trace    *trace.Target                  // whose lines are traced to the terminal, nil for nobody's
	Portal   Portal                         // nil for the one that Config has
}

// A Portal connects the calls of a gateway with what they reach first.
type Portal func(*gateway) error

// Run runs a gateway until ctx is done, a signal tells it to stop (SIGINT or SIGTERM), or
// it has nothing left to do. What is for whoever started it is printed to out.
func Run(ctx context.Context, out io.Writer, p Plan) error {
	sockets, err := handover.Inherit() // before other files are opened
	if err != nil {
		return err
	}
	defer sockets.Close()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	log, err := openLog(p.Config, p.LogAsked)
	if err != nil {
		return err
	}
	defer log.Close()
	g, err := open(ctx, p, log, sockets)
	if err != nil {
		return err
	}
	g.work = append(g.work, g.watchdog)
	g.welcome(out)
	g.start()
	g.tell("READY=1")
	g.attend(ctx)
	stop() // a second signal ends the process at once
	g.tellEnd()
	g.stop()
	return nil
}

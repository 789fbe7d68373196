package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"moip/internal/config"
	"moip/internal/control/admin"
	"moip/internal/control/pymoip"
	"moip/internal/downstream"
	"moip/internal/emulator"
	"moip/internal/recording"
	"moip/internal/session"
	"moip/internal/switchboard"
	"moip/internal/trace"
	"moip/internal/upstream"
)

// A gateway is all that runs, wired together.
type gateway struct {
	cfg       *config.Config
	log       *slog.Logger
	level     *slog.LevelVar
	listeners []*downstream.Listener
	board     *switchboard.Board
	answer    func(session.Endpoint, session.Caller) // a new call
	teletel   *teletel                               // nil unless the portal is inside
	link      func() (up bool, since time.Time)      // nil unless there is one
	records   *recording.Folder                      // nil if nothing is recorded
	work      []func(context.Context)                // what else goes on, until the context is done
	about     string                                 // the portal, for people

	admin        net.Listener // nil if operators cannot reach it
	api          *http.Server
	events       *admin.Events
	metrics      *admin.Metrics
	traces       *trace.Desk
	doors, tasks sync.WaitGroup
	dismiss      context.CancelFunc // ends the work
}

// open wires a gateway by wire, and opens its doors. Nobody is answered before
// start.
func open(cfg *config.Config, log *logbook, wire func(*gateway) error) (*gateway, error) {
	g := &gateway{cfg: cfg, log: log.Logger, level: log.level, board: switchboard.New(log.Logger), events: admin.NewEvents()}
	g.answer, g.metrics, g.traces = g.board.Answer, admin.NewMetrics(g.board), trace.NewDesk(g.board)
	err := g.openRecordings()
	if err == nil {
		err = wire(g)
	}
	if err == nil {
		err = g.openDoors()
	}
	if err == nil {
		err = g.openAdmin()
	}
	if err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

func (g *gateway) openRecordings() (err error) {
	if g.cfg.Recordings.Folder == "" {
		return nil
	}
	o := g.cfg.Recordings.Options()
	o.Log = g.log
	if g.records, err = recording.OpenFolder(g.cfg.Recordings.Folder, o); err != nil {
		return fmt.Errorf("recordings: %w", err)
	}
	return nil
}

func (g *gateway) openDoors() error {
	web := emulator.Handler()
	for _, uri := range g.cfg.Listen {
		l, err := downstream.Listen(uri, downstream.Options{
			Ping: orNever(g.cfg.Limits.Ping), Stall: orNever(g.cfg.Limits.Stall), Web: web, Log: g.log,
			Record: g.cfg.Recordings.Calls, Tap: g.traces.Arriving,
		})
		if err != nil {
			return withAdvice(err)
		}
		g.listeners = append(g.listeners, l)
	}
	return nil
}

// withAdvice adds what to do about a port that is taken.
func withAdvice(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w (give another port, or stop what has this one)", err)
	}
	return err
}

// never is longer than any call.
const never = 100 * 365 * 24 * time.Hour

// orNever returns d, or for none what comes to the same where 0 means the
// default.
func orNever(d config.Duration) time.Duration {
	if d == 0 {
		return never
	}
	return time.Duration(d)
}

// calls returns what all calls have in common, but for the portal.
func (g *gateway) calls() session.Config {
	limits := g.cfg.Limits
	dialer, projector := &upstream.Dialer{Stall: orNever(limits.Stall)}, recording.NewProjector(g.log)
	calls := session.Config{
		DialService: func(ctx context.Context, call session.ID, r session.Route) (session.Endpoint, error) {
			if recording.IsRoute(r.URL) {
				return projector.Dial(ctx, call, r)
			}
			return dialer.Dial(ctx, call, r)
		},
		Limits: session.Limits{
			Idle: time.Duration(limits.Idle), Visit: time.Duration(limits.Visit), Call: time.Duration(limits.Call),
			Dial: time.Duration(limits.Dial), Wait: time.Duration(limits.Wait), Drain: time.Duration(limits.Drain),
		},
	}
	calls.Tapper = g.traces.Tapper
	if g.records != nil {
		calls.Recorder = g.records.Record
	}
	return calls
}

// wire connects the board with the portal, inside or not, and the services.
func (g *gateway) wire() error {
	if g.cfg.Builtin() {
		return g.wireTeletel()
	}
	calls := g.calls()
	calls.Portal = g.cfg.Portal.Session("portal")
	if recording.IsRoute(calls.Portal.URL) {
		calls.Portal.Fin = session.FinClose // it hears no keys
	}
	calls.DialPortal = calls.DialService
	g.about = public(g.cfg.Portal.URL)
	url := g.cfg.LinkURL()
	if url == "" {
		g.openBoard(calls)
		return nil
	}
	g.about += ", control link " + public(url)
	link := pymoip.New(pymoip.Options{URL: url, Board: g.board, Log: g.log})
	g.link = link.State
	calls.DialPortal = link.Introduce(calls.DialPortal)
	g.work = append(g.work, link.Run)
	g.openBoard(calls, link.Event)
	return nil
}

// openBoard puts the board in service, followed by operators too.
func (g *gateway) openBoard(calls session.Config, follow ...func(session.Event)) {
	g.board.Open(calls, append(follow, g.events.Note, g.metrics.Note, g.traces.Note)...)
}

var credentials = regexp.MustCompile(`:(//)?[^/?]*@`)

// public returns a URL without the name and the password that may be in it.
func public(url string) string { return credentials.ReplaceAllString(url, ":$1") }

// wireTeletel is wire with the portal inside.
func (g *gateway) wireTeletel() error {
	calls := g.calls()
	if err := g.openTeletel(calls.DialService); err != nil {
		return err
	}
	p := g.teletel.portal(g.board, false)
	calls.Portal.Record = g.cfg.Portal.Record
	calls.DialPortal, calls.DialService = p.Dial, g.teletel.dial
	g.about = "built in, " + g.teletel.about()
	g.openBoard(calls, p.Event)
	return nil
}

// welcome tells whoever started the gateway what to open.
func (g *gateway) welcome(out io.Writer) {
	fmt.Fprintln(out, "MoIP answers callers at")
	for _, l := range g.listeners {
		scheme, address, _ := strings.Cut(l.URI(), "://")
		switch scheme {
		case "ws":
			fmt.Fprintf(out, "  http://%s/  (a Minitel in the browser)\n", address)
		case "serial":
			fmt.Fprintf(out, "  %s  (a Minitel at its socket)\n", l.URI())
			continue
		}
		for _, uri := range reached(scheme, l.Addr()) {
			fmt.Fprintf(out, "  %s\n", uri)
		}
	}
	if g.admin != nil {
		fmt.Fprintf(out, "Operators: moip ctl, or http://%s/api/v1/\n", g.admin.Addr())
	}
	fmt.Fprintf(out, "Portal: %s\nCtrl-C stops it.\n", g.about)
}

// reached returns the URIs by which this machine and others reach a listener.
func reached(scheme string, at net.Addr) (uris []string) {
	address := at.(*net.TCPAddr)
	hosts := []string{address.IP.String()}
	if address.IP.IsUnspecified() {
		hosts = append([]string{"localhost"}, addresses()...)
	}
	for _, host := range hosts {
		uris = append(uris, scheme+"://"+net.JoinHostPort(host, strconv.Itoa(address.Port)))
	}
	return uris
}

// addresses returns where other machines may reach this one.
func addresses() (ips []string) {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			ips = append(ips, n.IP.String())
		}
	}
	return ips
}

// start answers callers.
func (g *gateway) start() {
	var ctx context.Context
	ctx, g.dismiss = context.WithCancel(context.Background())
	for _, work := range g.work {
		g.tasks.Go(func() { work(ctx) })
	}
	if g.admin != nil {
		g.tasks.Go(func() { g.api.Serve(g.admin) })
	}
	for _, l := range g.listeners {
		g.doors.Go(func() {
			if err := l.Serve(g.answer); err != nil {
				g.log.Error("listener failed", "at", l.URI(), "error", err)
			}
		})
	}
}

// stop takes leave of all callers. A control link stays until the last has left,
// so that the portal hears of it.
func (g *gateway) stop() {
	g.log.Info("stopping", "calls", len(g.board.Calls()))
	g.closeDoors()
	// A caller's farewell has the drain limit; a little more is for the rest.
	drain, cancel := context.WithTimeout(context.Background(), time.Duration(g.cfg.Limits.Drain)+time.Second)
	defer cancel()
	if g.board.Shutdown(drain) != nil {
		g.log.Warn("calls are cut", "calls", len(g.board.Calls()))
	}
	g.doors.Wait() // a Minitel at a serial port is put back as it was
	g.dismiss()
	g.closeAdmin()
	g.tasks.Wait()
	g.close()
	g.log.Info("stopped")
}

// close closes what open has opened.
func (g *gateway) close() {
	g.closeDoors()
	g.closeAdmin()
	if g.teletel != nil {
		g.teletel.close()
	}
	if g.records != nil {
		g.records.Close()
	}
}

func (g *gateway) closeDoors() {
	for _, l := range g.listeners {
		l.Close()
	}
}

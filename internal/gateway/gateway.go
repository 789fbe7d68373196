package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"moip/internal/bus"
	"moip/internal/bus/natsbus"
	"moip/internal/certificate"
	"moip/internal/config"
	"moip/internal/control/admin"
	"moip/internal/control/admin/access"
	"moip/internal/control/cluster"
	"moip/internal/control/cluster/shared"
	"moip/internal/control/cluster/ship"
	"moip/internal/control/pymoip"
	"moip/internal/directory"
	"moip/internal/discreet"
	"moip/internal/downstream"
	"moip/internal/emulator"
	"moip/internal/handover"
	"moip/internal/history"
	"moip/internal/memory"
	"moip/internal/policy"
	"moip/internal/policy/ban"
	"moip/internal/policy/limit"
	"moip/internal/policy/outbound"
	"moip/internal/policy/shield"
	"moip/internal/proxied"
	"moip/internal/recording"
	"moip/internal/session"
	"moip/internal/switchboard"
	"moip/internal/trace"
	"moip/internal/upstream"
)

// A gateway is all that runs, wired together.
type gateway struct {
	log       *slog.Logger
	level     *slog.LevelVar
	unlogged  func() uint64 // lines that the log has lost
	sockets   *handover.Sockets
	projector *recording.Projector
	board     *switchboard.Board
	answer    func(session.Endpoint, session.Caller) // a new call
	configure func() session.Config                  // what all calls go by, as cfg has it
	teletel   *teletel                               // nil unless the portal is inside
	link      func() (up bool, since time.Time)      // nil unless there is one
	linkOnBus bool                                   // without it, all gateways are without, and callers may come all the same
	links     net.Listener                           // of other gateways, nil unless the portal is alone
	records   *recording.Folder                      // nil if nothing is recorded
	book      *directory.Book                        // nil if nobody needs the directory
	outbound  atomic.Pointer[outbound.Policy]
	bans      *ban.List
	keys      *certificate.Keyring
	limits    *limit.Turnstile
	redials   limit.Queue // of the portal, by calls that had lost it
	memory    *memory.Gauge
	proxies   atomic.Pointer[proxied.Trust]
	shield    *shield.Shield
	browse    atomic.Value                   // a string: where browsers are answered, * for the host; "" for nowhere
	hush      policy.Hush                    // of callers who are refused
	history   *history.History               // nil if none is kept
	shipper   *ship.Shipper                  // of its records, nil if they stay here
	bus       bus.Bus                        // to the other gateways of the hub
	hub       *cluster.Hub                   // what is known of them
	shared    *shared.Bans                   // what of bans is told to them, nil if there are none
	heirOf    string                         // the instance of the process before, "" for none
	digest    atomic.Value                   // a string: which configuration is in force
	inside    *natsbus.Server                // of the bus, nil unless it is inside
	clustered bool                           // there may be others
	files     shortage                       // of descriptors
	work      []func(context.Context)        // what else goes on, until the context is done
	about     atomic.Value                   // a string: the portal, for people
	file      string                         // of the configuration, "" for none
	source    func() (*config.Config, error) // reads the configuration anew, nil if that is not to be had
	version   string                         // of the program
	began     time.Time
	gone      chan struct{} // closed once it has nothing left to do

	mu        sync.Mutex // held while the gateway is changed
	cfg       *config.Config
	listeners []*downstream.Listener
	state     atomic.Value // running, draining, replaced or stopping

	admin        net.Listener // nil if operators cannot reach it
	adminTLS     bool         // they come by TLS
	api          *http.Server
	gate         *access.Gate // for operators; nil if they cannot reach it
	events       *admin.Events
	metrics      *admin.Metrics
	traces       *trace.Desk
	doors, tasks sync.WaitGroup
	dismiss      context.CancelFunc // ends the work
	stopped      context.Context    // done once the gateway is told to stop, with what was under way
	halt         context.CancelFunc // ends stopped
}

// open wires a gateway, and opens its doors. Nobody is answered before start. Once ctx is
// done, nothing is waited for that is not needed to stop.
func open(ctx context.Context, p Plan, log *logbook, sockets *handover.Sockets) (*gateway, error) {
	g := &gateway{
		cfg: p.Config, file: p.File, source: p.Source, version: p.Version, log: log.Logger, level: log.level, unlogged: log.losses, sockets: sockets,
		projector: recording.NewProjector(log.Logger), board: switchboard.New(log.Logger), events: admin.NewEvents(),
		began: time.Now(), gone: make(chan struct{}),
	}
	g.stopped, g.halt = context.WithCancel(ctx)
	g.state.Store(running)
	g.digestConfig()
	g.proxies.Store(g.cfg.Proxies.Options())
	g.answer, g.metrics, g.traces = g.board.Answer, admin.NewMetrics(g.board), trace.NewDesk(g.board)
	g.files.log, g.files.metrics = g.log, g.metrics
	g.inherit(sockets.Told())
	for _, step := range []func() error{
		g.openRecordings, g.openCertificates, g.openPolicy, g.openCluster, g.openShared, g.openNews, g.openHistory,
		func() error { return g.wire(p.Portal) },
		func() error { return g.openTrace(p.Trace) },
		g.openDoors, g.openAdmin,
	} {
		if err := step(); err != nil {
			g.close()
			return nil, err
		}
	}
	g.redirectBy()
	g.work = append(g.work, g.tidy)
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
	for _, uri := range g.cfg.Listen {
		l, err := g.openDoor(g.cfg, uri, g.sockets.Listen)
		if err != nil {
			return err
		}
		g.listeners = append(g.listeners, l)
	}
	g.noteBrowse()
	g.keys.At(places(g.listeners))
	return nil
}

// openDoor opens a listener, at a socket that socket opens.
func (g *gateway) openDoor(cfg *config.Config, uri string, socket func(string) (net.Listener, error)) (*downstream.Listener, error) {
	l, err := downstream.Listen(uri, downstream.Options{
		Ping: orNever(cfg.Limits.Ping), Stall: orNever(cfg.Limits.Stall), Web: g.keys.Challenges(g.watched()), Log: g.log,
		Open: socket, Record: cfg.Recordings.Calls, Admit: g.admit, Arrive: g.arrive, Enter: g.enter, Guard: guard{g}, Tap: g.traces.Arriving,
		Proxies: g.proxies.Load, Short: g.files.note, Refused: g.refuseUnknown, TLS: g.keys.Clients,
	})
	return l, withAdvice(err)
}

// web is what browsers are answered with.
var web = sync.OnceValue(emulator.Handler)

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

// unsent is how many bytes not yet sent may wait in the kernel for a service. The rest is
// seen to wait by the session, which gives its caller back to the portal before there are
// too many keys.
const unsent = 2 << 10

// calls returns what all calls have in common, but for the portal.
func (g *gateway) calls() session.Config {
	limits := g.cfg.Limits
	dialer := &upstream.Dialer{Stall: orNever(limits.Stall), Unsent: unsent, Permit: g.permit}
	calls := session.Config{
		DialService: g.files.noting(func(ctx context.Context, call session.ID, r session.Route) (session.Endpoint, error) {
			if recording.IsRoute(r.URL) {
				return g.projector.Dial(ctx, call, r)
			}
			return dialer.Dial(ctx, call, r)
		}),
		Limits: session.Limits{
			Idle: time.Duration(limits.Idle), Visit: time.Duration(limits.Visit), Call: time.Duration(limits.Call),
			Dial: time.Duration(limits.Dial), Wait: time.Duration(limits.Wait), Drain: time.Duration(limits.Drain),
			Keys: limits.Keys,
		},
	}
	calls.Tapper = g.traces.Tapper
	if g.records != nil {
		calls.Recorder = g.records.Record
	}
	return calls
}

// wire connects the board with the portal, inside or not, and the services.
func (g *gateway) wire(other Portal) error {
	if other != nil {
		return other(g)
	}
	if g.cfg.Builtin() {
		return g.wireTeletel()
	}
	if err := g.openBook(); err != nil {
		return err
	}
	if g.cfg.LinkOnBus() {
		g.wirePortals()
		return nil
	}
	url := g.cfg.LinkURL()
	if url == "" {
		g.openBoard(g.outside)
		return nil
	}
	link := pymoip.New(pymoip.Options{URL: url, TokenFile: g.cfg.LinkTokenFile, CA: g.cfg.LinkCA, Board: g.board, Log: g.log})
	if g.cfg.LinkInClear() {
		g.log.Warn("the token of the control link can be read on the way; wss:// would hide it", "link", discreet.URL(url))
	}
	g.link = link.State
	g.work = append(g.work, link.Run)
	g.openBoard(func() session.Config {
		calls := g.outside()
		calls.DialPortal = link.Introduce(calls.DialPortal)
		return calls
	}, link.Event)
	return nil
}

// outside is calls with the portal that is not inside.
func (g *gateway) outside() session.Config {
	about := discreet.URL(g.cfg.Portal.URL)
	if url := g.cfg.LinkURL(); url != "" {
		about += ", control link " + discreet.URL(url)
	} else if g.cfg.LinkOnBus() {
		about += ", control link over NATS"
	}
	g.about.Store(about)
	calls := g.calls()
	calls.Portal = g.cfg.Portal.Session("portal")
	if recording.IsRoute(calls.Portal.URL) {
		calls.Portal.Fin = session.FinClose // it hears no keys
	}
	calls.DialPortal = calls.DialService
	pace := g.cfg.Limits.NewCalls
	calls.Turn = func() time.Duration { return g.redials.Turn(pace) }
	return calls
}

// openBoard puts the board in service, followed by operators too. Its calls go by what
// configure says. The portal, which knows costs, is told before history.
func (g *gateway) openBoard(configure func() session.Config, follow ...func(session.Event)) {
	g.configure = configure
	follow = append(follow, g.events.Note, g.metrics.Note, g.traces.Note, g.shield.Note)
	if g.history != nil {
		follow = append(follow, g.history.Note)
	}
	g.board.Open(configure(), follow...)
}

// wireTeletel is wire with the portal inside.
func (g *gateway) wireTeletel() error {
	if err := g.openTeletel(g.calls().DialService); err != nil {
		return err
	}
	p := g.teletel.portal(g.board, false)
	g.openBoard(func() session.Config {
		g.about.Store("built in, " + g.teletel.about())
		calls := g.calls()
		calls.Portal.Record = g.cfg.Portal.Record
		calls.DialPortal, calls.DialService = p.Dial, g.teletel.dial(calls.DialService)
		return calls
	}, p.Event)
	return nil
}

// start answers callers.
func (g *gateway) start() {
	var ctx context.Context
	ctx, g.dismiss = context.WithCancel(context.Background())
	for _, work := range g.work {
		g.tasks.Go(func() { work(ctx) })
	}
	if g.admin != nil {
		g.tasks.Go(func() { g.api.Serve(g.adminDoor()) })
	}
	g.mu.Lock() // operators may have it changed by now
	for _, l := range g.listeners {
		g.serve(l)
	}
	g.mu.Unlock()
	for _, at := range g.sockets.Ready() {
		g.log.Warn("a socket was handed over that no listener is for", "at", at)
	}
}

func (g *gateway) serve(l *downstream.Listener) {
	g.doors.Go(func() {
		if err := l.Serve(g.answer); err != nil {
			g.log.Error("listener failed", "at", l.URI(), "error", err)
		}
	})
}

// stop takes leave of all callers. A control link stays until the last has left,
// so that the portal hears of it.
func (g *gateway) stop() {
	g.halt() // else the lock might be a new process's, until that is ready
	g.mu.Lock()
	g.become(stopping)
	g.mu.Unlock() // from here on, nothing is changed
	calls, _ := g.board.Count()
	g.log.Info("stopping", "calls", calls)
	g.closeDoors()
	// A caller's farewell has the drain limit; a little more is for the rest.
	drain, cancel := context.WithTimeout(context.Background(), time.Duration(g.cfg.Limits.Drain)+time.Second)
	defer cancel()
	if g.board.Shutdown(drain) != nil {
		calls, _ = g.board.Count()
		g.log.Warn("calls are cut", "calls", calls)
	}
	g.doors.Wait() // a Minitel at a serial port is put back as it was
	g.dismiss()
	g.closeAdminSoon()
	g.tasks.Wait()
	g.close()
	g.log.Info("stopped")
}

// close closes what open has opened.
func (g *gateway) close() {
	g.halt()
	g.closeDoors()
	g.closeAdmin()
	if g.links != nil {
		g.links.Close()
	}
	if g.teletel != nil {
		g.teletel.close()
	}
	if g.records != nil {
		g.records.Close()
	}
	if g.shield != nil {
		g.shield.Close()
	}
	if g.keys != nil {
		g.keys.Close()
	}
	if g.bans != nil {
		g.bans.Close() // it has logged what it cannot write
	}
	g.closeHistory()
	if g.bus != nil {
		g.bus.Close()
	}
	g.files.close()
}

func (g *gateway) closeDoors() {
	for _, l := range g.listeners {
		l.Close()
	}
}

package natsbus

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"moip/internal/bus"
	"moip/internal/certificate"
	"moip/internal/policy/token"
)

// What the server inside goes by.
const (
	routePing  = 2 * time.Second // so that a route that is cut is noticed as a connection is
	routeLook  = 250 * time.Millisecond
	meetTime   = 100 * time.Millisecond // for servers to tell each other what is followed where
	settleTime = 500 * time.Millisecond
	startTime  = 10 * time.Second
	heirTime   = 100 * time.Millisecond
	maxPayload = bus.MaxData + 64<<10
	maxPending = 32 << 20 // bytes that wait for another server; one that is slower is left
)

// ServerOptions of a Server.
type ServerOptions struct {
	Listen string      // host:port, where the servers of other gateways come
	Routes []string    // host:port, where those of some others are; our own may be among them
	Secret token.Token // by which they know each other; none if it is zero

	// Files in PEM, all or none: what is shown to the others, and who has signed theirs.
	Cert, Key, CA string

	// Heir has the server wait for the port until the process that this one replaces
	// yields it.
	Heir bool

	Name string // of the gateway
	Log  *slog.Logger
}

// A Server is a NATS server in this process. Clients come from this process alone, the
// servers of other gateways by routes. It keeps nothing on disk.
type Server struct {
	o      ServerOptions
	others bool        // should be there
	token  string      // by which this process knows itself
	tls    *tls.Config // of routes, nil for none
	ctx    context.Context
	halt   context.CancelFunc
	work   sync.WaitGroup
	turn   sync.Mutex // held while a server is started or ended
	mu     sync.Mutex
	server *server.Server // guarded by mu, as all below; nil while there is none
	met    time.Time      // the first of those that are, zero if none is
}

// user is what servers call each other, beside the secret.
const user = "moip"

// StartServer returns a Server that listens, or will as an heir. Its errors name files and
// addresses; one that wraps syscall.EADDRINUSE is that of a port that is taken.
func StartServer(o ServerOptions) (*Server, error) {
	s := &Server{o: o, token: rand.Text(), others: slices.ContainsFunc(o.Routes, func(route string) bool { return route != o.Listen })}
	s.ctx, s.halt = context.WithCancel(context.Background())
	if o.Cert != "" {
		var err error
		if s.tls, err = mutualTLS(o.Cert, o.Key, o.CA); err != nil {
			return nil, err
		}
	}
	switch err := s.start(o.Listen, o.Routes); {
	case err == nil:
	case o.Heir && errors.Is(err, syscall.EADDRINUSE):
		s.work.Go(s.inherit)
	default:
		return nil, fmt.Errorf("the NATS server inside: %w", err)
	}
	return s, nil
}

// inherit starts the server once its port is free.
func (s *Server) inherit() {
	tick := time.NewTicker(heirTime)
	defer tick.Stop()
	var told hush
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		err := s.start(s.o.Listen, s.o.Routes)
		if err == nil {
			return
		}
		if !errors.Is(err, syscall.EADDRINUSE) && told.isNew(err.Error(), time.Now()) {
			s.o.Log.Error("the NATS server inside does not start; it is tried again", "error", err)
		}
	}
}

// Yield leaves the port to the process that replaces this one. The gateway stays on the bus,
// by way of that process and of all that it has gone by before.
func (s *Server) Yield() {
	s.end()
	if err := s.start("127.0.0.1:0", append([]string{Nearby(s.o.Listen)}, s.o.Routes...)); err != nil {
		s.o.Log.Error("the NATS server inside does not start again; the calls that are left here are steered here alone", "error", err)
	}
}

// Nearby returns where who listens at an address is reached on this machine.
func Nearby(listen string) string {
	host, port, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// start starts a server, unless the Server is closed.
func (s *Server) start(listen string, routes []string) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.ctx.Err() != nil {
		return nil
	}
	probe, err := net.Listen("tcp", listen) // the server would not tell
	if err != nil {
		return err
	}
	probe.Close()
	o, err := s.options(listen, routes)
	if err != nil {
		return err
	}
	inside, err := server.NewServer(o)
	if err != nil {
		return err
	}
	inside.SetLoggerV2(&serverLog{log: s.o.Log}, false, false, false)
	inside.Start()
	if !inside.ReadyForConnections(startTime) {
		inside.Shutdown()
		inside.WaitForShutdown()
		return fmt.Errorf("it does not listen at %s (the log may say why)", listen)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server = inside
	return nil
}

// end ends the server, if there is one.
func (s *Server) end() {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	inside := s.server
	s.server = nil
	s.mu.Unlock()
	if inside != nil {
		inside.Shutdown()
		inside.WaitForShutdown()
	}
}

func (s *Server) options(listen string, routes []string) (*server.Options, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	if number == 0 {
		number = server.RANDOM_PORT
	}
	opts := &server.Options{
		ServerName: s.o.Name + "-" + rand.Text()[:8],
		// Clients come by InProcessConn. A port is opened all the same, for without one the
		// server waits for it before it listens for routes; nobody knows the token.
		Host: "127.0.0.1", Port: server.RANDOM_PORT, Authorization: s.token, MaxConn: 16,
		NoSigs: true, NoLog: true, MaxPayload: maxPayload, MaxPending: maxPending, WriteDeadline: writeTime,
		PingInterval: pingTime, MaxPingsOut: maxPings, DisableShortFirstPing: true,
	}
	opts.Cluster = server.ClusterOpts{
		Name: "moip", Host: host, Port: number, PoolSize: -1, Compression: server.CompressionOpts{Mode: server.CompressionOff},
		PingInterval: routePing, MaxPingsOut: maxPings, ConnectBackoff: false, AuthTimeout: 5, TLSTimeout: 5,
	}
	var login *url.Userinfo
	if !s.o.Secret.IsZero() {
		opts.Cluster.Username, opts.Cluster.Password = user, s.o.Secret.Secret()
		login = url.UserPassword(user, s.o.Secret.Secret())
	}
	for _, route := range routes {
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: route, User: login})
	}
	if s.tls != nil {
		opts.Cluster.TLSConfig = s.tls.Clone()
	}
	return opts, nil
}

// mutualTLS returns what is shown, and asked for, by both ends of a route.
func mutualTLS(cert, key, ca string) (*tls.Config, error) {
	own, err := pair(cert, key)
	if err != nil {
		return nil, err
	}
	pool, err := certificate.Authorities(ca)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{own}, RootCAs: pool, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}, nil
}

// At tells where the other servers come.
func (s *Server) At() string { return "the server inside, " + s.o.Listen }

// InProcessConn connects a client.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil, errors.New("the server inside waits for its port, " + s.o.Listen)
	}
	return s.server.InProcessConn()
}

// option has a client come to the server.
func (s *Server) option() nats.Option {
	return func(o *nats.Options) error {
		o.Token = s.token
		return nats.InProcessServer(s)(o)
	}
}

// alone returns why the server is connected with no other that should be there, nil if it
// is, or if no routes say that there are others.
func (s *Server) alone() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	if s.server != nil {
		n = s.server.NumRoutes()
	}
	if n == 0 {
		s.met = time.Time{}
	} else if s.met.IsZero() {
		s.met = time.Now()
	}
	if s.others && (n == 0 || time.Since(s.met) < meetTime) {
		return errAlone
	}
	return nil
}

// settle waits a little for routes, if others can be there.
func (s *Server) settle() {
	for end := time.Now().Add(settleTime); s.alone() != nil && time.Now().Before(end); {
		time.Sleep(settleTime / 50)
	}
}

var errAlone = errors.New("no other gateway's server can be reached")

// follow has f told of alone every routeLook.
func (s *Server) follow(f func(alone error)) {
	s.work.Go(func() {
		tick := time.NewTicker(routeLook)
		defer tick.Stop()
		for {
			f(s.alone())
			select {
			case <-tick.C:
			case <-s.ctx.Done():
				return
			}
		}
	})
}

// Close ends the server.
func (s *Server) Close() {
	s.halt()
	s.work.Wait()
	s.end()
}

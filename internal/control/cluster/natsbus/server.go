package natsbus

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"moip/internal/control/cluster/bus"
	"moip/internal/policy/token"
)

// What the server inside goes by.
const (
	routePing  = 2 * time.Second // so that a route that is cut is noticed as a connection is
	routeLook  = 500 * time.Millisecond
	startTime  = 10 * time.Second
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

	Name string // of the gateway
	Log  *slog.Logger
}

// A Server is a NATS server in this process. Clients come from this process alone, the
// servers of other gateways by routes. It keeps nothing on disk.
type Server struct {
	o        ServerOptions
	expected bool // others, that is: some are known
	server   *server.Server
	token    string // by which this process knows itself
	halt     chan struct{}
	work     sync.WaitGroup
}

// user is what servers call each other, beside the secret.
const user = "moip"

// StartServer returns a Server that listens. Its errors name files and addresses.
func StartServer(o ServerOptions) (*Server, error) {
	s := &Server{o: o, expected: len(o.Routes) > 0, token: rand.Text(), halt: make(chan struct{})}
	opts, err := s.options()
	if err != nil {
		return nil, err
	}
	if s.server, err = server.NewServer(opts); err != nil {
		return nil, fmt.Errorf("the NATS server inside: %w", err)
	}
	log := &serverLog{log: o.Log}
	s.server.SetLoggerV2(log, false, false, false)
	s.server.Start()
	if err := s.ready(); err != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
		return nil, fmt.Errorf("the NATS server inside, at %s: %w", o.Listen, errors.Join(log.failure(), err))
	}
	return s, nil
}

func (s *Server) options() (*server.Options, error) {
	host, port, err := net.SplitHostPort(s.o.Listen)
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
	for _, route := range s.o.Routes {
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: route, User: login})
	}
	if s.o.Cert != "" {
		if opts.Cluster.TLSConfig, err = mutualTLS(s.o.Cert, s.o.Key, s.o.CA); err != nil {
			return nil, err
		}
	}
	return opts, nil
}

// mutualTLS returns what is shown, and asked for, by both ends of a route.
func mutualTLS(cert, key, ca string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", cert, key, err)
	}
	data, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s: has no certificate in PEM", ca)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}, nil
}

// ready waits until clients and servers are answered.
func (s *Server) ready() error {
	if !s.server.ReadyForConnections(startTime) {
		return errors.New("it does not start")
	}
	return nil
}

// At tells where the other servers come.
func (s *Server) At() string { return "the server inside, " + s.server.ClusterAddr().String() }

// option has a client come to the server.
func (s *Server) option() nats.Option {
	return func(o *nats.Options) error {
		o.Token = s.token
		return nats.InProcessServer(s.server)(o)
	}
}

// alone returns why the server is connected with no other. One that knows of none is not
// alone before others have come.
func (s *Server) alone() error {
	n := s.server.NumRoutes()
	s.expected = s.expected || n > 0
	if s.expected && n == 0 {
		return errAlone
	}
	return nil
}

// follow has f told of alone twice a second.
func (s *Server) follow(f func(alone error)) {
	s.work.Go(func() {
		tick := time.NewTicker(routeLook)
		defer tick.Stop()
		for {
			f(s.alone())
			select {
			case <-tick.C:
			case <-s.halt:
				return
			}
		}
	})
}

var errAlone = errors.New("no other gateway's server can be reached")

// Close ends the server.
func (s *Server) Close() {
	close(s.halt)
	s.work.Wait()
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

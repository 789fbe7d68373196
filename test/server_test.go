package test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// A server is a door of the story's: of a portal, a service or a command port.
type server struct {
	scheme   string // ws, wss, telnet, telnets, tcp or tcps
	address  string // taken again when it returns
	secure   *tls.Config
	listener net.Listener
	calls    chan net.Conn // accepted by the kernel, unanswered
	done     sync.WaitGroup
}

var addresses atomic.Uint32

// ownAddress returns an address that no other server of any story has, nor a
// gateway: the port of one that has died stays closed until it returns. Where
// loopback is a single address, that cannot be had.
func ownAddress() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1:0"
	}
	n := addresses.Add(1)
	return fmt.Sprintf("127.1.%d.%d:0", n/200, 1+n%200)
}

func (s *server) listen() (err error) {
	if s.listener, err = net.Listen("tcp", s.address); err != nil {
		return err
	}
	s.address = s.listener.Addr().String()
	s.calls = make(chan net.Conn, 16)
	s.done.Go(func() {
		defer close(s.calls)
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.calls <- conn
		}
	})
	return nil
}

// url is what the gateway is told to dial.
func (s *server) url() string {
	url := s.scheme + "://" + s.address
	if strings.HasPrefix(s.scheme, "ws") {
		url += "/"
	}
	return url
}

// leave closes the door, also to those who wait before it.
func (s *server) leave() {
	s.listener.Close()
	for conn := range s.calls {
		conn.Close()
	}
	s.done.Wait()
}

// next takes the next call.
func (s *server) next() (net.Conn, error) {
	select {
	case conn, ok := <-s.calls:
		if !ok {
			return nil, errors.New("it does not listen")
		}
		if s.secure != nil {
			conn = tls.Server(conn, s.secure)
		}
		return conn, nil
	case <-time.After(patience):
		return nil, errors.New("nobody calls")
	}
}

// accept does the server's half of a WebSocket handshake.
func accept(conn net.Conn, subprotocol string) (*websocket.Conn, error) {
	conn.SetDeadline(time.Now().Add(patience))
	defer conn.SetDeadline(time.Time{})
	r := bufio.NewReader(conn)
	request, err := http.ReadRequest(r)
	if err != nil {
		return nil, err
	}
	options := &websocket.AcceptOptions{}
	if subprotocol != "" {
		options.Subprotocols = []string{subprotocol}
	}
	return websocket.Accept(&answer{conn, r, http.Header{}}, request, options)
}

// An answer is a ResponseWriter that can only be taken over.
type answer struct {
	conn   net.Conn
	r      *bufio.Reader
	header http.Header
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(p []byte) (int, error) { return a.conn.Write(p) }

func (a *answer) WriteHeader(status int) {
	fmt.Fprintf(a.conn, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	a.header.Write(a.conn)
	fmt.Fprint(a.conn, "\r\n")
}

func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return a.conn, bufio.NewReadWriter(a.r, bufio.NewWriter(a.conn)), nil
}

// certify returns what a server at address needs for TLS, and the
// certificate, in PEM, of an authority that nobody else knows.
func certify(address string) (*tls.Config, []byte, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "an authority of one's own"},
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.ParseIP(host)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return config, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

package admin

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"moip/internal/control/admin/access"
	"moip/internal/policy/token"
)

// A Client asks the API of a gateway.
type Client struct {
	// TLS returns how a gateway is known whose address is https, and how we are. It is
	// asked for with each connection. Nil is for what the system trusts.
	TLS func() (*tls.Config, error)

	// Token returns the token that is shown to the gateway, which may be the zero one for
	// none. It is asked for with each request. Nil is for none.
	Token func() (token.Token, error)

	root string
	http http.Client
}

// NewClient returns a Client of the gateway whose operators' address that is, as
// host:port or a URL.
func NewClient(address string) *Client {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	c := &Client{root: strings.TrimSuffix(address, "/") + root}
	c.http.Timeout = 70 * time.Second
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // our token is for no other
	if strings.HasPrefix(address, "https:") {
		door := http.DefaultTransport.(*http.Transport).Clone()
		door.DialTLSContext, door.DisableKeepAlives = c.dialTLS, true
		c.http.Transport = door
	}
	return c
}

func (c *Client) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	var config *tls.Config
	if c.TLS != nil {
		var err error
		if config, err = c.TLS(); err != nil {
			return nil, err
		}
	}
	return (&tls.Dialer{Config: config}).DialContext(ctx, network, address)
}

// Do performs an operation: method and path are its own, in is what it is told and
// out what it tells, each nil for nothing; a *[]byte is told it as it is. Its error is what the gateway has to say,
// or that there is none.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	r, err := c.request(ctx, method, path, &body)
	if err != nil {
		return err
	}
	w, err := c.http.Do(r)
	if err != nil {
		return c.unreached(r, err)
	}
	defer w.Body.Close()
	if w.StatusCode >= 300 {
		return reasonOf(r, w)
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out, err = io.ReadAll(w.Body)
		return err
	}
	return json.NewDecoder(w.Body).Decode(out)
}

// request returns one of ours.
func (c *Client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.root+path, body)
	if err != nil || c.Token == nil {
		return r, err
	}
	t, err := c.Token()
	if err == nil && !t.IsZero() {
		r.Header.Set("Authorization", t.Authorization())
	}
	return r, err
}

// Follow tells of events of the whole hub as they happen, until ctx is done or tell fails,
// whose error it returns. When the connection breaks it is made again, and nothing is missed
// that the gateways still know. The first connection has to be had.
func (c *Client) Follow(ctx context.Context, tell func(Event) error) error {
	return c.FollowGateway(ctx, "", tell)
}

// FollowGateway is Follow with the events of one gateway of the hub.
func (c *Client) FollowGateway(ctx context.Context, gateway string, tell func(Event) error) error {
	path := "/events"
	if gateway != "" {
		path += "?gateway=" + url.QueryEscape(gateway)
	}
	last, err := c.follow(ctx, path, "", tell)
	for ctx.Err() == nil && !errors.As(err, new(refusal)) {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
		last, err = c.follow(ctx, path, last, tell)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// A refusal is an error that trying again does not mend.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// Watch tells what the caller of a call, as 42 or paris-42, sees as it changes, until the
// call is over, ctx is done or tell fails, whose error it returns.
func (c *Client) Watch(ctx context.Context, call string, tell func(Frame) error) error {
	over := false
	err := c.stream(ctx, "/calls/"+url.PathEscape(call)+"/screen/live", "", func(_ string, data []byte) error {
		var f Frame
		if err := json.Unmarshal(data, &f); err != nil {
			return err
		}
		over = f.Over
		return tell(f)
	})
	if ctx.Err() != nil || over {
		return nil
	}
	return cmp.Or(err, io.ErrUnexpectedEOF)
}

// follow is one connection of Follow's, from behind an event on. It returns the last.
func (c *Client) follow(ctx context.Context, path, last string, tell func(Event) error) (string, error) {
	begun := last != ""
	err := c.stream(ctx, path, last, func(id string, data []byte) error {
		last = cmp.Or(id, last)
		var e Event
		if data == nil {
			return nil // a place, to come back to
		}
		if err := json.Unmarshal(data, &e); err != nil {
			return refusal{err}
		}
		if err := tell(e); err != nil {
			return refusal{err}
		}
		return nil
	})
	if err != nil && !begun && errors.Is(err, syscall.ECONNREFUSED) {
		return last, refusal{err}
	}
	return last, err
}

// stream reads the data of server-sent events, and their ids, from behind the one called
// last on if it is not "". Of an id alone it tells without data.
func (c *Client) stream(ctx context.Context, path, last string, tell func(id string, data []byte) error) error {
	r, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return refusal{err}
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	endless := c.http
	endless.Timeout = 0
	w, err := endless.Do(r)
	if err != nil {
		return c.unreached(r, err)
	}
	defer w.Body.Close()
	if w.StatusCode != http.StatusOK {
		return refusal{reasonOf(r, w)}
	}
	lines := bufio.NewScanner(w.Body)
	lines.Buffer(nil, 1<<20)
	id, data := "", []byte(nil)
	for lines.Scan() {
		line := lines.Text()
		if value, ok := strings.CutPrefix(line, "id: "); ok {
			id = value
		}
		if value, ok := strings.CutPrefix(line, "data: "); ok {
			data = []byte(value)
		}
		if line != "" || id == "" && data == nil {
			continue
		}
		if err := tell(id, data); err != nil {
			return err
		}
		id, data = "", nil
	}
	return lines.Err()
}

// ErrUnknown is that of a request that a gateway refuses to whom it does not know.
var ErrUnknown = errors.New("who asks is not known")

// An unknown is ErrUnknown, in the words of the gateway.
type unknown struct{ error }

func (unknown) Is(target error) bool { return target == ErrUnknown }

// reasonOf returns what the gateway has to say about a request that it refuses.
func reasonOf(r *http.Request, w *http.Response) error {
	var told Error
	if json.NewDecoder(w.Body).Decode(&told) != nil || told.Error == "" {
		if w.StatusCode == http.StatusBadRequest && r.URL.Scheme == "http" {
			return fmt.Errorf("%s answers %s (if it has TLS, write https://%[1]s)", r.URL.Host, w.Status)
		}
		return fmt.Errorf("%s answers %s", r.URL.Host, w.Status)
	}
	if w.StatusCode == http.StatusUnauthorized && strings.HasPrefix(w.Header.Get("WWW-Authenticate"), access.Challenge) {
		return unknown{errors.New(told.Error)}
	}
	return errors.New(told.Error)
}

// unreached says that there is no gateway, if that is why a request failed.
func (c *Client) unreached(r *http.Request, err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no gateway answers at %s (is it running, and without --admin none? --admin names another): %w", r.URL.Host, syscall.ECONNREFUSED)
	}
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		return fmt.Errorf("who answers at %s is not known (--ca names a file of authorities to trust): %w", r.URL.Host, errors.Unwrap(err))
	}
	return err
}

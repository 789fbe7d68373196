package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// A Client asks the API of a gateway.
type Client struct {
	root string
	http http.Client
}

// NewClient returns a Client of the gateway whose operators' address that is, as
// host:port or a URL.
func NewClient(address string) *Client {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	return &Client{root: strings.TrimSuffix(address, "/") + root, http: http.Client{Timeout: 10 * time.Second}}
}

// Do performs an operation: method and path are its own, in is what it is told and
// out what it tells, each nil for nothing. Its error is what the gateway has to say,
// or that there is none.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, c.root+path, &body)
	if err != nil {
		return err
	}
	w, err := c.http.Do(r)
	if err != nil {
		return c.unreached(r, err)
	}
	defer w.Body.Close()
	if w.StatusCode >= 300 {
		var told Error
		if json.NewDecoder(w.Body).Decode(&told) != nil || told.Error == "" {
			return fmt.Errorf("%s answers %s", r.URL.Host, w.Status)
		}
		return errors.New(told.Error)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(w.Body).Decode(out)
}

// Follow tells of events as they happen, until ctx is done or tell fails, whose error
// it returns. When the connection breaks it is made again, and nothing is missed that
// the gateway still knows. The first connection has to be had.
func (c *Client) Follow(ctx context.Context, tell func(Event) error) error {
	last, err := c.follow(ctx, "", tell)
	for ctx.Err() == nil && !errors.As(err, new(refusal)) {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
		last, err = c.follow(ctx, last, tell)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// A refusal is an error that trying again does not mend.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// follow is one connection of Follow's, from behind an event on. It returns the last.
func (c *Client) follow(ctx context.Context, last string, tell func(Event) error) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.root+"/events", nil)
	if err != nil {
		return last, refusal{err}
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil && last == "" {
		return last, refusal{c.unreached(r, err)}
	}
	if err != nil {
		return last, err
	}
	defer w.Body.Close()
	if w.StatusCode != http.StatusOK {
		return last, refusal{fmt.Errorf("%s answers %s", r.URL.Host, w.Status)}
	}
	lines := bufio.NewScanner(w.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return last, refusal{err}
		}
		if e.ID != "" {
			last = e.ID
		}
		if err := tell(e); err != nil {
			return last, refusal{err}
		}
	}
	return last, lines.Err()
}

// unreached says that there is no gateway, if that is why a request failed.
func (c *Client) unreached(r *http.Request, err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no gateway answers at %s (is it running, and without --admin none? --admin names another)", r.URL.Host)
	}
	return err
}

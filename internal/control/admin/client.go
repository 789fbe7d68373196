package admin

import (
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
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no gateway answers at %s (is it running, and without --admin none? --admin names another)", r.URL.Host)
	}
	if err != nil {
		return err
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

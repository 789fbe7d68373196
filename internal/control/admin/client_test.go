package admin

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"moip/internal/policy/token"
)

// What has no end is asked for as all else is: by TLS, of whom we trust.
func TestFollowByTLS(t *testing.T) {
	door := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "data: {\"over\": true}\n\n")
	}))
	defer door.Close()
	c := NewClient(door.URL)
	c.TLS = func() (*tls.Config, error) {
		return door.Client().Transport.(*http.Transport).TLSClientConfig.Clone(), nil
	}
	told := false
	if err := c.Watch(t.Context(), "1", func(Frame) error { told = true; return nil }); err != nil || !told {
		t.Errorf("told: %v, %v", told, err)
	}
}

// Whoever answers may send us nowhere else: our token is for the gateway alone.
func TestSentOn(t *testing.T) {
	var shown atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		shown.Add(1)
	}))
	defer other.Close()
	door := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer door.Close()
	c := NewClient(door.URL)
	c.Token = func() (token.Token, error) { return token.Parse("0123456789abcdef") }
	if err := c.Do(t.Context(), "GET", "/state", nil, nil); err == nil {
		t.Error("an order is sent on")
	}
	if err := c.Watch(t.Context(), "1", func(Frame) error { return nil }); err == nil {
		t.Error("who watches is sent on")
	}
	if n := shown.Load(); n > 0 {
		t.Errorf("another was asked %d times", n)
	}
}

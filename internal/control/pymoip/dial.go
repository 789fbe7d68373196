package pymoip

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"

	"github.com/coder/websocket"

	"moip/internal/certificate"
	"moip/internal/policy/token"
)

// reach opens a link. The answer is there if there was one. What o names is read anew each
// time, so that a token or an authority that has changed is in force with the next dial.
func reach(ctx context.Context, o Options) (*websocket.Conn, *http.Response, error) {
	header := http.Header{}
	if o.TokenFile != "" {
		t, err := token.ReadOne(o.TokenFile)
		if err != nil {
			return nil, nil, fmt.Errorf("the token of the link: %w", err)
		}
		header.Set("Authorization", t.Authorization())
	}
	roots, err := certificate.Authorities(o.CA)
	if err != nil {
		return nil, nil, err
	}
	trust := &tls.Config{NextProtos: []string{"http/1.1"}, RootCAs: roots}
	// A client of its own: no proxy, no connection kept for a refused handshake. It goes
	// to nobody but whom it was told to: a portal may send it neither with our token nor
	// to what only this machine can reach.
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust, DialContext: o.socket},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	conn, answer, err := websocket.Dial(ctx, o.URL, &websocket.DialOptions{
		HTTPClient:   client,
		HTTPHeader:   header,
		Subprotocols: []string{"binary", "tty"}, // as PyMoIP; its server selects none
	})
	if err != nil {
		return nil, answer, refused(answer, err)
	}
	return conn, answer, nil
}

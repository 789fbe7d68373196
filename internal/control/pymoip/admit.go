package pymoip

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"moip/internal/policy/token"
)

// recheck is how often it is looked whether a link's token is still one.
const recheck = 30 * time.Second

var errRevoked = errors.New("its token is none any more")

// admits reports whether a link may be had: from an address of a gateway, with a token if
// tokens are wanted, which then is shown. If not, it has answered w.
func (s *Server) admits(w http.ResponseWriter, r *http.Request, host netip.Addr) (shown string, ok bool) {
	refuse := func(status int, aloud, text string, a ...any) (string, bool) {
		s.muffler.complain("gateway refused: "+aloud, "from", r.RemoteAddr)
		http.Error(w, fmt.Sprintf(text, a...), status)
		return "", false
	}
	if !s.allows(host) {
		return refuse(http.StatusForbidden, "its address is not allowed",
			"This is a portal's control link, for its gateways. %s is not one of them (see --gateways).", r.RemoteAddr)
	}
	if r.Header.Get("Origin") != "" { // which browsers alone have (RFC 6455, section 4.1)
		return refuse(http.StatusForbidden, "it is a page in a browser", "This is for gateways, and for no page in a browser.")
	}
	if s.tokenFile == "" {
		return "", true
	}
	all, err := token.Read(s.tokenFile)
	if err != nil {
		s.log.Error("gateway refused: the tokens cannot be read", "err", err)
		http.Error(w, "This portal cannot read its gateways' tokens.", http.StatusServiceUnavailable)
		return "", false
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="MoIP"`)
	shown, is := token.Bearer(r.Header.Get("Authorization"))
	if !is {
		return refuse(http.StatusUnauthorized, "it shows no token", "This portal wants a token of its gateways (MoIP's: link_token_file).")
	}
	found, wait := s.tries.Try(host, func() bool { return token.Find(all, shown) >= 0 })
	switch {
	case found:
		w.Header().Del("WWW-Authenticate")
		return shown, true
	case wait > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		return refuse(http.StatusTooManyRequests, "it has shown too many wrong tokens", "Too many wrong tokens came from this address.")
	}
	return refuse(http.StatusUnauthorized, "its token is wrong", "This portal does not know this token.")
}

// watch drops a link when the token that was shown is none any more, until ctx is done. That
// the file cannot be read cuts nobody off: it may be about to come back.
func (s *Server) watch(ctx context.Context, shown string, drop context.CancelCauseFunc) {
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if all, err := token.Read(s.tokenFile); err == nil && token.Find(all, shown) < 0 {
			drop(errRevoked)
			return
		}
	}
}

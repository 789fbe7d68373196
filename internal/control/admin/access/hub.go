package access

import (
	"context"
	"log/slog"
	"net/http"
)

// By these, a gateway that has let somebody in tells another of its hub who asks. Only
// Vouched reads them, which nobody reaches but those gateways.
const (
	roleHeader    = "Moip-Role"
	nameHeader    = "Moip-Name"
	gatewayHeader = "Moip-Gateway"
)

// Vouch adds to the header of a request for another gateway of the hub who asks, and which
// gateway has let them in.
func Vouch(h http.Header, v Visitor, gateway string) {
	h.Set(roleHeader, v.Role.String())
	h.Set(nameHeader, v.Name)
	h.Set(gatewayHeader, gateway)
}

// Vouched has next answer those whom another gateway of the hub has let in, and who have at
// least a role there. Nobody else must reach it.
func Vouched(role Role, log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := Visitor{By: "gateway", Name: r.Header.Get(nameHeader)}
		switch r.Header.Get(roleHeader) {
		case Look.String():
			v.Role = Look
		case Full.String():
			v.Role = Full
		}
		if v.Role < role || v.Role == Anyone {
			tell(w, http.StatusForbidden, "who asks may not do that")
			return
		}
		if r.Method != http.MethodGet {
			log.Info("an operator's order", "does", r.Method+" "+r.URL.Path, "through", r.Header.Get(gatewayHeader), "known by", v.Name)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitor{}, v)))
	})
}

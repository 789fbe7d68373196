package admin

import (
	"net/http"
	"time"

	"moip/internal/control/admin/access"
)

// A Token is a secret by which an operator is known.
type Token struct {
	Token string `json:"token"`
}

// A Login says who asks, and what they may do.
type Login struct {
	Role  string    `json:"role"` // look or full
	By    string    `json:"by"`   // what they are known by: nothing, token, certificate or session
	Until time.Time `json:"until,omitzero"`
}

func loginOf(v access.Visitor) Login {
	return Login{Role: v.Role.String(), By: v.By, Until: v.Until.UTC().Truncate(time.Second)}
}

func (d desk) whoAmI(r *http.Request) (any, error) { return loginOf(access.Of(r)), nil }

// login begins a session for a browser.
func (d desk) login(w http.ResponseWriter, r *http.Request) {
	var t Token
	if err := read(r, &t); err != nil {
		fail(w, status(err), err)
		return
	}
	if v, ok := d.Gate.Login(w, r, t.Token); ok {
		answer(w, http.StatusOK, loginOf(v))
	}
}

func (d desk) logout(w http.ResponseWriter, r *http.Request) {
	d.Gate.Logout(w, r)
	w.WriteHeader(http.StatusNoContent)
}

// needs is what whoever asks for an operation needs to be. Who may only look is not told
// what callers type, passwords among it, which is on their lines.
func needs(method, path string) access.Role {
	if method == http.MethodGet && path != "/trace" {
		return access.Look
	}
	return access.Full
}

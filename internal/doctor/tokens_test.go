package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"moip/internal/control/admin"
	"moip/internal/control/admin/access"
	"moip/internal/control/pymoip"
	"moip/internal/policy/token"
	"moip/internal/switchboard"
)

const secret = "secret-0123456789abcdef"

// Tokens that others can read, on disk or on their way, are told; the tokens are not.
func TestTokens(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	o := quiet(t)
	c := o.Config
	look := func() string {
		t.Helper()
		all := Gateway(t.Context(), o)
		text := ""
		for _, f := range all.Findings {
			text += fmt.Sprintln(f.Level, f.Of, f.Found, f.Advice)
		}
		if strings.Contains(text, secret) {
			t.Errorf("a token is told:\n%s", text)
		}
		return text
	}
	says := func(want ...string) {
		t.Helper()
		text := look()
		for _, want := range want {
			if !strings.Contains(text, want) {
				t.Errorf("it lacks %q:\n%s", want, text)
			}
		}
	}
	if text := look(); strings.Contains(text, "token") {
		t.Errorf("of tokens is told, and there are none:\n%s", text)
	}
	file := write(t, folder, "tokens", secret+"\n"+secret+"x\n")
	c.AdminTokenFile, c.AdminLookTokenFile, c.LinkTokenFile = file, file+"none", write(t, folder, "short", "short")
	c.Admin, c.AdminPlain = "0.0.0.0:0", true
	c.Portal.URL, c.Link = "tcp://127.0.0.1:1", "ws://192.0.2.1:1"
	says(
		"2 tokens in "+file, "admin_look_token_file: stat "+file+"none: no such file", "short:1: a token has 16 to 512 characters",
		"0.0.0.0:0 is reached from elsewhere without TLS (admin_plain): tokens can be read on the way",
		"ws://192.0.2.1:1 has no TLS: its token can be read on the way",
	)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	says(file + " can be read or written by everybody on this machine (mode 0644) chmod 640 " + file)
}

// The doctor shows the token of the link to the portal, and those of operators to nobody:
// whoever has taken their address may not be the gateway.
func TestTokensShown(t *testing.T) {
	t.Parallel()
	o := quiet(t)
	file := write(t, t.TempDir(), "tokens", secret)
	all, err := token.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	quietly := slog.New(slog.DiscardHandler)
	board := switchboard.New(quietly)
	api := admin.NewServer(admin.Options{Board: board, Gate: access.New(access.Rules{Full: all}, quietly), Log: quietly})
	links := pymoip.NewServer(pymoip.ServerOptions{TokenFile: file})
	var at []string
	for _, serve := range []func(net.Listener) error{api.Serve, links.Serve} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { defer close(done); serve(l) }()
		defer func() { <-done }()
		at = append(at, l.Addr().String())
	}
	defer api.Close()
	defer links.Shutdown(context.Background())
	o.Config.Portal.URL, o.Config.Link = "tcp://127.0.0.1:1", "ws://"+at[1]
	o.Config.Admin = at[0]
	o.Config.AdminTokenFile = file
	if f := o.checkAdmin().look(t.Context()); !strings.Contains(f[0].Found, "is had by a MoIP that runs") {
		t.Errorf("it is %+v", f)
	}
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if shown := r.Header.Get("Authorization"); shown != "" {
			t.Errorf("somebody is shown %q", shown)
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer thief.Close()
	o.Config.Admin = thief.Listener.Addr().String()
	if f := o.checkAdmin().look(t.Context()); !strings.Contains(f[0].Found, "cannot be had") {
		t.Errorf("of somebody it says %+v", f)
	}
	for known, want := range map[string]string{file: "takes it", "": "it answers 401"} {
		o.Config.LinkTokenFile = known
		if f := o.checkLink().look(t.Context()); !strings.Contains(f[0].Found, want) {
			t.Errorf("with %q: %+v", known, f)
		}
	}
}

package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moip/internal/session"
)

func TestLinkOnBus(t *testing.T) {
	const portal, hub = "[portal]\nurl = \"ws://localhost:8765\"\n", "[cluster]\nurl = [\"nats://localhost:4222\"]\n"
	for text, want := range map[string]string{
		portal: "url in [cluster]",
		portal + "[cluster]\nlisten = \"127.0.0.1:6222\"\n": "NATS of your own",
		hub:                                    "the built-in portal has none",
		"link_ca = \"a.pem\"\n" + portal + hub: "leave out link_token_file and link_ca",
	} {
		_, err := Parse("moip.toml", []byte("link = \"nats\"\n"+text))
		if err == nil || !strings.Contains(err.Error(), "moip.toml:1: link: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	c, err := Parse("moip.toml", []byte("link = \"nats\"\n"+portal+hub))
	if err != nil {
		t.Fatal(err)
	}
	if !c.LinkOnBus() || c.LinkURL() != "" || !c.NeedsDirectory() {
		t.Errorf("%+v", c)
	}
}

func TestParseRoute(t *testing.T) {
	got, err := ParseRoute("wss://u:p@example.org/x", []byte(`{"ping":"10s","subprotocols":["tty"],"frames":"binary","fin":"59","dial_timeout":"2s","origin":"https://example.org",
		"start":"GUEST<Envoi>","echo":true,"case":"upper","real_ip":"forwarded","speed":1200,"record":true,"name":"ULLA","visit":"5m"}`))
	want := session.Route{
		Name: "ULLA", URL: "wss://u:p@example.org/x", Ping: 10 * time.Second, Subprotocols: []string{"tty"}, Frames: session.FramesBinary, Fin: session.FinModem,
		DialTimeout: 2 * time.Second, Origin: "https://example.org", Start: "GUEST\x13A", Echo: true, Case: session.CaseUpper,
		RealIP: session.RealIPForwarded, Speed: 1200, Record: true, Visit: 5 * time.Minute,
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if r, err := ParseRoute("wss://u:p@example.org/x", nil); strings.Contains(r.Name, "u:p") || err != nil {
		t.Errorf("%+v %v", r, err)
	}
	if r, err := ParseRoute("telnets://a", []byte(`{"real_ip":"send-location"}`)); r.RealIP != session.RealIPLocation || err != nil {
		t.Errorf("%+v %v", r, err)
	}
	for _, test := range []struct{ url, options, want string }{
		{"replay:/etc", "", "replay"},
		{"builtin:x", "", "builtin"},
		{"ws://a", `{"ca":"/etc/passwd"}`, `unknown field "ca"`},
		{"ws://a", `{"url":"ws://b"}`, `unknown field "url"`},
		{"ws://a", `{"speed":1}`, "route: speed: 1 is not a speed"},
		{"ws://a", `{"visit":"1000h"}`, "route: visit: "},
		{"ws://a", `{"start":"<Nonsense>"}`, "route: start: "},
		{"telnet://a", `{"real_ip":"forwarded"}`, "route: real_ip: "},
		{"tcps://a:1", `{"real_ip":"send-location"}`, "route: real_ip: "},
		{"ws://a", `{"name":"` + strings.Repeat("x", 201) + `"}`, "route: name: "},
		{"ws://a", `{} {}`, "there is more"},
		{"ws://a", `[]`, "route: "},
	} {
		if _, err := ParseRoute(test.url, []byte(test.options)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: %v", test.url, test.options, err)
		}
	}
}

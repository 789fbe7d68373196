package directory

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"moip/internal/session"
	"moip/internal/upstream"
)

func TestWith(t *testing.T) {
	const long = "1234567890123456789012345678901234567890"
	for _, test := range []struct {
		how             Data
		url, data, want string
	}{
		{DataPath, "ws://a", "x", "ws://a/x"},
		{DataPath, "ws://a/", "x", "ws://a/x"},
		{DataPath, "ws://a/ws", "été / 50%?", "ws://a/ws/%C3%A9t%C3%A9%20%2F%2050%25%3F"},
		{DataPath, "ws://a/ws?echo", "#1", "ws://a/ws/%231?echo"},
		{DataPath, "ws:a:80:/ws", "x", "ws:a:80:/ws/x"},
		{DataPath, "ws:a:80", "x", "ws:a:80/x"},
		{DataPath, "ws://a", "...", "ws://a/..."},
		{DataPath, "ws://a/ws?", long, "ws://a/ws/" + long + "?"},
		{DataQuery, "ws://a", "x", "ws://a?data=x"},
		{DataQuery, "ws://a/?", "x", "ws://a/?data=x"},
		{DataQuery, "ws://a/ws?echo", "a b&c=é+#", "ws://a/ws?echo&data=a%20b%26c%3D%C3%A9%2B%23"},
		{DataQuery, "ws:a:80:/ws?a=1&b", "..", "ws:a:80:/ws?a=1&b&data=.."},
		{DataTyped, "tcp://a:1", "x", "tcp://a:1"},
		{DataNone, "ws://a", "", "ws://a"},
		{DataPath, "ws://a", "", "ws://a"},
	} {
		s := Service{Data: test.how, Route: session.Route{Name: "A", URL: test.url, Ping: time.Second}}
		want := s.Route
		want.URL = test.want
		if test.how == DataTyped {
			want.Start = "x\x13A"
		}
		got, err := s.With(test.data)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v, %s", test.data, err, diff)
		}
		if err := upstream.Check(got); err != nil {
			t.Error(err)
		}
	}

	typed := Service{Data: DataTyped, Route: session.Route{Start: "A\x13A"}}
	if r, err := typed.With("Été à 5 €"); r.Start != "A\x13AEt\x19Be \x19Aa 5 EUR\x13A" || err != nil {
		t.Errorf("%q, %v", r.Start, err)
	}
}

func TestWithRefused(t *testing.T) {
	for _, test := range []struct {
		how        Data
		data, want string
	}{
		{DataNone, "x", "the service takes no data"},
		{DataPath, strings.Repeat("é", 41), "the data are longer than 40 characters"},
		{DataQuery, strings.Repeat("x", 1<<20), "the data are longer than 40 characters"},
		{DataTyped, "a\x13A", "the data are not text"},
		{DataQuery, "a\xff", "the data are not text"},
		{DataPath, "a\u009b", "the data are not text"},
		{DataPath, ".", `"." is no last segment of a path`},
		{DataPath, "..", `".." is no last segment of a path`},
	} {
		s := Service{Data: test.how, Route: session.Route{URL: "ws://a"}}
		r, err := s.With(test.data)
		if diff := cmp.Diff(s.Route, r); diff != "" || fmt.Sprint(err) != test.want {
			t.Errorf("%.60q: %v, %s", test.data, err, diff)
		}
		if errors.Is(err, ErrNoData) != (test.how == DataNone) {
			t.Errorf("%.60q: ErrNoData is wrong", test.data)
		}
	}
}

func FuzzWith(f *testing.F) {
	f.Add("x")
	f.Add("../a?b#c&d=e%00+ é\u2028\xff")
	f.Fuzz(func(t *testing.T, data string) {
		path := Service{Data: DataPath, Route: session.Route{URL: "ws://a/ws?echo"}}
		if r, err := path.With(data); err == nil && data != "" {
			u, err := url.Parse(r.URL)
			if err != nil || u.Host != "a" || u.Path != "/ws/"+data || u.RawQuery != "echo" || upstream.Check(r) != nil {
				t.Errorf("%q became %q", data, r.URL)
			}
		}
		query := Service{Data: DataQuery, Route: path.Route}
		if r, err := query.With(data); err == nil && data != "" {
			u, err := url.Parse(r.URL)
			if err != nil || u.Host != "a" || u.Path != "/ws" || u.Query().Get("data") != data || !u.Query().Has("echo") || upstream.Check(r) != nil {
				t.Errorf("%q became %q", data, r.URL)
			}
		}
		typed := Service{Data: DataTyped, Route: path.Route}
		if r, err := typed.With(data); err == nil && data != "" && strings.Count(r.Start, "\x13") != 1 {
			t.Errorf("%q became %q", data, r.Start)
		}
	})
}

func TestProbeEvery(t *testing.T) {
	const local, hour = 5 * time.Minute, Probe(time.Hour)
	for _, test := range []struct {
		url   string
		probe Probe
		want  time.Duration
	}{
		{"ws://localhost:80/", ProbeUsual, local},
		{"ws://LOCALHOST.", ProbeUsual, local},
		{"tcp:minitel:23", ProbeUsual, local},
		{"ws:nas.lan:80:/ws?echo", ProbeUsual, local},
		{"ws://user:word@x.local?a.b", ProbeUsual, local},
		{"wss://a.b.internal/", ProbeUsual, local},
		{"tcp://127.9.9.9:1", ProbeUsual, local},
		{"tcp://[::1]:1", ProbeUsual, local},
		{"ws://[::1]", ProbeUsual, local},
		{"tcp:[::ffff:10.1.2.3]:1", ProbeUsual, local},
		{"ws://192.168.1.1/", ProbeUsual, local},
		{"ws://172.31.0.1/", ProbeUsual, local},
		{"ws://[fd00::1]/", ProbeUsual, local},
		{"ws://[fe80::1%25eth0]:80/", ProbeUsual, local},
		{"ws://169.254.1.1/", ProbeUsual, local},
		{"ws://172.32.0.1/", ProbeUsual, 0},
		{"ws://8.8.8.8/", ProbeUsual, 0},
		{"ws://[2001:db8::1]/", ProbeUsual, 0},
		{"ws://3611.re/ws", ProbeUsual, 0},
		{"ws://localhost.example.org/", ProbeUsual, 0},
		{"ws://mylocal.fr", ProbeUsual, 0},
		{"ws://a b/", ProbeUsual, 0},
		{"", ProbeUsual, 0},
		{"builtin:mire", ProbeUsual, 0},
		{"builtin:mire", hour, 0},
		{"ws://localhost", ProbeNever, 0},
		{"ws://localhost", hour, time.Hour},
		{"ws://3611.re/ws", hour, time.Hour},
	} {
		s := Service{Probe: test.probe, Route: session.Route{URL: test.url}}
		if got := s.ProbeEvery(); got != test.want {
			t.Errorf("%s, %v: %v, want %v", test.url, time.Duration(test.probe), got, test.want)
		}
	}
}

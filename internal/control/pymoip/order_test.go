package pymoip

import (
	stdcmp "cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"moip/internal/session"
)

func TestOrder(t *testing.T) {
	for text, want := range map[string]session.Route{
		`PID=0,1,CONNECT,ws://127.0.0.1:19900/,None,[]`: {
			URL: "ws://127.0.0.1:19900/",
		},
		`PID=7,8,CONNECT,ws://127.0.0.1:19900/proto,10,["binary","tty"]`: {
			URL: "ws://127.0.0.1:19900/proto", Ping: 10 * time.Second, Subprotocols: []string{"binary", "tty"},
		},
		`PID=8,9,CONNECT,wss://example.net,none,[""]`: {
			URL: "wss://example.net",
		},
		`PID=18446744073709551615,12345678901234567890,CONNECT,WS://example.net,0,["","tty"]`: {
			URL: "WS://example.net", Subprotocols: []string{"tty"},
		},
		`PID=1,2,CONNECT,ws://me:secret@example.net/?pin=1234,None,[]`: {
			Name: "ws://example.net/?pin=...", URL: "ws://me:secret@example.net/?pin=1234",
		},
		`PID=1,2,CONNECT,telnet://example.net:23,None,[]`:  {URL: "telnet://example.net:23"},
		`PID=1,2,CONNECT,telnets://example.net,None,[]`:    {URL: "telnets://example.net"},
		`PID=1,2,CONNECT,tcps://example.net:516,None,[]`:   {URL: "tcps://example.net:516"},
		`PID=1,2,CONNECT,tcp://[2001:db8::1]:3615,None,[]`: {URL: "tcp://[2001:db8::1]:3615"},
	} {
		o, err := parseOrder(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		want.Name = stdcmp.Or(want.Name, want.URL)
		got, err := o.route()
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

func TestOrderFields(t *testing.T) {
	got, err := parseOrder(`PID=7,08,CONNECT,ws://h/,10,["binary","tty"]`)
	if err != nil {
		t.Fatal(err)
	}
	want := order{
		pid:          7,
		number:       "08",
		echo:         `08,CONNECT,ws://h/,10,["binary","tty"]`,
		uri:          "ws://h/",
		ping:         "10",
		subprotocols: `["binary","tty"]`,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestNoOrder(t *testing.T) {
	for _, text := range []string{
		``, `blabla`, `,`, `,,,,,`, `PID`, `PID=`, `PID=5`, `PID=5,5`,
		`PID=5,5,CONNECT,ws://h/`, `PID=5,5,CONNECT,ws://h/,None`,
		`PID=x,1,CONNECT,ws://h/,None,[]`, `PID=-1,1,CONNECT,ws://h/,None,[]`,
		`PID=18446744073709551616,1,CONNECT,ws://h/,None,[]`,
		`PID=1,,CONNECT,ws://h/,None,[]`, `PID=1,x,CONNECT,ws://h/,None,[]`,
		`PID=1,123456789012345678901,CONNECT,ws://h/,None,[]`,
		`PID=1,1,connect,ws://h/,None,[]`, `PID=1,1,DISCONNECT,ws://h/,None,[]`,
		`pid=1,1,CONNECT,ws://h/,None,[]`, ` PID=1,1,CONNECT,ws://h/,None,[]`,
		`1,1,CONNECT,ws://h/,None,[]`,
	} {
		if o, err := parseOrder(text); err == nil {
			t.Errorf("%s: taken as %+v", text, o)
		}
	}
}

func TestNoRoute(t *testing.T) {
	for rest, want := range map[string]error{
		`,None,[]`:                   errURI,
		`http://h/,None,[]`:          errURI,
		`builtin:directory,None,[]`:  errURI,
		`replay:/recordings,None,[]`: errURI, // which are private
		`replay://host/x,None,[]`:    errURI,
		`ws:h,None,[]`:               errURI,
		`ws:///path,None,[]`:         errURI,
		"ws://h\x00/,None,[]":        errURI,
		`ws://h:port/,None,[]`:       errURI,
		`ws://h/,,[]`:                errPing,
		`ws://h/,ten,[]`:             errPing,
		`ws://h/,-1,[]`:              errPing,
		`ws://h/,1.5,[]`:             errPing,
		`ws://h/,65536,[]`:           errPing,
		`ws://h/,None,`:              errSubprotocols,
		`ws://h/,None,binary`:        errSubprotocols,
		`ws://h/,None,["binary"`:     errSubprotocols,
		`ws://h/,None,[1]`:           errSubprotocols,
		`ws://h/,None,[","]`:         errSubprotocols,
		`ws://h/,None,["tty","a b"]`: errSubprotocols,
	} {
		o, err := parseOrder("PID=1,1,CONNECT," + rest)
		if err != nil {
			t.Errorf("%s: %v", rest, err)
			continue
		}
		if _, err := o.route(); err != want {
			t.Errorf("%s: %v, want %v", rest, err, want)
		}
	}
}

func TestDecode(t *testing.T) {
	long := []byte(strings.Repeat("x", commandLimit+1))
	for _, test := range []struct {
		kind websocket.MessageType
		in   []byte
		want string
		err  error
	}{
		{websocket.MessageText, []byte("é"), "é", nil},
		{websocket.MessageText, []byte("\xe9"), "", errNotUTF8},
		{websocket.MessageBinary, []byte("\x00A\xe9\xff"), "\x00Aéÿ", nil},
		{websocket.MessageText, long, "", errTooLong},
		{websocket.MessageBinary, long, "", errTooLong},
		{websocket.MessageText, long[1:], string(long[1:]), nil},
	} {
		got, err := decode(test.kind, test.in)
		if got != test.want || err != test.err {
			t.Errorf("%v %.20q: %.20q, %v", test.kind, test.in, got, err)
		}
	}
}

func FuzzCommand(f *testing.F) {
	f.Add(true, []byte(`PID=0,1,CONNECT,ws://127.0.0.1:19900/,None,[]`))
	f.Add(false, []byte(`PID=7,8,CONNECT,ws://127.0.0.1:19900/proto,10,["binary","tty"]`))
	f.Add(false, []byte(`PID=8,9,CONNECT,telnet://h:23,65535,[""]`))
	f.Add(true, []byte("PID=8,9,CONNECT,ws://h/\xe9,none,[\"\xff\"]"))
	f.Add(false, []byte(`blabla`))
	f.Fuzz(func(t *testing.T, binary bool, p []byte) {
		kind := websocket.MessageText
		if binary {
			kind = websocket.MessageBinary
		}
		text, err := decode(kind, p)
		if err != nil {
			return
		}
		if !utf8.ValidString(text) || utf8.RuneCountInString(text) > commandLimit {
			t.Fatalf("%q cannot be echoed", text)
		}
		o, err := parseOrder(text)
		if err != nil {
			return
		}
		head, echo, _ := strings.Cut(text, ",")
		fields := strings.Join([]string{o.number, "CONNECT", o.uri, o.ping, o.subprotocols}, ",")
		if !strings.HasPrefix(head, "PID=") || o.echo != echo || fields != echo {
			t.Fatalf("%q taken as %+v", text, o)
		}
		r, err := o.route()
		if err != nil {
			return
		}
		if r.Ping < 0 || r.URL != o.uri || slices.ContainsFunc(r.Subprotocols, func(s string) bool {
			return s == "" || strings.ContainsAny(s, " ,\r\n\x00")
		}) {
			t.Fatalf("%q leads to %+v", text, r)
		}
	})
}

func TestWriteOrder(t *testing.T) {
	for want, r := range map[string]session.Route{
		`PID=0,1,CONNECT,ws://127.0.0.1:19900/,None,[]`: {URL: "ws://127.0.0.1:19900/"},
		`PID=0,1,CONNECT,ws://127.0.0.1:19900/proto,10,["binary","tty"]`: {
			URL: "ws://127.0.0.1:19900/proto", Ping: 10 * time.Second, Subprotocols: []string{"binary", "tty"},
		},
		`PID=0,1,CONNECT,WSS://example.net,1,["tty"]`: {
			Name: "not told", URL: "WSS://example.net", Ping: time.Millisecond, Subprotocols: []string{"tty"}, Visit: time.Hour,
		},
		`PID=0,1,CONNECT,telnet://example.net:23,65535,[]`: {URL: "telnet://example.net:23", Ping: 24 * time.Hour},
		"PID=0,1,CONNECT,tcp://caf\xe9:3615,2,[]":          {URL: "tcp://café:3615", Ping: 1001 * time.Millisecond},
	} {
		got, err := writeOrder(0, 1, r)
		if string(got) != want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}

func TestUnsayable(t *testing.T) {
	for want, routes := range map[error][]session.Route{
		errURI: {
			{}, {URL: "builtin:MIRE"}, {URL: "builtin://MIRE"}, {URL: "replay:a.cast"}, {URL: "http://example.net"}, {URL: "ws:///path"},
			{URL: "ws://example.net/\n"}, {URL: "tcp:example.net:23"},
		},
		errComma:     {{URL: "ws://example.net/a,b"}},
		errStart:     {{URL: "ws://example.net/", Start: "ULLA\x13A"}},
		errNotLatin1: {{URL: "ws://example.net/€"}},
		errTooLong:   {{URL: "ws://example.net/" + strings.Repeat("x", commandLimit)}},
		errName: {
			{URL: "ws://example.net/", Subprotocols: []string{"tty", ""}},
			{URL: "ws://example.net/", Subprotocols: []string{"a,b"}},
			{URL: "ws://example.net/", Subprotocols: []string{`a"b`}},
			{URL: "ws://example.net/", Subprotocols: []string{"a b"}},
			{URL: "ws://example.net/", Subprotocols: []string{"é"}},
		},
	} {
		for _, r := range routes {
			if p, err := writeOrder(0, 1, r); p != nil || !errors.Is(err, ErrUnsayable) || !errors.Is(err, want) {
				t.Errorf("%.60s: %.60q, %v, want %v", r.URL, p, err, want)
			}
		}
	}
}

// What is written is read as it was meant.
func FuzzWriteOrder(f *testing.F) {
	f.Add("ws://127.0.0.1:19900/", int64(0), "", uint64(0))
	f.Add("telnet://café:23", int64(10e9), "tty", uint64(7))
	f.Add("ws://h/é€", int64(-1), "a,b", uint64(1<<64-1))
	f.Fuzz(func(t *testing.T, uri string, ping int64, name string, pid uint64) {
		r := session.Route{URL: uri, Ping: time.Duration(ping)}
		if name != "" {
			r.Subprotocols = []string{"tty", name}
		}
		p, err := writeOrder(pid, 3, r)
		if err != nil {
			return
		}
		text, err := decode(websocket.MessageBinary, p)
		if err != nil {
			t.Fatal(err)
		}
		o, err := parseOrder(text)
		if err != nil || o.pid != pid || o.number != "3" {
			t.Fatalf("%q is %+v, %v", text, o, err)
		}
		got, err := o.route()
		if err != nil || got.URL != uri || !slices.Equal(got.Subprotocols, r.Subprotocols) || (got.Ping > 0) != (ping > 0) {
			t.Fatalf("%q leads to %+v, %v", text, got, err)
		}
	})
}

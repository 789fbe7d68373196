package pymoip

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"moip/internal/session"
)

// A foreign gateway is one of PyMoIP's, as it is on the wire.
type foreign struct {
	*testing.T
	link *websocket.Conn
}

// dial opens a connection as the library of its time does, with a ping. (An empty
// list of subprotocols is one empty name.)
func (f *foreign) dial(url, subprotocols string) *websocket.Conn {
	f.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: from("127.0.0.1"),
		HTTPHeader: http.Header{
			"Sec-Websocket-Protocol":   {subprotocols},
			"Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits"},
			"User-Agent":               {"Python/3.9 websockets/8.1"},
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, header := range []string{"Sec-Websocket-Protocol", "Sec-Websocket-Extensions"} {
		if got, selected := answer.Header[header]; selected {
			f.Fatalf("%s: %q", header, got)
		}
	}
	f.Cleanup(func() { conn.CloseNow() })
	return conn
}

func (f *foreign) say(conn *websocket.Conn, kind websocket.MessageType, text string) {
	f.Helper()
	if err := conn.Write(context.Background(), kind, []byte(text)); err != nil {
		f.Fatal(err)
	}
}

// tells says something on the link.
func (f *foreign) tells(format string, args ...any) {
	f.Helper()
	f.say(f.link, websocket.MessageText, fmt.Sprintf(format, args...))
}

// gets reads a whole message. Of binary ones from a portal PyMoIP makes text; the
// kind matters to nobody but on the link.
func (f *foreign) gets(conn *websocket.Conn, want string) {
	f.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kind, p, err := conn.Read(ctx)
	if err != nil || string(p) != want || conn == f.link && kind != websocket.MessageBinary {
		f.Fatalf("%v %q, %v, want %q", kind, p, err, want)
	}
}

// TestForeignGateway has a gateway of June 2021 bring a caller by telnet, and one
// of September, which also tells of the departures of its console's users. Either
// has the portal's page, ENQROM and all, in one message.
func TestForeignGateway(t *testing.T) {
	const page = "\x0c\x1b9{TELETEL"
	for name, access := range map[string]string{"June": "WS", "September": "Telnet"} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t).open()
			f := &foreign{T: t}
			f.link = f.dial(h.link, "binary, tty")
			h.linked(1)
			f.tells("New%sUser,192.0.2.1,38178,0", map[string]string{"WS": "Ws", "Telnet": "Telnet"}[access])

			caller := f.dial(h.door, "")
			d := h.desk()
			d.say(page)
			f.gets(caller, page)
			f.say(caller, websocket.MessageBinary, "\x01\x7f\x7f\x7f\x04")
			f.say(caller, websocket.MessageText, "PID=0,IP=192.0.2.1,PORT=38178,Access="+access+"\n")
			f.say(caller, websocket.MessageText, "\x01Cu<\x04")
			h.hears(d.call, session.Linked)
			d.gets("\x01Cu<\x04")
			for _, key := range []string{"é", "U", "\x13", "A"} { // a message each, in UTF-8
				f.say(caller, websocket.MessageText, key)
			}
			d.gets("\xe9U\x13A")

			if err := h.server.Redirect(d.call, session.Route{Name: "ULLA", URL: target, Ping: 10e9, Subprotocols: []string{"binary", "tty"}}); err != nil {
				t.Fatal(err)
			}
			h.hears(d.call, session.Redirecting)
			f.gets(f.link, `PID=0,1,CONNECT,ws://127.0.0.1:19900/,10,["binary","tty"]`)
			f.tells(`UserGotCommand,,,0,1,CONNECT,ws://127.0.0.1:19900/,10,["binary","tty"]`)
			f.tells("UserRedirecting,,,0,1")
			d.say("\x1f@AULLA\x18\n")
			f.gets(caller, "\x1f@AULLA\x18\n")
			f.tells("UserRedirected,,,0,1")
			h.hears(d.call, session.Redirected)
			f.tells("UserRequestedClose,,,0,1")
			f.tells("UserRequestedClose,,,0,1") // as it does if it is the first key
			f.tells("UserGone,,,7")
			f.tells("UserRedirectEnded,,,0,1")
			h.returned(d.call, session.ReasonFin)

			// Both ends ping, and the gateway reads while it does.
			for _, conn := range []*websocket.Conn{f.link, caller} {
				ctx, cancel := context.WithTimeout(conn.CloseRead(context.Background()), patience)
				if err := conn.Ping(ctx); err != nil {
					t.Error(err)
				}
				cancel()
			}
			caller.Close(websocket.StatusNormalClosure, "")
			f.tells("UserGone,,,0")
			h.until("gone", func() bool { return len(h.board.Calls()) == 0 })
			h.empty(0)
			h.quiet()
		})
	}
}

package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"moip/internal/session"
	"moip/internal/telnet"
)

// Whose first bytes are no terminal's is no peer any more, and whose are is not judged
// again. Telnet commands that come before are not what is judged.
func TestJudge(t *testing.T) {
	for name, open := range map[string]func(net.Conn) session.Endpoint{
		"telnet": func(c net.Conn) session.Endpoint { return NewTelnet(c, telnet.Server, 0, nil) },
		"tcp":    func(c net.Conn) session.Endpoint { return TCP(c, 0) },
	} {
		for said, want := range map[string]error{"SSH-2.0-x": session.Foreign("ssh"), "3615": nil} {
			ours, peer := sockets(t, "127.0.0.1")
			e := open(ours)
			var asked []string
			e.(interface{ Judge(Judge) }).Judge(func(first []byte) error {
				asked = append(asked, string(first))
				if strings.HasPrefix(string(first), "SSH") {
					return session.Foreign("ssh")
				}
				return nil
			})
			data, end := listen(e)
			if name == "telnet" {
				expect(t, peer, string(telnet.New(telnet.Server).Greeting()))
				io.WriteString(peer, iacWill+"\x1f")
				readReply(t, peer) // so that what follows comes by itself
			}
			io.WriteString(peer, said)
			if want == nil {
				peer.CloseWrite()
				want = io.EOF
			}
			if err := awaitEnd(t, end); err != want {
				t.Errorf("%s: who says %q is gone for %v", name, said, err)
			}
			if got := string(data()); want == io.EOF && got != said || want != io.EOF && got != "" {
				t.Errorf("%s: of %q comes %q", name, said, got)
			}
			if len(asked) != 1 || asked[0] != said {
				t.Errorf("%s: judged is %q", name, asked)
			}
			e.Close()
		}
	}
}

// By TLS, what is judged is what is said in it.
func TestJudgeSecure(t *testing.T) {
	for said, want := range map[string]error{"SSH-2.0-x": session.Foreign("ssh"), "3615": nil} {
		ours, peer := served(t, tls.VersionTLS13)
		e := NewTelnet(ours, telnet.Server, 0, nil)
		defer e.Close()
		e.Judge(func(first []byte) error {
			if strings.HasPrefix(string(first), "SSH") {
				return session.Foreign("ssh")
			} else if string(first) != "3615" {
				t.Errorf("judged is %q", first)
			}
			return nil
		})
		io.WriteString(peer, said)
		if got, err := next(e); err != want || want == nil && string(got) != said {
			t.Errorf("of %q comes %q, %v", said, got, err)
		}
	}
}

// Who is not on a socket is judged as well.
func TestJudgePipe(t *testing.T) {
	ours, peer := net.Pipe()
	e := TCP(ours, 0)
	defer e.Close()
	e.(interface{ Judge(Judge) }).Judge(func([]byte) error { return session.Foreign("tls") })
	go peer.Write([]byte("\x16"))
	if _, err := next(e); err != session.Foreign("tls") {
		t.Errorf("it is gone for %v", err)
	}
}

// Who negotiates without end breaks the protocol.
func TestEndlessTelnet(t *testing.T) {
	ours, peer := sockets(t, "127.0.0.1")
	e := NewTelnet(ours, telnet.Server, 0, nil)
	defer e.Close()
	_, end := listen(e)
	go io.Copy(io.Discard, peer)
	for range 100 {
		io.WriteString(peer, strings.Repeat(iacDo+"\x06"+iacWill+"\x01", 20))
	}
	if err := awaitEnd(t, end); !errors.Is(err, session.ErrProtocol) || !strings.Contains(err.Error(), "telnet options") {
		t.Errorf("it ends for %v", err)
	}
}

package test

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// terminates is a proxy that has TLS, in front of an address. It returns where it is, and
// the file of the authority that vouches for it.
func terminates(t *testing.T, address string) (at, ca string) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil) // for its certificate
	s.StartTLS()
	defer s.Close()
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: s.TLS.Certificates, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	var relaying sync.WaitGroup
	relaying.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			relaying.Go(func() {
				defer in.Close()
				out, err := net.Dial("tcp", address)
				if err != nil {
					return
				}
				defer out.Close()
				relaying.Go(func() { io.Copy(out, in); out.Close() })
				io.Copy(in, out)
			})
		}
	})
	t.Cleanup(func() { l.Close(); relaying.Wait() })
	return l.Addr().String(), ca
}

// A portal alone that wants a token of its gateways is linked to those that have it, by TLS
// too, and to no others.
func TestLinkToken(t *testing.T) {
	t.Parallel()
	dir, free := t.TempDir(), ports(t, 2)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("tokens", "# gateways\n"+otherToken+"\n"+fullToken+"\n")
	write("mine", fullToken)
	write("wrong", lookToken)
	portal := runsIn(t, dir, "portal", "--ws", free[0], "--link", free[1], "--link-token-file", "tokens")
	safe, ca := terminates(t, free[1])
	logs := func(of *gateway, want string) {
		t.Helper()
		for late := time.Now().Add(patience); !strings.Contains(of.log.String(), want); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(late) {
				t.Fatalf("the log has no %q:\n%s", want, &of.log)
			}
		}
	}
	for i, test := range []struct{ link, keys, want string }{
		{"ws://" + free[1], "", "it answers 401: This portal wants a token of its gateways"},
		{"ws://" + free[1], "link_token_file = 'wrong'", "it answers 401: This portal does not know this token."},
		{"ws://" + free[1], "link_token_file = 'mine'", "control link open"},
		{"wss://" + safe, "link_token_file = 'mine'", "certificate signed by unknown authority"},
		{"wss://" + safe, "link_token_file = 'mine'\nlink_ca = '" + ca + "'", "control link open"},
	} {
		file := fmt.Sprintf("gateway%d.toml", i)
		write(file, fmt.Sprintf("listen = ['tcp://127.0.0.1:0']\nlink = '%s'\n%s\n[portal]\nurl = 'ws://%s'\n[bans]\nfile = 'none'\n", test.link, test.keys, free[0]))
		g := runsIn(t, dir, "--config", file)
		logs(g, test.want)
		if test.want == "control link open" { // a caller of this gateway is introduced
			guest := calls(t, g.doors["tcp"], "127.0.0.1")
			guest.conn.Close()
		}
		if err := g.stop(); err != nil {
			t.Fatal(err)
		}
		if err := g.exit("0"); err != nil {
			t.Error(err)
		}
		if text := g.log.String(); strings.Contains(text, fullToken) || strings.Contains(text, lookToken) {
			t.Error("there are tokens in the log")
		}
	}
	if n := strings.Count(portal.log.String(), "gateway linked"); n != 2 {
		t.Errorf("%d gateways were linked, want 2:\n%s", n, &portal.log)
	}
}

package upstream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"moip/internal/session"
)

// callHeader is the header that tells the portal which call comes.
const callHeader = "Moip-Call"

// maxAnswer bounds what a service may say in its handshake.
const maxAnswer = 16 << 10

// What handshakes borrow.
var (
	questions = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	answers   = sync.Pool{New: func() any { return bufio.NewReader(nil) }}
)

// handshake asks the service at the other end of conn for a WebSocket
// (RFC 6455, section 4.1). It returns the subprotocol in the answer, and the
// bytes that came right behind it; answered, unless it is nil, is told of any answer.
// When ctx is done, conn is closed.
//
// A library's handshake would not do: services answer with subprotocols that
// nobody offered, and none should cost the caller the call.
func handshake(ctx context.Context, conn net.Conn, u *url.URL, r session.Route, answered func(int, http.Header)) (agreed string, early []byte, err error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() {
		if !stop() {
			err = context.Cause(ctx)
		}
	}()
	key := newKey()
	t := session.TapOf(ctx)
	question := questions.Get().(*bytes.Buffer)
	defer questions.Put(question)
	question.Reset()
	request(u, r, key).Write(question) // does not fail
	noteHead(t, true, question.Bytes())
	if _, err := conn.Write(question.Bytes()); err != nil {
		return "", nil, fmt.Errorf("asking for a WebSocket: %w", err)
	}
	var heard bytes.Buffer // if anybody wants to know
	in := io.LimitReader(conn, maxAnswer)
	if t != nil {
		in = io.TeeReader(in, &heard)
	}
	reader := answers.Get().(*bufio.Reader)
	defer answers.Put(reader)
	defer reader.Reset(nil)
	reader.Reset(in)
	answer, err := http.ReadResponse(reader, nil)
	noteHead(t, false, heard.Bytes())
	if err != nil {
		return "", nil, fmt.Errorf("reading the answer: %w", err)
	}
	if answered != nil {
		answered(answer.StatusCode, answer.Header)
	}
	if err := accepts(answer, key); err != nil {
		return "", nil, err
	}
	early = make([]byte, reader.Buffered())
	io.ReadFull(reader, early) // does not fail: it is all there
	return answer.Header.Get("Sec-Websocket-Protocol"), early, nil
}

// newKey returns a Sec-WebSocket-Key.
func newKey() string {
	var nonce [16]byte
	rand.Read(nonce[:])
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// request returns what to ask. There are services that know the names of
// headers only as RFC 6455 writes them.
func request(u *url.URL, r session.Route, key string) *http.Request {
	request := &http.Request{
		Method: http.MethodGet,
		URL:    u,
		Header: http.Header{
			"User-Agent":            {"MoIP"},
			"Upgrade":               {"websocket"},
			"Connection":            {"Upgrade"},
			"Sec-WebSocket-Version": {"13"},
			"Sec-WebSocket-Key":     {key},
		},
	}
	if len(r.Subprotocols) > 0 {
		request.Header["Sec-WebSocket-Protocol"] = []string{strings.Join(r.Subprotocols, ", ")}
	}
	if r.Origin != "" {
		request.Header["Origin"] = []string{r.Origin}
	}
	if r.Call != "" {
		request.Header[callHeader] = []string{r.Call}
	}
	addCaller(request.Header, r)
	if u.User != nil {
		password, _ := u.User.Password()
		request.SetBasicAuth(u.User.Username(), password)
	}
	return request
}

// accepts reports what, if anything, is wrong with the answer to a request
// with the given key.
func accepts(answer *http.Response, key string) error {
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("answered %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	// RFC 6455, section 1.3
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	switch header := answer.Header; {
	case !hasToken(header, "Upgrade", "websocket"), !hasToken(header, "Connection", "upgrade"):
		return errors.New("answered 101 without an upgrade to WebSocket")
	case header.Get("Sec-Websocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return errors.New("answered with a wrong Sec-WebSocket-Accept")
	case header.Get("Sec-Websocket-Extensions") != "":
		return fmt.Errorf("answered with an extension that was not offered, %q", header.Get("Sec-Websocket-Extensions"))
	}
	return nil
}

// hasToken reports whether the list of a header has the given member.
func hasToken(header http.Header, name, token string) bool {
	for _, value := range header[name] {
		for member := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(member), token) {
				return true
			}
		}
	}
	return false
}

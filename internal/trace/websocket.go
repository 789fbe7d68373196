package trace

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/gobwas/ws"

	"moip/internal/discreet"
	"moip/internal/transport"
)

var opcodes = map[ws.OpCode]string{
	ws.OpContinuation: "continuation", ws.OpText: "text", ws.OpBinary: "binary", ws.OpClose: "close", ws.OpPing: "ping", ws.OpPong: "pong",
}

// frame names a WebSocket frame by its header, and its payload if that follows.
func frame(p []byte, out *items) {
	r := bytes.NewReader(p)
	h, err := ws.ReadHeader(r)
	if err != nil {
		out.add("WebSocket frame that cannot be read: " + refs(p[:min(len(p), ws.MaxHeaderSize)]))
		return
	}
	out.add("WebSocket " + opcodes[h.OpCode])
	if h.Fin {
		out.add("FIN")
	}
	if h.Rsv != 0 {
		out.addf("RSV %03b", h.Rsv)
	}
	if h.Masked {
		out.add("masked")
	}
	out.addf("%d bytes", h.Length)
	payload := p[len(p)-r.Len():]
	switch {
	case len(payload) == 0:
	case h.OpCode == ws.OpClose && len(payload) > 1:
		code := ws.StatusCode(payload[0])<<8 | ws.StatusCode(payload[1])
		out.add(with(strconv.Itoa(int(code)), transport.CloseName(code)))
		if len(payload) > 2 {
			out.add(quote(string(payload[2:])))
		}
	case h.OpCode == ws.OpText:
		out.add(quote(string(payload)))
	default:
		out.add(quoteBytes(payload))
	}
}

// headers are those of a handshake that matter, and keep no secret.
var headers = []string{
	"host", "user-agent", "origin", "upgrade", "connection", "sec-websocket-version", "sec-websocket-protocol",
	"sec-websocket-extensions", "x-forwarded-for", "location", "server", "content-type",
}

// head names the head of an HTTP message.
func head(p []byte, out *items) {
	for i, line := range strings.Split(strings.ReplaceAll(string(p), "\r\n", "\n"), "\n") {
		name, value, isHeader := strings.Cut(line, ":")
		switch {
		case i == 0:
			out.add(discreet.Text(line))
		case isHeader && slices.Contains(headers, strings.ToLower(strings.TrimSpace(name))):
			out.add(discreet.Text(strings.TrimSpace(name) + ": " + strings.TrimSpace(value)))
		}
		if i == 0 {
			out.endLine()
		}
	}
}

package downstream

import (
	"cmp"
	"html"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"moip/videotex"
)

// callAgain is what all are told who may call later.
const callAgain = "Rappelez dans un moment."

// busyPage is what a terminal is shown that may not call now.
func busyPage(text string) videotex.Page {
	p := videotex.Page{}.Clear()
	for row := 1; row <= 5; row++ {
		p = p.At(row, 1).Attr(videotex.Background+videotex.Blue).Repeat(' ', 40)
	}
	return p.At(3, 3).Attr(videotex.White, videotex.DoubleSize).Text("Télétel").
		At(10, 4).Text(text).
		At(12, 4).Text(callAgain).
		At(24, 1)
}

// refuse tells who makes a request why it is not let in: people who have asked for a page
// by a page.
func refuse(w http.ResponseWriter, r *http.Request, refusal *Refusal) {
	w.Header().Set("Connection", "close")
	if refusal.Again > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(refusal.Again/time.Second))))
	}
	status := cmp.Or(refusal.Status, http.StatusForbidden)
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Error(w, refusal.Text, status)
		return
	}
	again := ""
	if refusal.Again > 0 {
		again = "\n<p>" + callAgain
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	io.WriteString(w, `<!doctype html>
<html lang="fr">
<meta name="viewport" content="width=device-width">
<title>Minitel</title>
<h1>`+html.EscapeString(refusal.Text)+`</h1>`+again+"\n")
}

// turnBack tells who wants a call by a WebSocket why there is none. Neither a script in a
// browser nor a small terminal learns the status of a handshake that fails. So if it may
// call later, the handshake succeeds, and a page says so, on the screen where a caller
// looks. In a crowd, the status has to do.
func (l *Listener) turnBack(w http.ResponseWriter, r *http.Request, refusal *Refusal) {
	defer l.parting.Add(-1)
	if l.parting.Add(1) > maxParting || refusal.Again == 0 {
		refuse(w, r, refusal)
		return
	}
	conn, _, subprotocol, err := upgrade(w, r)
	if err != nil {
		return
	}
	defer conn.Close()
	op := ws.OpText
	if wantsBinary(r, subprotocol) {
		op = ws.OpBinary
	}
	page := busyPage(refusal.Text) // 7-bit, and thus UTF-8
	part(conn, ws.MustCompileFrame(ws.NewFrame(op, true, page)),
		ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(tryAgainLater, "too many calls"))))
}

// tryAgainLater is a status code of close frames in IANA's registry.
const tryAgainLater = 1013

// part says something to who has to go, and waits a little until it is taken: when bytes
// are left that nobody has read, the kernel resets a connection that is closed, and what
// was said may be lost.
func part(conn net.Conn, said ...[]byte) {
	conn.SetDeadline(time.Now().Add(partingTime))
	for _, p := range said {
		conn.Write(p)
	}
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	var heard [512]byte
	for err := error(nil); err == nil; { // until its end, or the deadline
		_, err = conn.Read(heard[:])
	}
}

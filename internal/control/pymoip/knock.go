package pymoip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/coder/websocket"

	"moip/internal/discreet"
)

// knockWait is how long Knock listens. A server says nothing until it orders.
const knockWait = 300 * time.Millisecond

// Knock dials a server's command port as a Link does, listens for a moment, says
// nothing, and closes in good order: to the server a gateway without callers came and
// went. It returns what the server calls itself, which for PyMoIP's has the word
// websockets in it, "" if it does not say. The error may have the server's words in
// it, made printable. Of the options, those count that say where the port is and what is shown there.
func Knock(ctx context.Context, o Options) (server string, err error) {
	conn, answer, err := reach(ctx, o)
	if err != nil {
		return "", err
	}
	defer conn.CloseNow()
	spoken := make(chan struct{})
	go func() { // which ends with conn
		conn.Read(context.WithoutCancel(ctx))
		close(spoken)
	}()
	select {
	case <-spoken:
		return "", errors.New("it speaks or closes at once, as no control link does")
	case <-time.After(knockWait):
	}
	conn.Close(websocket.StatusNormalClosure, "")
	<-spoken
	return shown(answer.Header.Get("Server"), 40), nil
}

// refused says why there is no link, in the words of whoever answered if there are
// any.
func refused(answer *http.Response, err error) error {
	if answer == nil {
		return errors.New(shown(rootCause(err), 200))
	}
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if text := shown(string(said), 200); text != "" {
		return fmt.Errorf("it answers %d: %s", answer.StatusCode, discreet.Text(text))
	}
	return fmt.Errorf("it answers %d", answer.StatusCode)
}

// shown returns the first most characters of text as a terminal may show them.
func shown(text string, most int) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text))
	if r := []rune(text); len(r) > most {
		return string(r[:most])
	}
	return text
}

package pymoip

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"

	"moip/internal/discreet"
)

const (
	pongLimit     = 20 * time.Second
	farewellLimit = time.Second // for what is queued and the close handshake

	quoteLimit  = 200 // bytes of a message shown in the log
	complaining = time.Second
)

// converse speaks and listens on conn until one of them fails, or until ctx is
// done and speak has said farewell. It returns what ended the conversation.
func converse(ctx context.Context, conn *websocket.Conn, ping time.Duration, listen, speak func(life context.Context) error) error {
	// The life of the connection outlasts ctx by the farewell. (Its end
	// closes the connection under whoever reads or writes.)
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(farewellLimit, func() { end(context.Cause(ctx)) })
	})()

	var tasks sync.WaitGroup
	tasks.Go(func() { end(listen(life)) })
	tasks.Go(func() { end(keepAlive(life, conn, ping)) })
	end(speak(life))
	conn.CloseNow()
	tasks.Wait()
	return context.Cause(life)
}

func keepAlive(life context.Context, conn *websocket.Conn, ping time.Duration) error {
	tick := time.NewTicker(ping)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-life.Done():
			return context.Cause(life)
		}
		limited, cancel := context.WithTimeout(life, pongLimit)
		err := conn.Ping(limited)
		cancel()
		if err != nil {
			return err
		}
	}
}

// A muffler logs what peers do wrong, in a flood only once a second aloud.
type muffler struct {
	log *slog.Logger

	mu    sync.Mutex
	aloud time.Time // when it last was
}

func (m *muffler) complain(text string, args ...any) {
	m.log.Log(context.Background(), m.level(), text, args...)
}

func (m *muffler) level() slog.Level {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Sub(m.aloud) < complaining {
		return slog.LevelDebug
	}
	m.aloud = now
	return slog.LevelWarn
}

// quote returns a message as a log may show it.
func quote(p []byte) string {
	text := discreet.Text(string(p))
	return strconv.Quote(text[:min(len(text), quoteLimit)])
}

package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// notify tells whoever supervises the gateway, as systemd does, of its state: READY=1
// and the like (sd_notify(3)). It waits a second at most, and does nothing if nobody
// asked.
func notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	conn, err := net.Dial("unixgram", name) // @ begins the name of an abstract one
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, err = conn.Write([]byte(state))
	return err
}

// tell is notify for a gateway, which goes on whether it is heard or not.
func (g *gateway) tell(state string) {
	if err := notify(state); err != nil {
		g.log.Warn("the supervisor was not told", "state", state, "error", err)
	}
}

// tellEnd tells the supervisor that the gateway stops, unless another process is the
// gateway by now.
func (g *gateway) tellEnd() {
	if g.state.Load() != replaced {
		g.tell("STOPPING=1")
	}
}

// watchdog tells the supervisor that the gateway is alive, twice in the time after
// which it would take it for dead (sd_watchdog_enabled(3)), as long as it is: a
// gateway that hangs here, on a lock of its calls, is not heard of again. One that was
// replaced is not asked any more.
func (g *gateway) watchdog(ctx context.Context) {
	every := watchdogTime() / 2
	if every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if g.state.Load() == replaced {
			return
		}
		if err := g.alive(ctx, every); err != nil {
			g.log.Error("the gateway does not answer itself", "error", err)
			continue
		}
		g.tell("WATCHDOG=1")
	}
}

// watchdogTime returns how long this process may be silent, 0 if nobody listens. A
// process that replaces this one may be silent for as long.
func watchdogTime() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	os.Unsetenv("WATCHDOG_PID")
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}

// alive returns once every call has answered, which may be never, and then tells
// whether the operators' door does, within the time given. The callers' doors are not
// tried: who knocks there is a caller, who is counted, and may be turned away.
func (g *gateway) alive(ctx context.Context, within time.Duration) error {
	g.board.Calls()
	if g.admin == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", g.adminURL()+"/healthz", nil)
	if err != nil {
		return err
	}
	door := &http.Transport{
		DisableKeepAlives: true,                                  // no proxy stands before it
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // we know whose the door is
	}
	answer, err := door.RoundTrip(r)
	if failed, ok := errors.AsType[*net.OpError](err); ok && failed.Op == "remote error" {
		return nil // an alert of TLS, while there is no certificate: it is an answer, too
	}
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

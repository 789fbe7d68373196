//go:build unix

package gateway

import (
	"os"
	"os/signal"
	"syscall"
)

// signalled are what signals order beside the end: to reload, and to be replaced. If there
// is nothing to reload, SIGHUP says that the terminal has been closed, and is the end.
func signalled(reloads bool) (reload, replace <-chan os.Signal, stop func()) {
	hup, usr2 := make(chan os.Signal, 1), make(chan os.Signal, 1)
	if reloads {
		signal.Notify(hup, syscall.SIGHUP)
	}
	signal.Notify(usr2, syscall.SIGUSR2)
	return hup, usr2, func() { signal.Stop(hup); signal.Stop(usr2) }
}

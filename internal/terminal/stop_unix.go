//go:build unix

package terminal

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stop stops the job that the program is, as a terminal does on Ctrl-Z. It returns
// when somebody continues it, or soon where there is nobody who could.
func stop() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	syscall.Kill(0, syscall.SIGTSTP)
	select {
	case <-continued:
	case <-time.After(100 * time.Millisecond): // by then it has stopped, if it does
	}
}

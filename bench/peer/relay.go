package peer

import (
	"io"
	"log"
	"net"
	"os"
	"os/exec"
)

// relay runs this very program as a relay, see Relay.
func relay(_ Peer, at Place) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.Command(self, "-relay", at.At, at.Service), nil
}

// Relay is the relay that first comes to mind in Go: two goroutines a call, each in an
// io.Copy. It returns if it cannot listen.
func Relay(at, service string) error {
	door, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	for {
		caller, err := door.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer caller.Close()
			leg, err := net.Dial("tcp", service)
			if err != nil {
				log.Print(err)
				return
			}
			defer leg.Close()
			go func() {
				io.Copy(leg, caller)
				leg.Close()
			}()
			io.Copy(caller, leg)
		}()
	}
}

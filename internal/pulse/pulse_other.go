//go:build !linux

package pulse

import (
	"net"
	"time"
)

// endAfter is nothing here: probes find the dead who are sent nothing, and the system's own
// timeout the others.
func endAfter(*net.TCPConn, time.Duration) {}

//go:build !linux

package downstream

import "net"

func tune(net.Conn, int) {}

func tuneListener(net.Listener) {}

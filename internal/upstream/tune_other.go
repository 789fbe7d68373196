//go:build !linux

package upstream

import "net"

func tune(net.Conn, int) {}

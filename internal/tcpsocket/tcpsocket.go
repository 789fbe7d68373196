// Package tcpsocket finds the socket of TCP within what is around it: TLS, say, or what counts who calls.
package tcpsocket

import "net"

// Of returns the socket that conn is, or is around, nil if there is none.
func Of(conn net.Conn) *net.TCPConn {
	for {
		switch c := conn.(type) {
		case *net.TCPConn:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

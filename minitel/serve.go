package minitel

import "io"

// Serve shows pages, the first one first, to the terminal at the other end of
// conn until it or the page hangs up, and closes conn. With a net.Listener and
// this a service is on its own: reach it by tcp://host:port.
//
// It returns nil if the page hung up, the error of reading or writing if not;
// io.EOF if the terminal did.
func Serve(conn io.ReadWriteCloser, first Page) error {
	t := New(first)
	left := make(chan error, 1)
	go func() {
		left <- listen(conn, t)
		t.Close()
	}()
	err := speak(conn, t)
	conn.Close() // ends listen
	if gone := <-left; err != io.EOF {
		return gone
	}
	return nil
}

// listen hands the terminal's keys to t until there are no more.
func listen(conn io.Reader, t *Terminal) error {
	var p [256]byte
	for {
		n, err := conn.Read(p[:])
		t.Send(p[:n])
		if err != nil {
			return err
		}
	}
}

func speak(conn io.Writer, t *Terminal) error {
	for {
		p, err := t.Receive()
		if err != nil {
			return err
		}
		if _, err := conn.Write(p); err != nil {
			return err
		}
	}
}

package load

import (
	"encoding/binary"
	"errors"
)

// Opcodes of frames (RFC 6455, section 5.2).
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

const (
	final  = 0x80 // in the first byte of a frame
	masked = 0x80 // in the second
)

// appendFrame appends a frame of up to 64 KiB. Clients mask theirs; one key is as good
// as another where there is no browser to be misled (RFC 6455, section 10.3).
func appendFrame(b []byte, op byte, client bool, payload []byte) []byte {
	b = append(b, final|op)
	mask := byte(0)
	if client {
		mask = masked
	}
	if n := len(payload); n < 126 {
		b = append(b, mask|byte(n))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	}
	if !client {
		return append(b, payload...)
	}
	b = append(b, maskKey[:]...)
	for i, c := range payload {
		b = append(b, c^maskKey[i%4])
	}
	return b
}

var maskKey = [4]byte{0x3a, 0x15, 0xc4, 0x5e}

// cutFrame cuts the first frame off b, and unmasks it there. ok is false if b is not a
// whole one.
func cutFrame(b []byte) (op byte, payload, rest []byte, ok bool, err error) {
	if len(b) < 2 {
		return 0, nil, b, false, nil
	}
	head, n := 2, int(b[1]&^masked)
	switch n {
	case 126:
		if len(b) < 4 {
			return 0, nil, b, false, nil
		}
		head, n = 4, int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		return 0, nil, nil, false, errors.New("got a frame of 64 KiB or more")
	}
	key := b[head:head]
	if b[1]&masked != 0 {
		if len(b) < head+4 {
			return 0, nil, b, false, nil
		}
		key = b[head : head+4]
		head += 4
	}
	if len(b) < head+n {
		return 0, nil, b, false, nil
	}
	payload = b[head : head+n]
	if len(key) == 4 {
		for i := range payload {
			payload[i] ^= key[i%4]
		}
	}
	return b[0] & 0x0f, payload, b[head+n:], true, nil
}

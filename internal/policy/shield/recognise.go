package shield

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
)

// Recognise returns the protocol whose opening are the first bytes that somebody sent
// to a port of telnet or of plain bytes, as they came in one piece, and whether they are
// one at all.
//
// It believes whole lines with a version in them, and headers whose lengths agree. What
// people type or paste is none of that: "GET", INFO and Return, a text about HTTP. What
// came in shorter pieces goes unrecognised.
func Recognise(first []byte) (protocol string, ok bool) {
	if m := request.FindSubmatch(first); m != nil {
		return strings.ToLower(string(m[1])), true
	}
	for _, p := range protocols {
		if p.opens(first) {
			return string(p.name), true
		}
	}
	return "", false
}

// request is the first line of HTTP/1 and 2 (RFC 9112, section 3; RFC 9113, section 3.4),
// SIP (RFC 3261, section 7.1) and RTSP (RFC 2326, section 6.1).
var request = regexp.MustCompile(`^[A-Z][A-Z-]{2,15} [^\x00-\x20\x7f]+ (HTTP|SIP|RTSP)/[0-9](?:\.[0-9])?\r?\n`)

// protocols are the others.
var protocols = []struct {
	name  Kind
	opens func(p []byte) bool
}{
	{"tls", isTLS},
	{"ssh", regexp.MustCompile(`^SSH-[12]\.[0-9]{1,2}-[ -~]+\r?\n`).Match}, // RFC 4253, section 4.2
	{"rdp", isRDP},
	{"smb", isSMB},
	{"socks", isSOCKS},
	{"redis", regexp.MustCompile(`^\*[1-9][0-9]{0,5}\r\n\$[0-9]{1,6}\r\n`).Match},
	{"mqtt", isMQTT},
	{"vnc", regexp.MustCompile(`^RFB 00[345]\.[0-9]{3}\n`).Match}, // RFC 6143, section 7.1.1
	{"sql", isSQL},
	{"mongodb", isMongoDB},
	{"ldap", isLDAP},
	{"dns", isDNS},
	{"x11", isX11},
	{"amqp", prefix("AMQP\x00\x00\x09\x01", "AMQP\x00\x01\x00\x00", "AMQP\x03\x01\x00\x00")},
	{"adb", prefix("CNXN\x00\x00\x00\x01", "CNXN\x01\x00\x00\x01")},
	{"rmi", prefix("JRMI\x00\x01K", "JRMI\x00\x02K", "JRMI\x00\x01L", "JRMI\x00\x02L")},
}

func prefix(openings ...string) func([]byte) bool {
	return func(p []byte) bool {
		return slices.ContainsFunc(openings, func(opening string) bool { return bytes.HasPrefix(p, []byte(opening)) })
	}
}

// isTLS is for a record with a ClientHello (RFC 8446, sections 4 and 5.1), which may go on
// in another record.
func isTLS(p []byte) bool {
	if len(p) < 11 || p[0] != 0x16 || p[1] != 3 || p[2] > 4 || p[5] != 1 || p[9] != 3 || p[10] > 4 {
		return false
	}
	record := int(binary.BigEndian.Uint16(p[3:]))
	hello := int(p[6])<<16 | int(p[7])<<8 | int(p[8])
	return record >= 40 && record <= 1<<14 && hello+4 >= record && hello <= 1<<16
}

// isRDP is for a TPKT (RFC 1006, section 6) with a request for a connection (X.224, section
// 13.3), with a cookie or without.
func isRDP(p []byte) bool {
	return len(p) >= 11 && p[0] == 3 && p[1] == 0 && int(binary.BigEndian.Uint16(p[2:])) == len(p) &&
		int(p[4]) == len(p)-5 && p[5] == 0xE0 && p[6] == 0 && p[7] == 0
}

// isSMB is for SMB 1 and 2 in a NetBIOS session or straight on TCP.
func isSMB(p []byte) bool {
	return len(p) >= 8 && p[0] == 0 && p[1] == 0 && int(binary.BigEndian.Uint16(p[2:])) >= 32 &&
		(p[4] == 0xFF || p[4] == 0xFE) && string(p[5:8]) == "SMB"
}

// isSOCKS is for SOCKS 4, to CONNECT, and for the methods offered in SOCKS 5 (RFC 1928,
// section 3) that anybody offers.
func isSOCKS(p []byte) bool {
	switch {
	case len(p) >= 9 && p[0] == 4 && p[1] == 1:
		name := p[8:]
		return bytes.IndexByte(name, 0) >= 0 && !bytes.ContainsFunc(name, func(r rune) bool { return r > 0 && r < ' ' })
	case len(p) >= 3 && p[0] == 5 && p[1] >= 1 && p[1] <= 4 && len(p) == 2+int(p[1]):
		for i, method := range p[2:] {
			if method > 2 || bytes.IndexByte(p[2:2+i], method) >= 0 {
				return false
			}
		}
		return true
	}
	return false
}

// isMQTT is for a CONNECT of MQTT 3 to 5 (MQTT 5.0, section 3.1).
func isMQTT(p []byte) bool {
	if len(p) < 12 || p[0] != 0x10 {
		return false
	}
	length, n := binary.Uvarint(p[1:]) // the same coding
	if n < 1 || n > 4 || length != uint64(len(p)-1-n) {
		return false
	}
	p = p[1+n:]
	return bytes.HasPrefix(p, []byte("\x00\x04MQTT")) && (p[6] == 4 || p[6] == 5) || bytes.HasPrefix(p, []byte("\x00\x06MQIsdp\x03"))
}

// isSQL is for PostgreSQL (its manual, section 55.7) and Microsoft's TDS (MS-TDS, 2.2.3.1).
func isSQL(p []byte) bool {
	if len(p) < 8 {
		return false
	}
	length := int(binary.BigEndian.Uint32(p))
	switch code := binary.BigEndian.Uint32(p[4:]); {
	case length == 8 && (code == 80877103 || code == 80877104): // SSLRequest, GSSENCRequest
		return true
	case length == len(p) && code == 3<<16 && bytes.Contains(p, []byte("user\x00")):
		return true
	}
	return p[0] == 0x12 && p[1] == 1 && len(p) > 13 && int(binary.BigEndian.Uint16(p[2:])) == len(p) &&
		p[4] == 0 && p[5] == 0 && p[7] == 0 && p[8] == 0
}

// isMongoDB is for OP_QUERY and OP_MSG.
func isMongoDB(p []byte) bool {
	if len(p) < 26 || int(binary.LittleEndian.Uint32(p)) != len(p) || binary.LittleEndian.Uint32(p[8:]) != 0 {
		return false
	}
	code := binary.LittleEndian.Uint32(p[12:])
	return code == 2004 || code == 2013
}

// isLDAP is for a BindRequest (RFC 4511, section 4.2) without much in it.
func isLDAP(p []byte) bool {
	return len(p) >= 12 && p[0] == 0x30 && int(p[1]) == len(p)-2 && p[2] == 2 && p[3] == 1 &&
		p[5] == 0x60 && int(p[6]) == len(p)-7 && p[7] == 2 && p[8] == 1 && (p[9] == 2 || p[9] == 3)
}

// isDNS is for a query over TCP (RFC 1035, sections 4.1.1 and 4.2.2).
func isDNS(p []byte) bool {
	return len(p) >= 19 && int(binary.BigEndian.Uint16(p)) == len(p)-2 && p[4]&0xF8 == 0 && p[5]&0x8F == 0 &&
		p[6] == 0 && p[7] == 1 && p[8] == 0 && p[9] == 0 && p[10] == 0 && p[11] == 0 && p[12] == 0 && p[13] <= 1
}

// isX11 is for the setup of a connection (X11 protocol, section 8) without authorization.
func isX11(p []byte) bool {
	return len(p) == 12 && (string(p) == "l\x00\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00" ||
		string(p) == "B\x00\x00\x0b\x00\x00\x00\x00\x00\x00\x00\x00")
}

// probed is what scanners of the web ask for, and no gateway has.
var probed = regexp.MustCompile(`(?i)\.(php|aspx?|jsp|cgi|env|git/|aws/|ssh/|sql|bak)|/(wp-|cgi-bin/|phpmyadmin|actuator/|boaform/|hnap1|geoserver|solr/|owa/|vendor/|etc/passwd)`)

// IsProbe reports whether the path of a request of HTTP is one that only a scanner asks a
// gateway for. It is for paths that are not there.
func IsProbe(path string) bool { return probed.MatchString(path) }

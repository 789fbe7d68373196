package shield

import (
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// openings are what real clients and scanners send first, by protocol. Bytes that differ
// from one to the next, as random ones, are as they were.
var openings = map[string][]string{
	"http": {
		"GET / HTTP/1.1\r\nHost: 192.0.2.1:9000\r\nUser-Agent: Mozilla/5.0 zgrab/0.x\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n", // nmap, GetRequest
		"OPTIONS / HTTP/1.0\r\n\r\n",
		"GET /nice%20ports%2C/Tri%6Eity.txt%2ebak HTTP/1.0\r\n\r\n", // nmap, FourOhFourRequest
		"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"POST /cgi-bin/.%2e/.%2e/bin/sh HTTP/1.1\nHost: x\n\n",
	},
	"tls": {
		// openssl s_client, TLS 1.3; nmap, SSLSessionReq; masscan.
		unhex("1603010131010001 2d0303 5f0d2c9e11a2b8f3c55f10e3f6f0cc4b4fd9bd7d8c8d6e2f1d0a9b8c7d6e5f40") + strings.Repeat("\x13\x02", 100),
		unhex("16030000530100004f03003f47d7f7ba2ceeeab2607ef300fd827bb9d596c8779be6c4db3c3ddb6fef106e00002800160013000a006600050004006500640063006200610060001500120009001400110008000600030100"),
		unhex("160301020001 0001fc0303") + strings.Repeat("\x00", 40),
	},
	"ssh": {
		"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
		"SSH-2.0-Go\r\n",
		"SSH-2.0-libssh_0.9.6\r\nmore",
		"SSH-1.5-NmapNSE_1.0\n",
	},
	"rdp": {
		unhex("0300002f2ae00000000000") + "Cookie: mstshash=Administr\r\n" + unhex("0100080003000000"),
		unhex("030000130ee000000000000100080003000000"), // without a cookie
		unhex("0300000b06e00000000000"),                 // nmap, TerminalServer
	},
	"smb": {
		// nmap, SMBProgNeg, and SMB 2.
		unhex("000000a4ff534d4272000000000801400000000000000000000000000000400600000100008100025043204e4554574f524b2050524f4752414d20312e3000"),
		unhex("00000066fe534d4240000100000000000000") + strings.Repeat("\x00", 80),
	},
	"socks": {
		"\x05\x01\x00", "\x05\x02\x00\x02", "\x05\x03\x00\x01\x02",
		"\x04\x01\x00\x50\xc0\x00\x02\x01root\x00", "\x04\x01\x00\x16\x7f\x00\x00\x01\x00",
	},
	"redis": {"*1\r\n$4\r\nPING\r\n", "*2\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n"},
	"mqtt": {
		"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02me",
		"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03abc",
		"\x10\x12\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x04nmap",
	},
	"vnc":  {"RFB 003.008\n", "RFB 003.003\n"},
	"sip":  {"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm;branch=foo\r\n"},
	"rtsp": {"OPTIONS / RTSP/1.0\r\n\r\n", "DESCRIBE rtsp://192.0.2.1:554/ RTSP/1.0\r\nCSeq: 2\r\n\r\n"},
	"sql": {
		unhex("0000000804d2162f"),
		unhex("0000001e00030000") + "user\x00root\x00database\x00x\x00\x00",
		unhex("1201002f00000100 00001a0006 0100200001 0200210001 0300220004 0400260001 ff 090000000000 01 00 a0a1a2a3 00"),
	},
	"mongodb": {unhex("3a0000000100000000000000d407000000000000") + "admin.$cmd\x00" + unhex("00000000 01000000 13000000 10") + "isMaster\x00" + unhex("01000000 00")},
	"ldap":    {unhex("300c020101600702010304008000")},
	"dns":     {unhex("001e000601000001000000000000") + "\x07version\x04bind\x00\x00\x10\x00\x03"},
	"x11":     {"l\x00\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
	"amqp":    {"AMQP\x00\x00\x09\x01"},
	"adb":     {"CNXN\x00\x00\x00\x01\x00\x10\x00\x00\x07\x00\x00\x00"},
	"rmi":     {"JRMI\x00\x02K"},
}

func unhex(s string) string {
	p, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return string(p)
}

func TestRecognise(t *testing.T) {
	for want, all := range openings {
		if numberOf(Kind(want)) < 0 {
			t.Errorf("%s counts nothing", want)
		}
		for _, opening := range all {
			if got, ok := Recognise([]byte(opening)); got != want || !ok {
				t.Errorf("%q is %q, not %s", opening, got, want)
			}
		}
	}
	for _, p := range protocols {
		if len(openings[string(p.name)]) == 0 {
			t.Errorf("of %s no opening is known", p.name)
		}
	}
}

// What somebody may type or paste, or a terminal send on its own, is no opening, though
// it looks like one.
func TestRecogniseNothing(t *testing.T) {
	for _, said := range []string{
		"", "\r", "\r\n", "G", "GET", "GET\r\n", "GET /\r\n", "GET / HTTP", "GET / HTTP/1.1", "get / http/1.1\r\n",
		"HTTP/1.1 200 OK\r\n", "On écrit GET / HTTP/1.1\r\n", " GET / HTTP/1.1\r\n",
		"SSH\r\n", "SSH-2.0\r\n", "SSH-2.0-x", "PING\r\n", "INFO\r\n", "QUIT\r\n", "HELP\r\n", "*1\r\n", "*1\r$4\r", "RFB\n", "RFB 003.008",
		"3615 ULLA\r\n", "***", "\x13A", "\x13I", "\x13\x59", "\x01Cu<\x04", "\x01\x7f\x7f\x7f\x04", "\x1b9{", "\x1b;aZR",
		"\x05", "\x05\x13A", "\x05\x01", "\x05\x00", "\x05\x05\x00\x01\x02\x03\x04", "\x04", "\x04\x01", "\x16", "\x16\x03", "\x03", "\x03\x00", "\x10",
		"\xff\xfd\x01\xff\xfd\x03\xff\xfb\x18\xff\xfb\x1f", "\xff\xf1", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"AMQP", "JRMI\r\n", "CNXN", "l", "0", "{\"id\":1,\"method\":\"login\"}\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
		"/bin/busybox\r\n", "root\r\n", "ATDT3615\r", strings.Repeat("le Minitel ", 180),
	} {
		if got, ok := Recognise([]byte(said)); ok {
			t.Errorf("%q is taken for %s", said, got)
		}
	}
}

// Nothing that leaves a Minitel's keyboard is an opening, nor is what is pasted: lines of
// text, with accents and digits. The alphabet is that of the openings as far as a keyboard
// has it.
func TestRecogniseKeys(t *testing.T) {
	key := rapid.OneOf(
		rapid.StringMatching(`[ -~]`), rapid.SampledFrom([]string{
			"\r", "\r\n", "\n", "\t", "\b", "\x1b", "\x13A", "\x13B", "\x13I", "\x19Ae", "\x19\x27", "\x1b[A", "\x1bOP", "\xe9", "é", "*", "$",
			"GET", "HTTP", "SSH", "RFB", "SIP", "MQTT", "user", "1.1", "2.0", "/", "-", "003.008",
		}),
	)
	rapid.Check(t, func(t *rapid.T) {
		said := strings.Join(rapid.SliceOfN(key, 0, 60).Draw(t, "keys"), "")
		if got, ok := Recognise([]byte(said)); ok {
			t.Errorf("%q is taken for %s", said, got)
		}
	})
}

func TestIsProbe(t *testing.T) {
	for path, want := range map[string]bool{
		"/.env": true, "/wp-login.php": true, "/cgi-bin/luci/;stok=/locale": true, "/.git/config": true, "/phpMyAdmin/index.php": true,
		"/boaform/admin/formLogin": true, "/HNAP1/": true, "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php": true, "/owa/auth/x.js": true,
		"/actuator/health": true,
		"/":                false, "/favicon.ico": false, "/robots.txt": false, "/apple-touch-icon.png": false, "/.well-known/security.txt": false,
		"/minitel/?speed=1200": false, "/healthz": false, "/index.html": false, "/sitemap.xml": false, "/ws": false, "/environment": false,
	} {
		if got := IsProbe(path); got != want {
			t.Errorf("%s is a probe: %v", path, got)
		}
	}
}

func FuzzRecognise(f *testing.F) {
	for _, all := range openings {
		for _, opening := range all {
			f.Add([]byte(opening))
		}
	}
	f.Fuzz(func(t *testing.T, first []byte) {
		protocol, ok := Recognise(first)
		if ok != (numberOf(Kind(protocol)) >= 0) {
			t.Errorf("%q is %q, %v", first, protocol, ok)
		}
		if ok && len(first) < 3 {
			t.Errorf("%q is enough for %s", first, protocol)
		}
		if ok && protocol != "http" && protocol != "sip" && protocol != "rtsp" && protocol != "ssh" && protocol != "vnc" && protocol != "redis" {
			for _, b := range first {
				if b < ' ' && b != '\r' && b != '\n' && b != '\t' || b > '~' {
					return
				}
			}
			t.Errorf("%q is text, and taken for %s", first, protocol)
		}
	})
}

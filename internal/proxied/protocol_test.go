package proxied

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pires/go-proxyproto"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// v2 returns a header of version 2.
func v2(command, family byte, length int, rest string) string {
	return signature + string([]byte{command, family, byte(length >> 8), byte(length)}) + rest
}

const four = "\xC0\x00\x02\x07\xC6\x33\x64\x01\x0F\xA0\x23\x29" // 192.0.2.7:4000 to 198.51.100.1:9001

const six = "\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
	"\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x0F\xA0\x23\x29"

const mapped = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xFF\xFF\xC0\x00\x02\x07" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xFF\xFF\xC0\x00\x02\x01\x0F\xA0\x23\x29"

// What proxies send, and who calls then; "" if they do not say.
var headers = map[string]string{
	"PROXY TCP4 192.0.2.7 198.51.100.1 4000 9001\r\n":                              "192.0.2.7:4000",
	"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n":                   "255.255.255.255:65535",
	"PROXY TCP4 1.1.1.1 1.1.1.1 0 1\r\n":                                           "1.1.1.1:0",
	"PROXY TCP6 :: ::1 1 1\r\n":                                                    "[::]:1",
	"PROXY TCP6 2001:db8::7 2001:db8::1 4000 9001\r\n":                             "[2001:db8::7]:4000",
	"PROXY TCP6 2001:0db8:0000:0000:0000:0000:0000:0007 2001:DB8::1 4000 9001\r\n": "[2001:db8::7]:4000",
	"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 4000 9001\r\n":                   "192.0.2.7:4000",
	"PROXY UNKNOWN\r\n": "",
	"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n":                    "",
	"PROXY UNKNOWN \r \n \r\r\n":                                                       "",
	"PROXY UNKNOWN " + strings.Repeat("x", maxV1-len("PROXY UNKNOWN \r\n")) + "\r\n":   "",
	v2(0x21, tcp4, 12, four):                                                           "192.0.2.7:4000",
	v2(0x21, tcp4, 18, four+"\x04\x00\x03abc"):                                         "192.0.2.7:4000",
	v2(0x21, tcp4, 13, four+"\xFF"):                                                    "192.0.2.7:4000",
	v2(0x21, tcp4, maxV2, four+strings.Repeat("\x04\x00\x00", 2000)[:maxV2-len(four)]): "192.0.2.7:4000",
	v2(0x21, tcp6, 36, six):                                                            "[2001:db8::7]:4000",
	v2(0x21, tcp6, 36, mapped):                                                         "192.0.2.7:4000",
	v2(0x21, unspec, 0, ""):                                                            "",
	v2(0x21, unspec, 3, "abc"):                                                         "",
	v2(0x21, unix, 216, strings.Repeat("/", 216)):                                      "",
	v2(0x20, unspec, 0, ""):                                                            "",
	v2(0x20, tcp4, 12, four):                                                           "",
	v2(0x20, 0xFF, 2, "ab"):                                                            "",
}

// However a header comes, nothing behind it is read.
func TestRead(t *testing.T) {
	const behind = "\r\nPROXY TCP4"
	for header, want := range headers {
		for _, pieces := range []func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader,
		} {
			all := strings.NewReader(header + behind)
			from, err := Read(pieces(all))
			rest, _ := io.ReadAll(all)
			if err != nil || from.IsValid() != (want != "") || want != "" && from.String() != want || string(rest) != behind {
				t.Errorf("%q: it is %v, %v, and %q is left", header, from, err, rest)
			}
		}
	}
}

// A header that is cut off is none.
func TestReadCut(t *testing.T) {
	for header := range headers {
		for n := range len(header) {
			from, err := Read(strings.NewReader(header[:n]))
			switch {
			case from.IsValid():
				t.Fatalf("%q: it is %v", header[:n], from)
			case n == 0 && err != io.EOF, n > 0 && !errors.Is(err, io.ErrUnexpectedEOF):
				t.Errorf("%q: %v", header[:n], err)
			}
		}
	}
	if _, err := Read(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("PROXY UNKNOWN")))); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("%v", err)
	}
}

func TestReadRefuses(t *testing.T) {
	const none, no = "no PROXY header comes first", "is no PROXY header"
	for header, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n": none,
		"GET":                               none,
		"proxy TCP4 192.0.2.7 198.51.100.1 4000 9001\r\n":                                  none,
		"PROXY\tTCP4 192.0.2.7 198.51.100.1 4000 9001\r\n":                                 none,
		"PROXYTCP4 192.0.2.7 198.51.100.1 4000 9001\r\n":                                   none,
		"\r\n\r\n\x00\r\nQUIT\r\n\x21\x11\x00\x00":                                         none,
		"PROXY TCP4 192.0.2.7  198.51.100.1 4000 9001\r\n":                                 no,
		"PROXY  TCP4 192.0.2.7 198.51.100.1 4000 9001\r\n":                                 no,
		"PROXY TCP4 192.0.2.7 198.51.100.1 4000 9001 \r\n":                                 no,
		"PROXY TCP4 192.0.2.7 198.51.100.1 4000\r\n":                                       no,
		"PROXY TCP4 192.0.2.7 198.51.100.1 4000 65536\r\n":                                 no,
		"PROXY TCP4 192.0.2.7 198.51.100.1 04000 9001\r\n":                                 no,
		"PROXY TCP4 192.0.2.7 198.51.100.1 +4000 9001\r\n":                                 no,
		"PROXY TCP4 192.0.2.07 198.51.100.1 4000 9001\r\n":                                 no,
		"PROXY TCP4 192.0.2 198.51.100.1 4000 9001\r\n":                                    no,
		"PROXY TCP4 192.0.2.7 2001:db8::1 4000 9001\r\n":                                   no,
		"PROXY TCP4 2001:db8::7 2001:db8::1 4000 9001\r\n":                                 no,
		"PROXY TCP6 192.0.2.7 198.51.100.1 4000 9001\r\n":                                  no,
		"PROXY TCP6 fe80::7%eth0 fe80::1 4000 9001\r\n":                                    no,
		"PROXY UDP4 192.0.2.7 198.51.100.1 4000 9001\r\n":                                  no,
		"PROXY unknown xxxxxx\r\n":                                                         no,
		"PROXY TCP4 192.0.2.7 198.51.100.1 4000 9001\n" + strings.Repeat("x", 64) + "\r\n": "has no end after 107 bytes",
		"PROXY UNKNOWN " + strings.Repeat("x", maxV1):                                      "has no end after 107 bytes",
		"PROXY UNKNOWN " + strings.Repeat("x", maxV1-len("PROXY UNKNOWN \r")) + "\r\n":     "has no end after 10",
		v2(0x11, tcp4, 12, four):                                                           "version and command 11h is unknown",
		v2(0x22, tcp4, 12, four):                                                           "version and command 22h is unknown",
		v2(0x21, 0x12, 12, four):                                                           "family 12h is not for a TCP connection",
		v2(0x21, 0x41, 12, four):                                                           "family 41h is not for a TCP connection",
		v2(0x21, 0x01, 12, four):                                                           "family 01h is not for a TCP connection",
		v2(0x21, tcp4, 11, four):                                                           "no room for addresses in 11 bytes",
		v2(0x21, tcp6, 12, four):                                                           "no room for addresses in 12 bytes",
		v2(0x21, unix, 215, strings.Repeat("/", 216)):                                      "no room for addresses in 215 bytes",
		v2(0x21, tcp4, maxV2+1, strings.Repeat("x", maxV2+1)):                              "is 4113 bytes long (4112 are the most)",
		v2(0x20, tcp4, 65535, strings.Repeat("x", 65535)):                                  "is 65551 bytes long (4112 are the most)",
	} {
		all := strings.NewReader(header)
		from, err := Read(all)
		if err == nil || !strings.Contains(err.Error(), want) || from.IsValid() {
			t.Errorf("%.80q: %v, %v, want %s", header, from, err, want)
		}
		if read := len(header) - all.Len(); read > headV2+maxV2 {
			t.Errorf("%.80q: %d bytes were read", header, read)
		}
	}
}

// somewhere draws an address, IPv4 or IPv6 or IPv4 in IPv6.
func somewhere(t *rapid.T, name string) netip.AddrPort {
	sizes := rapid.SampledFrom([]int{4, 16, 12}).Draw(t, name+" size")
	p := rapid.SliceOfN(rapid.Byte(), sizes, sizes).Draw(t, name)
	if sizes == 12 {
		p = append([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xFF\xFF"), p[:4]...)
	}
	a, _ := netip.AddrFromSlice(p)
	return netip.AddrPortFrom(a, rapid.Uint16().Draw(t, name+" port"))
}

// Who else knows the protocol, and we, read in what we write the same as was meant.
func TestAppend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := somewhere(t, "from"), somewhere(t, "to")
		one, two := AppendV1(nil, from, to), AppendV2(nil, from, to)
		mixed := from.Addr().Unmap().Is4() != to.Addr().Unmap().Is4()
		for _, header := range [][]byte{one, two} {
			r := bufio.NewReader(bytes.NewReader(append(header, "behind"...)))
			theirs, err := proxyproto.Read(r)
			if err != nil {
				t.Fatalf("%q: %v", header, err)
			}
			if rest, _ := io.ReadAll(r); string(rest) != "behind" {
				t.Fatalf("%q: %q is left", header, rest)
			}
			ours, err := Read(bytes.NewReader(header))
			if err != nil {
				t.Fatalf("%q: %v", header, err)
			}
			if mixed && header[0] == 'P' {
				if ours.IsValid() || theirs.TransportProtocol.IsStream() {
					t.Fatalf("%q: it is %v, %v", header, ours, theirs)
				}
				continue
			}
			if ours != bare(from) || netAddr(theirs.SourceAddr) != bare(from) || netAddr(theirs.DestinationAddr) != bare(to) {
				t.Fatalf("%q: it is %v, %v", header, ours, theirs)
			}
		}
	})
	unknown := netip.MustParseAddrPort("192.0.2.7:1")
	for _, ends := range [][2]netip.AddrPort{{unknown, {}}, {{}, unknown}, {}} {
		if got := string(AppendV1([]byte("a"), ends[0], ends[1])); got != "aPROXY UNKNOWN\r\n" {
			t.Errorf("%q", got)
		}
		if got := string(AppendV2([]byte("a"), ends[0], ends[1])); got != "a"+v2(0x20, unspec, 0, "") {
			t.Errorf("%q", got)
		}
		for _, header := range [][]byte{AppendV1(nil, ends[0], ends[1]), AppendV2(nil, ends[0], ends[1])} {
			if theirs, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(header))); err != nil || netAddr(theirs.SourceAddr).IsValid() {
				t.Errorf("%q: it is %v, %v", header, theirs, err)
			}
		}
	}
}

// What another writes, we read as it was meant.
func TestReadTheirs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := somewhere(t, "from"), somewhere(t, "to")
		if bare(from).Addr().Is4() != bare(to).Addr().Is4() {
			return
		}
		version := rapid.SampledFrom([]byte{1, 2}).Draw(t, "version")
		header := proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(bare(from)), net.TCPAddrFromAddrPort(bare(to)))
		if version == 2 {
			value := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "value")
			header.SetTLVs([]proxyproto.TLV{{Type: proxyproto.PP2_TYPE_AUTHORITY, Value: value}})
		}
		p, err := header.Format()
		if err != nil {
			t.Fatal(err)
		}
		r := bytes.NewReader(append(p, "behind"...))
		if got, err := Read(r); got != bare(from) || err != nil || r.Len() != len("behind") {
			t.Fatalf("%q: it is %v, %v, want %v; %d bytes are left", p, got, err, from, r.Len())
		}
	})
}

func netAddr(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return bare(tcp.AddrPort())
}

// Whatever comes, no more is read than a header has, and where it says who calls, another
// who knows the protocol reads the same in it.
func FuzzProxy(f *testing.F) {
	for header := range headers {
		f.Add([]byte(header + "behind"))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		r := bytes.NewReader(p)
		ours, err := Read(r)
		n := len(p) - r.Len()
		if n > headV2+maxV2 {
			t.Fatalf("%d bytes were read", n)
		}
		if err != nil {
			if ours.IsValid() {
				t.Fatalf("with %v, it is %v", err, ours)
			}
			return
		}
		behind := bufio.NewReaderSize(bytes.NewReader(p), 1<<17)
		theirs, err := proxyproto.Read(behind)
		if !ours.IsValid() {
			return // it is stricter with what means nothing
		}
		if err != nil || netAddr(theirs.SourceAddr) != ours {
			t.Fatalf("%q is %v to us, and %v to them, %v", p[:n], ours, theirs, err)
		}
		if rest, _ := io.ReadAll(behind); len(rest) != r.Len() {
			t.Fatalf("%d bytes are left to us, and %d to them", r.Len(), len(rest))
		}
	})
}

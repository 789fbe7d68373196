package shield

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"moip/internal/policy/ban"
	"moip/internal/session"
)

func benchGate(b *testing.B) *Shield {
	bans, err := ban.Open(ban.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := Open(Options{Rules: rules, Bans: bans})
	b.Cleanup(func() { s.Close(); bans.Close() })
	return s
}

func home(i uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, i)))
}

// BenchmarkNote is what a call costs whose end tells something, under its lock.
func BenchmarkNote(b *testing.B) {
	s := benchGate(b)
	e := session.Event{
		Type: session.Ended, At: time.Now(), Began: time.Now(), Reason: session.ReasonGone,
		Caller: session.Caller{Transport: "telnet", Addr: netip.MustParseAddrPort("192.0.2.7:1")},
	}
	for b.Loop() {
		s.Note(e)
	}
}

// BenchmarkWeigh is what evidence costs where it is weighed, each of another household,
// with all those that there may be.
func BenchmarkWeigh(b *testing.B) {
	s := benchGate(b)
	i := uint32(0)
	next := func() {
		i++
		s.weigh(sighting{netip.PrefixFrom(home(i), 32), home(i), 0})
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range maxHouseholds {
		next()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/maxHouseholds, "bytes/household")
	longest := time.Duration(0)
	for b.Loop() {
		began := time.Now()
		next()
		longest = max(longest, time.Since(began))
	}
	b.ReportMetric(float64(longest.Milliseconds()), "ms-longest")
}

// BenchmarkWait is what whoever comes costs, with so many households known.
func BenchmarkWait(b *testing.B) {
	s := benchGate(b)
	for i := range uint32(maxHouseholds) {
		s.weigh(sighting{netip.PrefixFrom(home(i), 32), home(i), 0})
	}
	i := uint32(0)
	for b.Loop() {
		i = (i + 7919) % maxHouseholds
		s.Wait(home(i), nil)
	}
}

// BenchmarkRecognise is what the first bytes cost of a telnet program, which are of no
// other protocol.
func BenchmarkRecognise(b *testing.B) {
	first := []byte("\xff\xfd\x03\xff\xfb\x18\xff\xfb\x1f\xff\xfb\x20\xff\xfb\x21\xff\xfb\x22\xff\xfb\x27\xff\xfd\x05")
	for b.Loop() {
		Recognise(first)
	}
}

package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"moip/internal/control/cluster/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// all returns the lines that are not delivered, and delivers them.
func all(t interface{ Fatal(...any) }, s *spool.Spool) (lines []string) {
	for {
		some, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			return lines
		}
		for _, line := range some {
			lines = append(lines, string(line))
		}
		if err := s.Done(); err != nil {
			t.Fatal(err)
		}
	}
}

func there(path string) bool { _, err := os.Stat(path); return err == nil }

func TestSpool(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	s := spool.New(path, 1000)
	if bad, err := s.Open(); bad != 0 || err != nil || there(path) {
		t.Error("before there is a line:", bad, err, there(path))
	}
	for i := range 3 {
		if err := s.Add(fmt.Appendf(nil, `{"n":%d}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	if got := all(t, s); !slices.Equal(got, []string{`{"n":0}`, `{"n":1}`, `{"n":2}`}) || there(path) {
		t.Error(got, there(path))
	}
	for _, line := range []string{"", "@3", "a\nb", strings.Repeat("x", spool.MaxLine+1)} {
		if err := s.Add([]byte(line)); !errors.Is(err, spool.ErrLine) || there(path) {
			t.Errorf("%.10q: %v", line, err)
		}
	}
	long := bytes.Repeat([]byte("x"), 500)
	if err := s.Add(long); err != nil {
		t.Error(err)
	}
	if err := s.Add(long); err != spool.ErrFull || s.Waiting() != 1 {
		t.Error(err, s.Waiting())
	}
	if err := s.AddLast(long); err != nil || s.Waiting() != 2 {
		t.Error(err, s.Waiting())
	}
	if err := s.Close(); err != nil || !there(path) {
		t.Error(err)
	}
}

// Lines that are in the file no more, or cannot be read any more, are told of.
func TestMissing(t *testing.T) {
	for what, spoil := range map[string]func(*os.File){
		"gone": func(f *os.File) { f.Truncate(0) }, "spoilt": func(f *os.File) { f.WriteAt([]byte("?"), 12) },
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "spool")
			s := spool.New(path, 1000)
			if err := s.Add([]byte("one")); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			spoil(f)
			f.Close()
			if some, err := s.Next(); !errors.Is(err, spool.ErrMissing) || len(some) > 0 {
				t.Error(some, err)
			}
			if err := s.Add([]byte("two")); err != nil {
				t.Error(err)
			}
			if got := all(t, s); !slices.Equal(got, []string{"two"}) || there(path) {
				t.Error(got, there(path))
			}
		})
	}
}

// Of two processes one has the file, and the other has it later.
func TestBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool")
	a, b := spool.New(path, 1000), spool.New(path, 1000)
	a.Add([]byte("a"))
	if _, err := b.Open(); err != spool.ErrBusy {
		t.Error(err)
	}
	if err := b.Add([]byte("b")); err != spool.ErrBusy {
		t.Error(err)
	}
	a.Close()
	if _, err := b.Open(); err != nil || b.Waiting() != 1 {
		t.Error(err, b.Waiting())
	}
	if got := all(t, b); !slices.Equal(got, []string{"a"}) {
		t.Error(got)
	}
	if err := a.Add([]byte("c")); err != nil {
		t.Error(err)
	}
	a.Close()
}

// What cannot be written is told, and spoils nothing.
func TestNowhere(t *testing.T) {
	s := spool.New(filepath.Join(t.TempDir(), "none", "spool"), 1000)
	if _, err := s.Open(); err != nil {
		t.Error(err)
	}
	if err := s.Add([]byte("a")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// All is on the disk a second later, by itself.
func TestSync(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := spool.New(filepath.Join(dir, "spool"), 1000)
		s.Add([]byte("a"))
		time.Sleep(2 * time.Second)
		s.Add([]byte("b"))
		s.Next()
		s.Done()
		time.Sleep(2 * time.Second) // it is gone by then
	})
}

// A spool that is cut anywhere, with rubbish behind, has all lines that were whole, but
// for those of which it was written that they are delivered.
func TestCutAnywhere(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, "spool")
		os.Remove(path)
		s := spool.New(path, 1<<20)
		defer func() { all(t, s) }()
		var waiting []string // not delivered
		n, next := 0, 0
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for range rapid.IntRange(1, 4).Draw(t, "lines") {
					n++
					line := fmt.Sprint(n, strings.Repeat(".", rapid.SampledFrom([]int{0, 7, 7, 7, 20_000, spool.MaxLine - 20}).Draw(t, "length")))
					switch err := s.Add([]byte(line)); err {
					case nil:
						waiting = append(waiting, line)
					case spool.ErrFull:
					default:
						t.Fatal(err)
					}
				}
			},
			"next": func(t *rapid.T) {
				some, err := s.Next()
				if err != nil {
					t.Fatal(err)
				}
				next = len(some)
				for i, line := range some {
					if i >= len(waiting) || string(line) != waiting[i] {
						t.Fatalf("line %d is %.20q of %d", i, line, len(waiting))
					}
				}
				if next == 0 && len(waiting) > 0 {
					t.Fatalf("%d lines are not told", len(waiting))
				}
			},
			"done": func(t *rapid.T) {
				if err := s.Done(); err != nil {
					t.Fatal(err)
				}
				waiting, next = waiting[next:], 0
			},
			"kill": func(t *rapid.T) {
				before, err := os.ReadFile(path)
				if err != nil {
					return // it has nothing
				}
				all(t, s) // so that nothing is left of the one that is killed
				cut := rapid.IntRange(0, len(before)).Draw(t, "cut")
				rubbish := append([]byte{0}, rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "rubbish")...) // else an end of a line might make a whole one
				whole, delivered := read(before[:cut])
				os.WriteFile(path, append(slices.Clone(before[:cut]), rubbish...), 0o600)
				s = spool.New(path, 1<<20)
				if _, err := s.Open(); err != nil {
					t.Fatal(err)
				}
				waiting, next = whole[delivered:], 0
			},
			"": func(t *rapid.T) {
				if s.Waiting() != len(waiting) {
					t.Fatalf("%d lines wait, not %d", s.Waiting(), len(waiting))
				}
				if there(path) != (len(waiting) > 0) {
					t.Fatalf("%d lines wait, and the file is there: %v", len(waiting), there(path))
				}
			},
		})
		if got := all(t, s); !slices.Equal(got, waiting) {
			t.Fatalf("%d lines at the end, not %d", len(got), len(waiting))
		}
	})
}

// ours is a line that was not cut: behind a cut there is a zero.
var ours = regexp.MustCompile(`^[0-9a-f]{8} [^\x00]+$`)

// read reads a spool as simply as can be: its lines, and how many are delivered.
func read(data []byte) (lines []string, delivered int) {
	var ends []int
	at, done := 0, 0
	for line := range strings.Lines(string(data)) {
		at += len(line)
		text, whole := strings.CutSuffix(line, "\n")
		if !whole {
			break
		}
		if !ours.MatchString(text) {
			continue
		}
		if offset := 0; text[9] == '@' {
			fmt.Sscan(text[10:], &offset)
			done = max(done, offset)
			continue
		}
		lines, ends = append(lines, text[9:]), append(ends, at)
	}
	for _, end := range ends {
		if end <= done {
			delivered++
		}
	}
	return lines, delivered
}

package emulator

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"moip/internal/testkit/browsertest"
	"moip/videotex"
)

// The tests of this file hold the decoder of the page against package videotex,
// whose port it is: what one shows, the other does.

// minitel1B is who the terminal is that package videotex models by default.
var minitel1B = []int{0x43, 0x75, 0x3C}

// A stream is what a terminal receives, and in which pieces.
type stream struct {
	Stream   string `json:"stream"` // a character for each byte
	Chunks   []int  `json:"chunks,omitempty"`
	Identity []int  `json:"identity"`
	Letter   string `json:"letter,omitempty"`
}

// streamOf returns p, for a Minitel 1B.
func streamOf(p []byte) stream { return stream{Stream: latin1(p), Identity: minitel1B} }

// A decoder is that of the page, in a browser.
type decoder struct{ tab context.Context }

// newDecoder opens a tab that has the modules of the page.
func newDecoder(t *testing.T) decoder {
	t.Helper()
	files := http.FileServerFS(os.DirFS("."))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Write([]byte("<!doctype html><title>decoder</title>"))
		case "/favicon.ico":
			w.WriteHeader(http.StatusNoContent)
		default:
			files.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
	if err := chromedp.Do(tab, chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	return decoder{tab}
}

// ask calls a function of testdata/dump.js.
func ask[T any](t *testing.T, d decoder, function string, argument any) T {
	t.Helper()
	p, err := json.Marshal(argument)
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("import('/testdata/dump.js').then(m => m.%s(%s))", function, p)
	answer, err := chromedp.Run(d.tab, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// model returns what package videotex makes of a stream.
func model(s stream) *videotex.Screen {
	screen := videotex.NewScreen()
	screen.Identify(byte(s.Identity[0]), byte(s.Identity[1]), byte(s.Identity[2]))
	p := bytesOf(s.Stream)
	for _, n := range s.Chunks {
		screen.Write(p[:n])
		p = p[n:]
	}
	screen.Write(p)
	if s.Letter != "" {
		screen.Indicate(s.Letter[0])
	}
	return screen
}

// TestPages compares what is on file of each page of package videotex.
func TestPages(t *testing.T) {
	const dir = "../../videotex/testdata/"
	pages, _ := filepath.Glob(dir + "*.vdt")
	if len(pages) < 30 {
		t.Fatalf("%d pages", len(pages))
	}
	var streams []stream
	for _, page := range pages {
		streams = append(streams, streamOf(read(t, page)))
	}
	d := newDecoder(t)
	agree(t, d, pages, streams, func(i int) []byte {
		return read(t, strings.TrimSuffix(pages[i], ".vdt")+".cells.json")
	})
	saved(t, d, pages, streams)
}

// TestCorpus compares what package videotex tells of the pages and vectors that
// are other people's work.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("MOIP_CORPUS")
	if dir == "" {
		t.Skip("MOIP_CORPUS is not set: the corpus is not here, only pages of our own are tested")
	}
	var names []string
	var streams []stream
	add := func(name string, p []byte) {
		s := streamOf(p)
		s.Letter = "F"
		names, streams = append(names, name), append(streams, s)
	}
	pages, _ := filepath.Glob(filepath.Join(dir, "open", "*.vdt"))
	for _, page := range pages {
		add(filepath.Base(page), read(t, page))
	}
	var file struct {
		Vectors []struct{ Kind, Name, Input string }
	}
	if err := json.Unmarshal(read(t, filepath.Join(dir, "vectors.json")), &file); err != nil {
		t.Fatal(err)
	}
	for _, v := range file.Vectors {
		p, err := hex.DecodeString(v.Input)
		if err != nil {
			t.Fatal(err)
		}
		add(v.Kind+"/"+v.Name, p)
	}
	if len(pages) == 0 || len(file.Vectors) == 0 {
		t.Fatalf("%d pages, %d vectors", len(pages), len(file.Vectors))
	}
	d := newDecoder(t)
	agree(t, d, names, streams, func(i int) []byte { return model(streams[i]).JSON() })
	saved(t, d, names, streams)
	t.Logf("%d pages, %d vectors", len(pages), len(file.Vectors))
}

// TestNews checks what is not in the cells: the bell, and what the keyboard of the
// page has to know.
func TestNews(t *testing.T) {
	type news struct {
		Bells               int
		Small, Extended, C0 bool
	}
	tests := []struct {
		stream string
		want   news
	}{
		{"a\x07b\x07", news{Bells: 2}},
		{"\x13\x07\x1F@A\x07\n\x1B:2}\x07\x1F@A\x07\n\x1B[\x07m\x1B:2~", news{Bells: 5}}, // in the midst of sequences, anywhere
		{"\x1F#A0\x07\x1F<\x07\r\x1B%\x07\x1B9\x7F", news{}},                             // where none is heard
		{"\x1B:iE", news{Small: true}},
		{"\x1B:iE\x1B:jE", news{}},
		{"\x1B;iYA", news{Extended: true}},
		{"\x1B;iYC\x1B:iC", news{C0: true}},
		{"\x1B;iYA\x1B;iYC\x1B;jYA", news{C0: true}},
		{"\x1B:2}", news{Small: true, Extended: true}},
		{"\x1B:1}\x1B[?{", news{}},
		{"\x1B:iE\x1B;iYA\x1B;iYC\x1B9\x7F", news{}},
	}
	streams := make([]stream, len(tests))
	for i, test := range tests {
		streams[i] = streamOf([]byte(test.stream))
	}
	for i, got := range ask[[]news](t, newDecoder(t), "news", streams) {
		if got != tests[i].want {
			t.Errorf("%q: %+v, want %+v", tests[i].stream, got, tests[i].want)
		}
	}
}

// agree fails the test if the decoder makes something else of the streams than
// what is wanted, told as JSON. What is the same to the letter is not fetched.
func agree(t *testing.T, d decoder, names []string, streams []stream, want func(i int) []byte) {
	t.Helper()
	for i, got := range ask[[]uint32](t, d, "hashes", streams) {
		if want := want(i); hash([]rune(written.Replace(string(want)))) != got {
			differ(t, names[i], want, []byte(ask[string](t, d, "dump", streams[i])))
		}
	}
}

// written are what Go writes otherwise than JavaScript.
var written = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&", "\n", "")

// differ fails the test if two screens do, told as JSON, and says where.
func differ(t *testing.T, name string, want, got []byte) {
	t.Helper()
	var screens [2]map[string]any
	for i, p := range [][]byte{want, got} {
		if err := json.Unmarshal(p, &screens[i]); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(screens[0], screens[1]); diff != "" {
		t.Errorf("%s: %.2000s", name, diff)
	}
}

// A digest is what the decoder tells in brief of what it makes of a stream.
type digest struct {
	View    uint32
	Text    uint32
	Replies string
	Page    string // pageOf
	Torn    bool   // more than it can express
}

// view is what testdata/dump.js calls so: all that shows, but for the text, and
// what redefined characters look like, in use or not.
func view(s *videotex.Screen) []rune {
	row, column, on := s.Cursor()
	all := []rune{rune(s.Columns()), rune(row), rune(column), bit(on), bit(s.Revealed())}
	for row := range 25 {
		for _, c := range cells(s, row) {
			all = append(all, rune(c.Set), rune(c.Code), rune(c.Ink), rune(c.Paper), rune(c.Attr))
		}
	}
	for _, set := range []videotex.Set{videotex.Drcs0, videotex.Drcs1} {
		for code := byte(0x21); code < 0x7F; code++ {
			for _, line := range s.Glyph(set, code) {
				all = append(all, rune(line))
			}
		}
	}
	return all
}

// cells returns what a row shows.
func cells(s *videotex.Screen, row int) (all []videotex.Cell) {
	if s.Columns() == 40 {
		line := s.Row(row)
		return line[:]
	}
	for column := range 80 {
		all = append(all, s.Cell(row, column+1))
	}
	return all
}

// hash is FNV-1a.
func hash(all []rune) uint32 {
	h := uint32(0x811C9DC5)
	for _, c := range all {
		h = (h ^ uint32(c)) * 0x01000193
	}
	return h
}

func bit(b bool) rune {
	if b {
		return 1
	}
	return 0
}

// resembles reports whether a screen shows what another does; of redefined
// characters, those in use.
func resembles(got, want *videotex.Screen) bool {
	for row := range 25 {
		line := cells(want, row)
		if !slices.Equal(cells(got, row), line) {
			return false
		}
		for _, c := range line {
			if got.Glyph(c.Set, c.Code) != want.Glyph(c.Set, c.Code) {
				return false
			}
		}
	}
	r1, c1, on1 := got.Cursor()
	r2, c2, on2 := want.Cursor()
	return r1 == r2 && c1 == c2 && on1 == on2 && got.Revealed() == want.Revealed()
}

// saved fails the test if what pageOf makes of the screens shows something else
// than they do.
func saved(t *testing.T, d decoder, names []string, streams []stream) {
	t.Helper()
	for i, digest := range ask[[]digest](t, d, "digests", streams) {
		again := streams[i]
		again.Stream, again.Chunks = digest.Page, nil
		if !resembles(model(again), model(streams[i])) {
			t.Errorf("%s: saved as %q", names[i], digest.Page)
			differ(t, names[i], model(streams[i]).JSON(), model(again).JSON())
		}
		if strings.ContainsFunc(digest.Page, func(r rune) bool { return r > 0x7F }) {
			t.Errorf("%s: saved with bit 7", names[i])
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	p, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// latin1 returns a string of the characters that have the codes p.
func latin1(p []byte) string {
	var b strings.Builder
	for _, c := range p {
		b.WriteRune(rune(c))
	}
	return b.String()
}

// bytesOf is latin1 the other way round.
func bytesOf(s string) []byte {
	var p []byte
	for _, r := range s {
		p = append(p, byte(r))
	}
	return p
}

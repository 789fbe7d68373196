package test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	stdlog "log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	pages "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"moip/internal/picture"
	"moip/internal/recording"
	"moip/internal/testkit/browsertest"
	"moip/videotex"
)

var update = flag.Bool("update", false, "rewrite the picture of the page")

var trailing = regexp.MustCompile(`(?m) +$`)

// A tab is a tab of a real browser, with the Minitel of a gateway in it.
type tab struct {
	*testing.T
	ctx context.Context
}

// remembers has a page remember what it says: some of it stays for a few seconds, in which
// a busy machine may not have looked.
const remembers = `addEventListener("DOMContentLoaded", () => {
	window.said = [];
	const heard = new MutationObserver(changes => {
		for (const e of new Set(changes.map(c => c.target))) if (e.textContent && e.checkVisibility()) said.push(e.textContent);
	});
	for (const e of document.querySelectorAll("main #state, #refusal, .news")) heard.observe(e, { childList: true });
})`

// opens opens the page at url. What flashes keeps still, so that pictures can be
// compared.
func opens(t *testing.T, url string, expected ...string) *tab {
	t.Helper()
	b := &tab{t, browsertest.Open(t, expected...)}
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, pages.AddScriptToEvaluateOnNewDocument, pages.AddScriptToEvaluateOnNewDocumentParams{Source: remembers}); err != nil {
		t.Fatal(err)
	}
	b.does(chromedp.EmulateViewport(1280, 800), chromedp.Navigate(url))
	return b
}

func (b *tab) does(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// value returns what an expression is in the page.
func value[T any](b *tab, expression string) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for something to be so.
func (b *tab) until(what string, so func() bool) {
	b.Helper()
	for late := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			b.saves("late.png")
			b.Fatalf("waited for %s; the page says %q and shows\n%s", what, b.state(), b.text())
		}
	}
}

func (b *tab) state() string { return value[string](b, `document.getElementById("state").textContent`) }

// text returns the text that is read to those who do not see the screen.
func (b *tab) text() string {
	return value[string](b, `[...document.getElementById("text").children].map(row => row.textContent).join("\n")`)
}

func (b *tab) says(state string) {
	b.Helper()
	b.until("the state "+state, func() bool { return strings.Contains(b.state(), state) })
}

// said returns what the page has said with a text in it, "" if it has not since the last time.
func (b *tab) said(text string) string {
	b.Helper()
	return value[string](b, fmt.Sprintf(`(() => {
		const at = said.findIndex(words => words.includes(%q));
		return at < 0 ? "" : said.splice(0, at + 1)[at];
	})()`, text))
}

// told waits until the page has said a text.
func (b *tab) told(text string) {
	b.Helper()
	b.until("word of "+text, func() bool { return b.said(text) != "" })
}

func (b *tab) reads(text string) {
	b.Helper()
	b.until("the text "+text, func() bool { return strings.Contains(b.text(), text) })
}

// picture returns what is on the canvas.
func (b *tab) picture() image.Image {
	b.Helper()
	p, err := base64.StdEncoding.DecodeString(value[string](b, `document.getElementById("screen").toDataURL().split(",")[1]`))
	if err != nil {
		b.Fatal(err)
	}
	return decoded(b.T, p)
}

func decoded(t *testing.T, p []byte) image.Image {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(p))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func writePNG(t *testing.T, name string, m image.Image) {
	t.Helper()
	var b bytes.Buffer
	err := png.Encode(&b, m)
	if err == nil {
		err = os.WriteFile(name, b.Bytes(), 0o666)
	}
	if err != nil {
		t.Error(err)
	}
}

// same reports whether two pictures are, pixel for pixel.
func same(a, b image.Image) bool {
	if a.Bounds() != b.Bounds() {
		return false
	}
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r, g, bl, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			if r != r2 || g != g2 || bl != b2 {
				return false
			}
		}
	}
	return true
}

// saves keeps a picture of the tab among the artifacts of the test.
func (b *tab) saves(name string) {
	p, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(b.ArtifactDir(), name), p, 0o666)
	}
	if err != nil {
		b.Error(err)
	}
}

func (b *tab) clicks(selector string) { b.Helper(); b.does(chromedp.Click(selector)) }

// function presses a function key of the page.
func (b *tab) function(name string) { b.Helper(); b.clicks(`[id="` + name + `"]`) }

// presses presses keys of the PC.
func (b *tab) presses(keys ...string) {
	b.Helper()
	for _, key := range keys {
		b.does(chromedp.KeyEvent(key))
	}
}

// runs starts a gateway, which is stopped when the test ends.
func runs(t *testing.T, flags ...string) *gateway {
	t.Helper()
	return runsIn(t, t.TempDir(), flags...)
}

func runsIn(t *testing.T, dir string, flags ...string) *gateway {
	t.Helper()
	g, err := start(dir, flags)
	if err != nil {
		t.Fatalf("%v\n%s", err, &g.log)
	}
	t.Cleanup(g.kill)
	return g
}

// A host is a portal that a test plays, by TCP.
type host struct {
	*testing.T
	listener net.Listener
	conn     net.Conn
}

func plays(t *testing.T) *host {
	t.Helper()
	return playsAt(t, "127.0.0.1:0")
}

func playsAt(t *testing.T, address string) *host {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{T: t, listener: l}
	t.Cleanup(func() {
		l.Close()
		if h.conn != nil {
			h.conn.Close()
		}
	})
	return h
}

// gateway starts a gateway in front of the host.
func (h *host) gateway() *gateway {
	h.Helper()
	return runs(h.T, "--ws", "127.0.0.1:0", "--videotext", "tcp://"+h.listener.Addr().String(), "--nocommand")
}

// answers takes the next call; the caller has left the one before.
func (h *host) answers() {
	h.Helper()
	conn, err := h.listener.Accept()
	if err != nil {
		h.Fatal(err)
	}
	if h.conn != nil {
		h.conn.Close()
	}
	h.conn = conn
}

func (h *host) sends(p []byte) {
	h.Helper()
	if _, err := h.conn.Write(p); err != nil {
		h.Fatal(err)
	}
}

// hears expects these bytes next.
func (h *host) hears(want string) {
	h.Helper()
	h.conn.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(want))
	for n := 0; n < len(want); {
		more, err := h.conn.Read(got[n:])
		if n += more; err != nil || string(got[:n]) != want[:n] {
			h.Fatalf("heard %q (%v), want %q", got[:n], err, want)
		}
	}
}

// TestBrowserDraws compares what the page shows of streams, through the gateway,
// with pictures of the model.
func TestBrowserDraws(t *testing.T) {
	pages, err := filepath.Glob("../videotex/testdata/*.vdt")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages", err)
	}
	h := plays(t)
	g := h.gateway()
	b := opens(t, "http://"+g.doors["ws"]+"/")
	for i, page := range pages {
		stream, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		model := videotex.NewScreen()
		model.Indicate('C')
		model.Write(stream)
		if i > 0 {
			b.does(chromedp.Reload())
		}
		h.answers()
		h.sends(stream)
		want := picture.Image(model, picture.Options{Cursor: true})
		late := time.Now().Add(patience)
		for !same(b.picture(), want) {
			if time.Now().After(late) {
				name := filepath.Join(t.ArtifactDir(), filepath.Base(page))
				writePNG(t, name+"-got.png", b.picture())
				writePNG(t, name+"-want.png", want)
				t.Errorf("%s: the page shows another picture than the model: %s-*.png", page, name)
				break
			}
		}
	}
}

// keys are the function keys but Connexion/Fin: their letters, their names and
// where they are on a PC.
var keys = []struct{ letter, name, at string }{
	{"A", "Envoi", kb.F8 + kb.Enter}, {"B", "Retour", kb.F6 + kb.PageUp}, {"C", "Répétition", kb.F5}, {"D", "Guide", kb.F1},
	{"E", "Annulation", kb.F3 + kb.Delete}, {"F", "Sommaire", kb.F2 + kb.Home}, {"G", "Correction", kb.F4 + kb.Backspace},
	{"H", "Suite", kb.F7 + kb.PageDown},
}

// TestBrowserKeys presses keys, in the page and on the keyboard.
func TestBrowserKeys(t *testing.T) {
	h := plays(t)
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/")
	h.answers()
	b.says("En ligne avec le portail")
	for _, key := range keys {
		b.function(key.name)
		h.hears("\x13" + key.letter)
		for _, k := range key.at {
			b.presses(string(k))
			h.hears("\x13" + key.letter)
		}
	}
	b.presses("salon36")
	h.hears("SALON36")
	b.does(chromedp.KeyEvent("A", chromedp.KeyModifiers(chromedp.ModifierShift))) // the other letters than usual
	h.hears("a")
	key := func(key string, modifiers int64) { // chromedp knows the keys of an American keyboard
		b.does(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{
				Type: input.DispatchKeyEventTypeKeyDown, Key: key, Modifiers: modifiers,
			})
			return err
		}))
	}
	key("é", 0)
	h.hears("\x19Be")
	const alt = 1
	key("x", alt) // is the browser's
	key("@", alt) // as on the keyboard of a Mac
	h.hears("@")
	b.presses(kb.ArrowUp, "?") // no Minitel's, as yet
	h.hears("?")
	b.clicks("#characters button:first-child")
	h.hears("1")

	b.clicks("#characters button:last-child") // Maj
	b.presses("b")
	h.hears("b")
	b.clicks("#characters button:last-child")
	h.sends([]byte("\x1B:iE\x1B;iYA")) // small letters, arrows
	h.hears("\x1B:sH\x1B;sYA")
	b.presses("bB", kb.ArrowUp, kb.ArrowLeft)
	h.hears("bB\x1B[A\x1B[D")
	h.sends([]byte("\x1B;iYC")) // arrows as control characters
	h.hears("\x1B;sYE")
	b.presses(kb.ArrowRight)
	h.hears("\t")
	h.sends([]byte("\x1B:1}")) // Téléinformatique
	h.hears("\x1B[?z")
	b.presses(kb.F1, kb.Enter)
	h.hears("\x1BOm\r")
	b.does(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift))) // goes elsewhere on the page
	value[bool](b, `(document.querySelector("#typing input").value = "text") && (document.getElementById("typing").requestSubmit(), true)`)
	h.hears("text\x1BOM")
	h.sends([]byte("\x1B[?{\x1B9{"))
	h.hears("\x13\x5E\x01Mg1\x04") // the terminal says who it is

	value[bool](b, `(() => {
		const clipboardData = new DataTransfer();
		clipboardData.setData("text", "Collé\nici\u{1F600}");
		return document.dispatchEvent(new ClipboardEvent("paste", {clipboardData}));
	})()`)
	h.hears("Coll\x19Be ici")
}

// TestBrowserVisits goes to a service and back, and hangs up.
func TestBrowserVisits(t *testing.T) {
	g := runs(t, "--ws", "127.0.0.1:0")
	b := opens(t, "http://"+g.doors["ws"]+"/")
	b.reads("Tapez le code")
	dialog := func() bool { return value[bool](b, `document.getElementById("hang-up").open`) }

	b.presses("mire", kb.Enter)
	b.says("En ligne avec MIRE")
	b.function("Connexion/Fin") // does not end the call
	b.says("Retour de MIRE. En ligne avec le portail")
	b.reads("Tapez le code")
	if dialog() {
		t.Error("the page asks whether to come back from a service")
	}

	b.presses(kb.F9)
	b.until("a question", dialog)
	b.saves("question.png")
	b.clicks(`#hang-up [value="no"]`)
	b.until("no question", func() bool { return !dialog() })
	b.function("Connexion/Fin")
	b.until("a question", dialog)
	b.presses(kb.F9) // as on a Minitel: twice
	b.says("Appel terminé. Connexion/Fin pour rappeler.")
	b.saves("ended.png")

	b.presses("x", kb.Enter) // nobody hears
	b.presses(kb.F9)
	b.says("En ligne avec le portail")
	b.reads("Tapez le code")
}

// The question whether to hang up goes away with the call.
func TestBrowserQuestion(t *testing.T) {
	h := plays(t)
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/")
	h.answers()
	b.says("En ligne")
	open := func() bool { return value[bool](b, `document.getElementById("hang-up").open`) }
	b.presses(kb.F9)
	b.until("a question", open)
	h.conn.Close()
	b.says("Appel terminé")
	if open() {
		t.Error("the page still asks")
	}
}

// TestBrowserWaits is a call without a portal.
func TestBrowserWaits(t *testing.T) {
	h := playsAt(t, ports(t, 1)[0]) // where it comes back
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/")
	h.answers()
	b.says("En ligne avec le portail")
	h.listener.Close()
	h.conn.(*net.TCPConn).SetLinger(0)
	h.conn.Close()
	b.says("Le portail est indisponible")
	listener, err := net.Listen("tcp", h.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	h.listener = listener
	b.presses(kb.Enter)
	h.answers()
	b.says("En ligne avec le portail")
}

// A gateway may not answer at all.
func TestBrowserUnanswered(t *testing.T) {
	g := runs(t, "--ws", "127.0.0.1:0")
	b := opens(t, "http://"+g.doors["ws"]+"/", "WebSocket connection to")
	b.says("En ligne")
	b.presses(kb.F9, kb.F9)
	b.says("Appel terminé")
	if err := g.command.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	b.presses(kb.F9)
	b.says("Appel en cours")
	time.Sleep(10 * time.Second)
	b.says("Nouvel appel dans")
	if err := g.command.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	b.says("En ligne avec le portail")
}

// TestBrowserCallsAgain loses the gateway, and finds it again.
func TestBrowserCallsAgain(t *testing.T) {
	address := ports(t, 1)[0]
	g := runs(t, "--ws", address)
	// Calls fail meanwhile, and so may the picture of the tab, which a browser gets when it likes.
	b := opens(t, "http://"+address+"/", "WebSocket connection to", "/icon.svg")
	b.says("En ligne")
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	b.says("Nouvel appel dans")
	if err := g.exit("0"); err != nil {
		t.Fatal(err)
	}
	g = runs(t, "--ws", address)
	b.says("En ligne avec le portail")
	g.kill() // without a word
	b.says("Liaison coupée. Nouvel appel dans")
	runs(t, "--ws", address)
	b.says("En ligne avec le portail")
	b.reads("Tapez le code")
}

// TestBrowserBehindProxy comes by TLS, to a folder of another site.
func TestBrowserBehindProxy(t *testing.T) {
	g := runs(t, "--ws", "127.0.0.1:0")
	proxy := httptest.NewUnstartedServer(http.StripPrefix("/museum/minitel", httputil.NewSingleHostReverseProxy(
		&url.URL{Scheme: "http", Host: g.doors["ws"]})))
	proxy.Config.ErrorLog = stdlog.New(io.Discard, "", 0) // the browser has its doubts about the certificate at first
	proxy.StartTLS()
	t.Cleanup(proxy.Close)
	b := &tab{t, browsertest.Open(t)}
	if _, err := chromedp.Call(b.ctx, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}); err != nil {
		t.Fatal(err)
	}
	b.does(chromedp.Navigate(proxy.URL + "/museum/minitel/?grey#code=mire"))
	b.says("En ligne avec MIRE") // typed when the portal's page was there
	value[string](b, `location.hash = "code=HEURE"`)
	b.until("another service", func() bool {
		state, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.getElementById("state").textContent`))
		return err == nil && strings.Contains(state, "En ligne avec HEURE") // it fails between two pages
	})
}

// The code of an address is for the portal: who is faster than it is at a service.
func TestBrowserFasterThanCode(t *testing.T) {
	g := runs(t, "--ws", "127.0.0.1:0")
	b := opens(t, "http://"+g.doors["ws"]+"/?speed=1200#code=zzz")
	b.says("En ligne avec le portail")
	b.presses("echo", kb.Enter)
	b.says("En ligne avec ECHO")
	b.reads("ECHO")
	time.Sleep(2 * time.Second)
	if strings.Contains(strings.ToLower(b.text()), "zzz") {
		t.Errorf("the code is typed at the service:\n%s", b.text())
	}
}

// A link cannot make the page call anybody else.
func TestBrowserCallsItsOwnGateway(t *testing.T) {
	other := plays(t)
	g := runs(t, "--ws", "127.0.0.1:0")
	began := time.Now()
	b := opens(t, "http://"+g.doors["ws"]+"/?url=ws://"+other.listener.Addr().String()+"/#code=%1B%19\x13I")
	b.told("n’appelle que sa propre passerelle")
	b.says("En ligne avec le portail")
	if took := time.Since(began); took < 3*time.Second { // for which it stays
		t.Errorf("that is to be read in %v", took)
	}
	b.reads("Tapez le code")
	other.listener.(*net.TCPListener).SetDeadline(time.Now())
	if conn, err := other.listener.Accept(); err == nil {
		conn.Close()
		t.Error("it has called another")
	}
}

// No text becomes a part of the page, whatever a service should find in it.
func TestBrowserPolicy(t *testing.T) {
	h := plays(t)
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/", "Trusted")
	h.answers()
	b.says("En ligne")
	for _, script := range []string{`document.body.innerHTML = "<p>"`, `document.createElement("script").text = "0"`} {
		if made := value[bool](b, `(() => { try { `+script+`; return true; } catch { return false; } })()`); made {
			t.Errorf("the page may do %s", script)
		}
	}
}

// TestBrowserSpeed has a page drawn at 1200 bit/s, until Connexion/Fin.
func TestBrowserSpeed(t *testing.T) {
	h := plays(t)
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/?speed=1200")
	h.answers()
	began := time.Now()
	h.sends([]byte("\x0C" + strings.Repeat("x", 238) + "."))
	b.reads(".")
	if took := time.Since(began); took < 1900*time.Millisecond {
		t.Errorf("240 bytes took %v at 1200 bit/s", took)
	}
	h.sends([]byte("\x0C" + strings.Repeat("x", 2400) + "!")) // takes 20 s, and one more to be still
	began = time.Now()
	b.presses(kb.F9, kb.F9)
	h.hears("\x13I")
	b.reads("!")
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("Connexion/Fin waited for the page: %v", took)
	}
}

// TestBrowserKeepsPages copies the text of a screen, and saves its picture and
// the page itself.
func TestBrowserKeepsPages(t *testing.T) {
	stream, err := os.ReadFile("../videotex/testdata/accueil.vdt")
	if err != nil {
		t.Fatal(err)
	}
	model := videotex.NewScreen()
	model.Indicate('C')
	model.Write(stream)

	h := plays(t)
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/")
	h.answers()
	h.sends(stream)
	want := picture.Image(model, picture.Options{Cursor: true})
	b.until("the page", func() bool { return same(b.picture(), want) })

	value[bool](b, `addEventListener("copy", e => document.title = e.clipboardData.getData("text")) ?? true`)
	b.clicks("#copy")
	copied := value[string](b, `document.querySelector("title").textContent`)
	if want := trailing.ReplaceAllString(model.String(), ""); copied != want {
		t.Errorf("copied\n%s\nwant\n%s", copied, want)
	}

	b.clicks("#reader")
	b.does(chromedp.SendKeys("#typing input", "of the field"))
	value[bool](b, `document.title = "", document.querySelector("#typing input").select(), document.execCommand("copy")`)
	if copied := value[string](b, `document.title`); copied != "" { // what is copied then is the browser's business
		t.Errorf("copied %q", copied)
	}
	b.clicks("#reader")

	dir := t.TempDir()
	if _, err := chromedp.CallBrowser(b.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
	}); err != nil {
		t.Fatal(err)
	}
	saved := func(ending string) (p []byte) {
		b.clicks("#" + ending)
		b.until("a file", func() bool {
			names, _ := filepath.Glob(filepath.Join(dir, "minitel-*."+ending))
			if len(names) == 1 {
				p, _ = os.ReadFile(names[0])
			}
			return len(p) > 0
		})
		return p
	}
	if !same(decoded(t, saved("png")), want) {
		t.Error("the picture is another")
	}
	again := videotex.NewScreen()
	again.Indicate('C')
	again.Write(saved("vdt"))
	if !same(picture.Image(again, picture.Options{Cursor: true}), want) {
		t.Errorf("the page shows\n%s", again)
	}
}

// recorded returns a recording of what a terminal was sent, a part at a time.
func recorded(t *testing.T, parts ...[]byte) string {
	t.Helper()
	var b bytes.Buffer
	w := recording.NewWriter(&b, recording.Header{Title: "ws://localhost:9001", Terminal: "minitel"})
	for _, part := range parts {
		w.Add(recording.Output, part)
		w.Add(recording.Input, []byte("\x13A"))
	}
	if err := w.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// drops drops a file on the page.
func (b *tab) drops(name, content string) {
	b.Helper()
	p, err := json.Marshal([]string{content, name})
	if err != nil {
		b.Fatal(err)
	}
	value[bool](b, `(([content, name]) => {
		const dataTransfer = new DataTransfer();
		dataTransfer.items.add(new File([content], name));
		const taken = type => !document.body.dispatchEvent(new DragEvent(type, {dataTransfer, bubbles: true, cancelable: true}));
		return taken("dragover") && taken("drop");
	})(`+string(p)+`) || (() => { throw new Error("it is not for the page"); })()`)
}

// TestBrowserPlays plays recordings of all pages instead of a call: one is chosen,
// the others dropped on the page.
func TestBrowserPlays(t *testing.T) {
	pages, err := filepath.Glob("../videotex/testdata/*.vdt")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages", err)
	}
	h := plays(t)
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/")
	h.answers()
	h.sends([]byte("\x1B:2}what was on the screen, in 80 columns"))
	h.hears("\x13p")
	for i, page := range pages {
		stream, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		cast := recorded(t, []byte("\x1B9{"), stream[:len(stream)/2], stream[len(stream)/2:]) // nobody hears who the terminal is
		name := filepath.Base(page) + ".cast"
		if i == 0 {
			file := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(file, []byte(cast), 0o666); err != nil {
				t.Fatal(err)
			}
			b.does(chromedp.SetUploadFiles("#file", []string{file}))
		} else {
			b.drops(name, cast)
		}
		model := videotex.NewScreen()
		model.Write([]byte("\x1B9{"))
		model.Write(stream)
		model.Indicate('F')
		want := picture.Image(model, picture.Options{Cursor: true})
		b.until(page, func() bool { return same(b.picture(), want) })
		b.says("Lecture terminée. Connexion/Fin pour rappeler.")
	}
	h.hangsUp()
	b.presses("x", kb.F9)
	h.answers()
	b.says("En ligne avec le portail")
	b.presses("y")
	h.hears("Y")
}

// hangsUp expects that the caller does, without another key.
func (h *host) hangsUp() {
	h.Helper()
	h.conn.SetReadDeadline(time.Now().Add(patience))
	if got, err := io.ReadAll(h.conn); err != nil || len(got) > 0 {
		h.Fatalf("heard %q, %v, not the end", got, err)
	}
}

// The button for recordings asks for a file.
func TestBrowserChoosesRecording(t *testing.T) {
	h := plays(t)
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/")
	h.answers()
	b.says("En ligne")
	value[bool](b, `(document.getElementById("file").onclick = () => { document.title = "asked"; return false; }) && true`)
	b.clicks("#play")
	b.until("a question for a file", func() bool { return value[string](b, "document.title") == "asked" })
}

// Any key ends a recording, and none of them is sent.
func TestBrowserStopsPlaying(t *testing.T) {
	const long = `{"version": 2, "width": 40, "height": 25}
[0.5, "o", "\f\u001bFIl \u0019Betait %d fois"]
# a day later
[86400, "o", "\r\nune princesse"]
[86400.5, "o", "cut of`
	h := plays(t)
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/")
	h.answers()
	b.says("En ligne avec le portail")
	b.presses(kb.F9) // a question that has no answer any more
	for i, key := range []string{"x", kb.Enter, kb.F9, "click", "paste"} {
		b.drops("conte.cast", fmt.Sprintf(long, i))
		b.says("Lecture de conte.cast. Une touche l’arrête.")
		if i == 0 {
			h.hangsUp()
		}
		if value[bool](b, `document.getElementById("hang-up").open`) {
			t.Error("the page still asks whether to hang up")
		}
		b.reads(fmt.Sprintf("Il était %d fois", i))
		b.saves("playing.png")
		switch key {
		case "click":
			b.clicks("#characters button:first-child")
		case "paste":
			value[bool](b, `(() => {
				const clipboardData = new DataTransfer();
				clipboardData.setData("text", "ici");
				return document.dispatchEvent(new ClipboardEvent("paste", {clipboardData}));
			})()`)
		default:
			b.presses(key)
		}
		b.says("Lecture terminée. Connexion/Fin pour rappeler.")
	}
	b.function("Connexion/Fin")
	h.answers()
	b.says("En ligne avec le portail")
	b.presses("z")
	h.hears("Z")
	b.drops("conte.cast", fmt.Sprintf(long, 5))
	b.says("Lecture de conte.cast")
	b.drops("autre.cast", recorded(t, []byte("\fAutre histoire")))
	b.reads("Autre histoire")
	b.says("Lecture terminée")
}

// What is no recording leaves the call alone.
func TestBrowserPlaysNothingElse(t *testing.T) {
	h := plays(t)
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/")
	h.answers()
	b.says("En ligne avec le portail")
	for _, content := range []string{"Bonjour", "{\"version\":3}\n[0.1,\"o\",\"\u2500\"]\n"} {
		b.drops("photo.cast", content)
		b.told("photo.cast n’est pas un enregistrement de Minitel.")
		b.says("En ligne avec le portail")
	}
	b.presses("z")
	h.hears("Z")
}

// A recording is drawn at the speed of the line, as calls are.
func TestBrowserPlaysAtSpeed(t *testing.T) {
	h := plays(t)
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/?speed=1200")
	h.answers()
	b.says("En ligne")
	began := time.Now()
	b.drops("page.cast", recorded(t, []byte("\x0C"+strings.Repeat("x", 238)+".")))
	b.says("Lecture terminée")
	if took := time.Since(began); took < 1900*time.Millisecond {
		t.Errorf("240 bytes took %v at 1200 bit/s", took)
	}
	b.reads(".")
}

// Who asks for a recording, by the address of the page, asks the gateway.
func TestBrowserAsksForRecording(t *testing.T) {
	g := runs(t, "--ws", "127.0.0.1:0")
	asked := make(chan string, 1)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: g.doors["ws"]})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			asked <- r.URL.RawQuery
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	b := opens(t, server.URL+"/")
	for query, want := range map[string]string{"": "news", "?record": "news&record", "?grey&record=1#code=MIRE": "news&record"} {
		b.does(chromedp.Navigate(server.URL + "/" + query))
		for got := ""; got != want; {
			select {
			case got = <-asked:
			case <-time.After(patience):
				t.Fatalf("%s: the gateway is not asked for %s", query, want)
			}
		}
	}
}

// TestBrowserReads is a Minitel for those who do not see it.
func TestBrowserReads(t *testing.T) {
	g := runs(t, "--ws", "127.0.0.1:0")
	b := opens(t, "http://"+g.doors["ws"]+"/")
	b.reads("Tapez le code")
	b.clicks("#reader")
	if !value[bool](b, `getComputedStyle(document.getElementById("screen")).display === "none" && document.querySelector("#text").clientHeight > 300`) {
		t.Error("the text is not shown instead")
	}
	b.saves("text.png")
	b.does(chromedp.SendKeys("#typing input", "mire\r"))
	b.says("En ligne avec MIRE")
	b.presses(kb.F9) // in the field, too
	b.says("Retour de MIRE")
	b.does(chromedp.Reload())
	b.until("the text again", func() bool { return value[bool](b, `document.body.classList.contains("reader")`) })
}

// Some screens are never still. They are read nevertheless.
func TestBrowserReadsRestless(t *testing.T) {
	h := plays(t)
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/")
	h.answers()
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			fmt.Fprintf(h.conn, "\x1FAARestless %d ", n)
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
	b.reads("Restless")
}

// TestBrowserSizes has the page on all kinds of screens.
func TestBrowserSizes(t *testing.T) {
	h := plays(t)
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/")
	h.answers()
	for _, size := range []struct {
		width, height int64
		pixels        float64 // of the screen for one of the page
		dots          float64 // pixels for a dot, at least
	}{
		{1920, 1080, 1, 4}, {1366, 768, 1, 2}, {1024, 768, 1, 2}, {800, 600, 1, 1}, {640, 480, 1, 0.9},
		{1280, 800, 1.25, 3}, {1280, 800, 1.5, 3.99}, {568, 320, 2, 1.6}, {480, 320, 1, 0.7}, {320, 568, 2, 1.9}, {320, 480, 1, 0.6},
	} {
		b.does(chromedp.EmulateViewport(size.width, size.height, chromedp.EmulateScale(size.pixels)))
		dots := 0.
		b.until(fmt.Sprintf("a screen for %v", size), func() bool {
			dots = value[float64](b, `document.getElementById("screen").getBoundingClientRect().width * devicePixelRatio / 320`)
			return dots >= size.dots
		})
		if bad := value[[]string](b, `[...document.querySelectorAll("button")].filter(e => {
			const r = e.getBoundingClientRect(), at = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
			return e.offsetParent && (e.scrollWidth > e.clientWidth || r.right > innerWidth || at && at !== e && at.parentElement !== e);
		}).map(e => e.textContent)`); len(bad) > 0 {
			b.saves(fmt.Sprintf("%dx%d.png", size.width, size.height))
			t.Errorf("%v: without enough room, or covered: %q", size, bad)
		}
	}
	rendering := func() string { return value[string](b, `document.getElementById("screen").style.imageRendering`) }
	b.until("smooth dots", func() bool { return rendering() == "auto" })
	b.does(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(3)))
	b.until("dots", func() bool { return rendering() == "pixelated" })
	h.sends([]byte("\x1B:2}")) // three pixels for two dots
	b.until("smooth dots", func() bool { return rendering() == "auto" })
	b.does(chromedp.EmulateViewport(1024, 768))
	b.until("dots", func() bool { return rendering() == "pixelated" })
}

// TestBrowserRemembers keeps what its user chooses, and nothing else.
func TestBrowserRemembers(t *testing.T) {
	h := plays(t)
	page := "http://" + h.gateway().doors["ws"] + "/"
	b := opens(t, page+"?grey&speed=1200&text")
	is := func(want string) {
		b.Helper()
		b.says("En ligne")
		got := value[string](b, `document.getElementById("speed").value + ["color", "sound", "reader"].filter(id =>
			document.getElementById(id).ariaPressed === "true").map(id => " " + id).join("")`)
		if got != want {
			t.Errorf("it is %q, want %q", got, want)
		}
	}
	is("1200 reader")
	b.does(chromedp.Navigate(page))
	is("0 color")
	b.clicks("#color")
	b.clicks("#sound")
	b.clicks("#speed")
	focus := value[string](b, `(() => {
		const speed = document.getElementById("speed");
		speed.value = "4800"; // by the mouse: the list itself is not the page's
		speed.dispatchEvent(new Event("change"));
		return document.activeElement.id;
	})()`)
	if focus != "" {
		t.Error("what is typed goes to the speed from now on")
	}
	b.does(chromedp.Navigate(page))
	is("4800 sound")
	b.does(chromedp.Navigate(page + "?color&speed=9600"))
	is("9600 color sound")
	for _, rubbish := range []string{"{", "null", "7", "\xFF"} {
		value[bool](b, fmt.Sprintf(`["speed", "color", "sound", "reader"].map(id => localStorage["minitel-" + id] = %q) && true`, rubbish))
		b.does(chromedp.Navigate(page))
		is("0 color")
	}
}

// TestBrowserRings hears one bell at a time, however many there are.
func TestBrowserRings(t *testing.T) {
	h := plays(t)
	b := opens(t, "http://"+h.gateway().doors["ws"]+"/")
	h.answers()
	b.clicks("#sound")
	value[bool](b, `(() => {
		const Audio = AudioContext;
		window.audios = [];
		window.AudioContext = class extends Audio { constructor() { super(); audios.push(this); } };
		return true;
	})()`)
	began := time.Now()
	for range 50 {
		h.sends([]byte("\x07"))
		time.Sleep(5 * time.Millisecond)
	}
	b.until("silence", func() bool { return value[bool](b, `audios.length > 0 && audios.every(a => a.state === "closed")`) })
	n, took := value[int](b, `audios.length`), time.Since(began)
	if most := 1 + int(took/(150*time.Millisecond)); n > most { // a bell takes that long
		t.Errorf("it rang %d times in %v", n, took)
	}
}

// TestBrowserOnPhone is the page on a phone: all of it is there to be touched.
func TestBrowserOnPhone(t *testing.T) {
	g := runs(t, "--ws", "127.0.0.1:0")
	b := opens(t, "http://"+g.doors["ws"]+"/")
	for _, size := range []image.Point{{390, 844}, {360, 640}, {844, 390}} {
		b.does(chromedp.EmulateViewport(int64(size.X), int64(size.Y), chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(3)))
		b.does(chromedp.Reload())
		b.reads("Tapez le code")
		b.saves(fmt.Sprintf("phone-%dx%d.png", size.X, size.Y))
		if out := value[[]string](b, `[...document.querySelectorAll("canvas, main button, #state")].filter(e => {
			const r = e.getBoundingClientRect();
			return e.offsetParent && (r.left < 0 || r.right > innerWidth || r.top < 0 || r.bottom > innerHeight || r.width < 24 || r.height < 24);
		}).map(e => e.textContent || e.id)`); len(out) > 0 {
			t.Errorf("%v: these are out of the page, or too small: %q", size, out)
		}
		dots := value[float64](b, `document.getElementById("screen").getBoundingClientRect().width * devicePixelRatio / 320`)
		if math.Abs(dots-math.Round(dots)) > 0.01 || dots < 1 {
			t.Errorf("%v: a dot has %v pixels", size, dots)
		}
		for _, letter := range "mire" {
			b.taps(string(letter - 'a' + 'A'))
		}
		b.does(chromedp.Tap(`#Envoi`))
		b.says("En ligne avec MIRE")
	}
}

// TestBrowserBare is the screen alone, as a kiosk may have it.
func TestBrowserBare(t *testing.T) {
	g := runs(t, "--ws", "127.0.0.1:0")
	b := opens(t, "http://"+g.doors["ws"]+"/?bare&grey&speed=9600")
	b.does(chromedp.EmulateViewport(960, 776))
	b.reads("Tapez le code")
	b.saves("bare.png")
	if seen := value[string](b, `[...document.querySelectorAll("canvas, button, select, #state")].filter(e => e.offsetParent).map(e => e.id).join()`); seen != "screen,state" {
		t.Errorf("there is %s", seen)
	}
	b.until("a screen 960 pixels wide", func() bool {
		return value[float64](b, `document.getElementById("screen").getBoundingClientRect().width`) == 960
	})
	if blue := color.GrayModel.Convert(b.picture().At(160, 30)); blue != (color.Gray{0x66}) {
		t.Errorf("blue is %v", blue)
	}
	b.presses("mire", kb.Enter)
	b.says("En ligne avec MIRE")
}

// taps taps a character of the page.
func (b *tab) taps(character string) {
	b.Helper()
	at := value[[]float64](b, `(() => {
		const r = [...document.querySelectorAll("#characters button")].find(e => e.textContent === "`+character+`").getBoundingClientRect();
		return [r.x + r.width / 2, r.y + r.height / 2];
	})()`)
	b.does(chromedp.TapXY(at[0], at[1]))
}

// TestBrowserPicture takes the README's picture of the page. It is rewritten with
//
//	go test ./test -run TestBrowserPicture -update
func TestBrowserPicture(t *testing.T) {
	const file = "../doc/minitel.png"
	g := runs(t, "--ws", "127.0.0.1:0")
	b := opens(t, "http://"+g.doors["ws"]+"/")
	b.does(chromedp.EmulateViewport(1120, 640))
	b.reads("Tapez le code")
	p, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	pictureOnFile(t, file, p)
}

// pictureOnFile holds a picture of a page against the one on file, which -update makes.
func pictureOnFile(t *testing.T, file string, p []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, p, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (-update makes it)", err)
	}
	if got, want := decoded(t, p).Bounds(), decoded(t, kept).Bounds(); got != want {
		t.Errorf("the page is %v, on file %v", got, want)
	}
}

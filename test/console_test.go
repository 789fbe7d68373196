package test

import (
	"fmt"
	"image"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"moip/internal/picture"
	"moip/videotex"
)

// A desk is a tab with the operators' console.
type desk struct{ *tab }

// attends opens the console of the operators' address, with none of the complaints
// expected counted. A panel that the gateway has not is a 404 to the browser.
func attends(t *testing.T, address string, expected ...string) *desk {
	t.Helper()
	return &desk{opens(t, "http://"+address+"/", append(expected, "404 (Not Found)")...)}
}

// until waits for something to be so.
func (d *desk) until(what string, so func() bool) {
	d.Helper()
	for late := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			d.saves("late.png")
			d.Fatalf("waited for %s; the page says\n%s", what, value[string](d.tab, `document.body.innerText`))
		}
	}
}

// so waits until an expression is true in the page, which may be about to load another.
func (d *desk) so(expression string) {
	d.Helper()
	d.until(expression, func() bool {
		is, err := chromedp.Run(d.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err != nil && !strings.Contains(err.Error(), "navigated or closed") {
			d.Fatalf("%s: %v", expression, err)
		}
		return err == nil && is
	})
}

// A look is how a page is looked at.
type look struct {
	name, scheme  string
	width, height int64
	phone         bool
}

// looks are how the page may be looked at.
var looks = []look{
	{"desk-light", "light", 1280, 900, false}, {"desk-dark", "dark", 1280, 900, false},
	{"phone-light", "light", 390, 844, true}, {"phone-dark", "dark", 390, 844, true}, {"small", "light", 360, 640, true},
}

// TestConsoleLooks has the page on screens of all kinds: nothing is cut off, and all that
// is to be touched is large enough.
func TestConsoleLooks(t *testing.T) {
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--recordings", "kept", "--history", "history.db")
	for _, code := range []string{"MIRE", "ECHO", "", "SALON", "HEURE", "CLAVIER", ""} {
		guest := arrives(t, g)
		guest.sees("Passerelle en liaison")
		if code != "" {
			guest.types("<Annulation>" + code + "<Envoi>")
			guest.until("the service", func(screen string) bool { return !strings.Contains(screen, "Minitel sur IP") })
		}
	}
	for range 3 {
		gone := arrives(t, g)
		gone.sees("Passerelle en liaison")
		gone.types("<Annulation>HEURE<Envoi>")
		gone.sees("HEURE")
		gone.conn.Close()
	}
	d := attends(t, g.doors["admin"])
	for _, look := range looks {
		d.looks(look)
		for _, panel := range []string{"calls", "history", "bans", "services", "gateway", "watch", "order", "menu"} {
			if value[bool](d.tab, `document.querySelector("nav a[href='#`+panel+`']")?.hidden ?? false`) {
				continue
			}
			d.shows(panel)
			d.saves(look.name + "-" + panel + ".png")
			d.fits(look.name+" "+panel, look.phone)
			value[bool](d.tab, `document.querySelectorAll("dialog[open]").forEach(e => e.close()), menu.hidePopover(), true`)
		}
	}
}

// looks has the page looked at in one of these ways.
func (d *desk) looks(by look) {
	d.Helper()
	steps := []chromedp.EmulateViewportOption{}
	if by.phone {
		steps = append(steps, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2))
	}
	d.does(chromedp.EmulateViewport(by.width, by.height, steps...))
	_, err := chromedp.Call(d.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: by.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if err != nil {
		d.Fatal(err)
	}
}

// shows turns to a panel, or opens a dialog.
func (d *desk) shows(panel string) {
	d.Helper()
	const first = `document.querySelector("#calls tbody tr")`
	switch panel {
	case "watch":
		d.at("calls")
		value[bool](d.tab, first+`.querySelector(".thumb").click(), true`)
		d.so(`watch.open && document.getElementById("screen").getContext("2d").getImageData(0, 0, 320, 250).data.some((v, i) => i % 4 < 3 && v)`)
	case "order", "menu":
		d.at("calls")
		value[bool](d.tab, first+`.querySelector(".does button").click(), true`)
		if panel == "order" {
			value[bool](d.tab, `[...menu.children].find(e => e.textContent === "Ban…").click(), true`)
		}
	default:
		d.at(panel)
	}
}

// at turns to a panel.
func (d *desk) at(panel string) {
	d.Helper()
	value[string](d.tab, `location.hash = "`+panel+`"`)
	d.so(`!document.getElementById("` + panel + `").hidden`)
	if panel == "calls" {
		d.so(`document.querySelectorAll("#calls tbody tr img").length > 0 && [...document.querySelectorAll("#calls tbody tr img")].slice(0, 2).every(e => e.naturalWidth)`)
	} else if panel == "services" || panel == "history" {
		d.so(`document.querySelector("#` + panel + ` tbody tr")`)
	}
}

// fits expects that nothing is wider than the page.
func (d *desk) fits(what string, phone bool) {
	d.Helper()
	if out := value[[]string](d.tab, `[...document.querySelectorAll("body *")].filter(e => {
		const r = e.getBoundingClientRect();
		return e.checkVisibility() && r.width && !e.closest("svg, nav, pre") && (r.right > document.documentElement.clientWidth + 1 || r.left < -1);
	}).map(e => e.outerHTML.slice(0, 100))`); len(out) > 0 {
		d.Errorf("%s: out of the page: %q", what, out)
	}
	least := 24
	if phone {
		least = 38
	}
	if small := value[[]string](d.tab, fmt.Sprintf(`[...document.querySelectorAll("button, select, nav a")].filter(e => {
		const r = e.getBoundingClientRect();
		return e.checkVisibility() && r.width && (r.height < %d || r.width < 24);
	}).map(e => e.outerHTML.slice(0, 100))`, least)); len(small) > 0 {
		d.Errorf("%s: too small: %q", what, small)
	}
}

// press presses a button by what is on it, inside of what a selector names, with the
// mouse: nothing may be in the way.
func (d *desk) press(inside, text string) {
	d.Helper()
	find := fmt.Sprintf(`(() => {
		const e = [...document.querySelectorAll(%q)].find(e => e.checkVisibility() && !e.disabled && (e.ariaLabel ?? e.textContent) === %q);
		e?.scrollIntoView({ block: "nearest" });
		const r = e?.getBoundingClientRect(), x = r?.left + r?.width / 2, y = r?.top + r?.height / 2;
		return r && e.contains(document.elementFromPoint(x, y)) ? [x, y] : [];
	})()`, inside+" button, "+inside+" a, "+inside+" summary", text)
	var at []float64
	d.until("the button "+text+" in "+inside, func() bool {
		before := at // it may be moving, as what is above it is filled
		at = value[[]float64](d.tab, find)
		return len(at) == 2 && slices.Equal(before, at)
	})
	d.does(chromedp.MouseClickXY(at[0], at[1]))
}

// fills fills in a field of the dialog.
func (d *desk) fills(name, text string) {
	d.Helper()
	d.so(`order.open`)
	value[bool](d.tab, fmt.Sprintf(`(() => {
		const e = document.querySelector("#order [name='%s']");
		e.type === "checkbox" ? e.checked = true : e.value = %q;
		return true;
	})()`, name, text))
}

// told waits until the page has said what came of an order, and returns that.
func (d *desk) told(text string) (all string) {
	d.Helper()
	d.until("word of "+text, func() bool { all = d.said(text); return all != "" })
	return all
}

// reads waits until something says a text.
func (d *desk) reads(selector, text string) {
	d.Helper()
	d.so(fmt.Sprintf(`[...document.querySelectorAll(%q)].some(e => e.checkVisibility() && e.innerText.includes(%q))`, selector, text))
}

// acts chooses an action for a call from its row.
func (d *desk) acts(call int, action string) {
	d.Helper()
	d.press("#calls", fmt.Sprintf("Actions for call %d", call))
	d.press("#menu", action)
}

// An operator does from the page all that the API can do, and callers have it.
func TestConsole(t *testing.T) {
	dir := t.TempDir()
	configure := func(more string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(more+bansConfig), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	configure("")
	g, err := start(dir, []string{"--config", "moip.toml", "--admin", "127.0.0.1:0", "--recordings", "kept", "--history", "history.db"})
	if err != nil {
		t.Fatalf("%v\n%s", err, &g.log)
	}
	t.Cleanup(g.kill)
	guest, other := calls(t, g.doors["telnet"], "127.0.0.2"), calls(t, g.doors["tcp"], "127.0.0.3")
	d := attends(t, g.doors["admin"], "409 (Conflict)", "400 (Bad Request)", "ERR_") // it ends with the last call, before the tab
	o := operator{t, g.doors["admin"]}

	// Search.
	d.reads("#calls output", "2")
	d.does(chromedp.SendKeys("#calls input", "telnet 127.0.0.2"))
	d.reads("#calls output", "1 of 2")
	value[bool](d.tab, `(e => { e.value = ""; return e.dispatchEvent(new Event("input")); })(document.querySelector("#calls input"))`)
	d.reads("#calls tbody", "127.0.0.3:")

	// Messages.
	d.acts(1, "Message…")
	d.fills("text", strings.Repeat("x", 40))
	d.press("#order", "Send")
	d.told("the message takes 40 columns of row 00, which has 33")
	d.fills("text", "Bonjour à vous")
	d.press("#order", "Send")
	guest.sees("Bonjour à vous")
	d.told("Call 1 is told.")
	d.press("#calls", "Message to all")
	d.fills("text", "Fermeture à minuit")
	d.press("#order", "Send")
	guest.sees("Fermeture à minuit")
	other.sees("Fermeture à minuit")
	d.told("Callers told: 2.")

	// There and back, from the list and from beside the Minitel.
	d.acts(1, "Redirect…")
	d.so(`order.open && [...codes.children].some(e => e.value === "ECHO")`)
	d.fills("to", "NOWHERE")
	d.press("#order", "Redirect")
	d.told("is no service of the directory, and no URL")
	d.fills("to", "ECHO")
	d.press("#order", "Redirect")
	guest.sees("tapez, je répète")
	d.told("Call 1 is on its way to ECHO.")
	d.reads("#calls tbody", "ECHO")
	d.reads("#events", "redirected · ECHO")
	d.press("#calls", "Watch call 1")
	d.reads("#facts", "ECHO")
	d.press("#watch", "Redirect…")
	d.fills("to", "MIRE")
	d.press("#order", "Redirect")
	d.told("call is already redirected")
	d.press("#order", "Cancel")
	d.press("#watch", "The screen as text")
	d.reads("#words", "tapez, je répète")
	d.press("#watch", "Recall")
	guest.sees("Retour au portail")
	d.told("Call 1 is taken back to the portal.")
	d.press("#watch", "Record")
	guest.sees("ENR")
	d.press("#watch", "Stop recording")
	guest.until("no badge", func(screen string) bool { return !strings.Contains(screen, "ENR") })
	d.told("no longer recorded")

	// The end of a call, which is not what Enter alone does.
	d.press("#watch", "Hang up…")
	d.so(`order.open`)
	d.presses(kb.Enter)
	d.so(`!order.open`)
	d.press("#watch", "Hang up…")
	d.press("#order", "Hang up")
	guest.sees("Fin de la communication")
	guest.until("the end", func(string) bool { return guest.over })
	d.reads("#watched", "The call has ended.")
	d.so(`[...orders.children].every(e => e.disabled)`)
	d.press("#watch", "Close")
	d.so(`document.querySelectorAll("#calls tbody tr").length === 1`)

	// Bans.
	d.acts(2, "Ban…")
	d.so(`order.open && document.querySelector("#order [name=network]").value === "127.0.0.3"`)
	d.fills("network", "127.0.0.9")
	d.press("#order", "Ban")
	d.told("is never banned")
	d.fills("network", "127.0.0.3")
	d.fills("reason", "un peu <b>trop</b>")
	d.fills("for", "24h")
	d.fills("hang_up", "")
	d.press("#order", "Ban")
	d.told("127.0.0.3/32 is banned, calls hung up: 1.")
	other.until("the end", func(string) bool { return other.over })
	keptOut(t, g, "127.0.0.3")
	d.reads("#events", "refused")
	d.so(`/[1-9]\d* refused/.test(charts.innerText) && /out, at most [1-9]/.test(charts.innerText)`)
	d.press("nav", "History")
	d.reads("#history tbody", "ECHO")
	d.reads("#history tbody", "recalled")
	d.reads("#totals", "2 calls of ")
	d.does(chromedp.SendKeys("#history input", "127.0.0.2 tel"))
	d.reads("#history output", "1 of 2")
	d.press("nav", "Bans")
	d.reads("#bans tbody", "un peu <b>trop</b>")
	list := filepath.Join(t.TempDir(), "bans.json")
	if err := os.WriteFile(list, []byte(o.asks("GET", "/bans", "", 200)), 0o666); err != nil {
		t.Fatal(err)
	}
	d.press("#bans", "Lift…")
	d.press("#order", "Lift the ban")
	d.told("127.0.0.3/32 is let in again.")
	d.reads("#bans", "Nobody is kept out.")
	calls(t, g.doors["telnet"], "127.0.0.3")
	d.does(chromedp.SetUploadFiles("#import-file", []string{list}))
	d.told("Bans imported: 1, run out: 0, refused: 0.")
	d.reads("#bans tbody", "127.0.0.3/32")
	d.press("#bans", "Ban…")
	d.fills("network", "2001:db8::/32")
	d.fills("for", "")
	d.press("#order", "Ban")
	d.reads("#bans tbody", "2001:db8::/32")
	d.reads("#bans tbody", "ever")

	// Services, and the gateway itself.
	d.press("nav", "Services")
	d.does(chromedp.SendKeys("#services input", "mire open"))
	d.reads("#services output", "1 of 25")
	d.reads("#services tbody", "La mire")
	d.press("nav", "Gateway")
	d.reads("#house", "running, ready for calls")
	d.reads("#house", "none")
	d.reads("#file", "moip.toml")
	d.reads("#settings", `bans.never = ["127.0.0.9"]`)
	value[bool](d.tab, `(e => { e.value = "warn"; return e.dispatchEvent(new Event("change")); })(document.getElementById("level"))`)
	d.told("The log has warn and above")
	if level := o.asks("GET", "/log-level", "", 200); !strings.Contains(level, "warn") {
		t.Errorf("the log level is %s", level)
	}
	d.press("#gateway", "Reload")
	d.told("Nothing has changed.")
	configure("records = 7\n")
	d.press("#gateway", "Reload")
	d.told("moip.toml:1:")
	configure("")
	d.press("#gateway", "Drain…")
	d.fills("for", "soon")
	d.press("#order", "Drain")
	d.told(`"soon" is not how long calls may go on`)
	d.fills("for", "1h")
	d.press("#order", "Drain")
	d.told("No more calls are taken.")
	d.reads("#state", "draining")
	d.reads("#house", "takes no calls")
	d.press("#gateway", "Upgrade…")
	d.press("#order", "Upgrade")
	d.told("the gateway is")
}

// draws waits until the Minitel in the page shows what a guest's screen shows, dot for
// dot.
func (d *desk) draws(what string, g *guest) {
	d.Helper()
	var want image.Image
	for late := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		g.mu.Lock()
		want = picture.Image(g.screen, picture.Options{Cursor: true})
		g.mu.Unlock()
		if same(d.picture(), want) {
			return
		}
		if time.Now().After(late) {
			break
		}
	}
	name := filepath.Join(d.ArtifactDir(), what)
	writePNG(d.T, name+"-got.png", d.picture())
	writePNG(d.T, name+"-want.png", want)
	d.Errorf("%s: the page shows another picture than the caller sees: %s-*.png", what, name)
}

// Whoever watches a call in the page sees what its caller sees, dot for dot: all pages,
// 80 columns, what is redefined, and what is drawn while the connection is cut.
func TestConsoleWatches(t *testing.T) {
	h := plays(t)
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--videotext", "tcp://"+h.listener.Addr().String(), "--nocommand")
	guest := arrives(t, g)
	h.answers()
	way := leads(t, g.doors["admin"])
	d := attends(t, way.Listener.Addr().String(), "ERR_", "502")
	d.press("#calls", "Watch call 1")
	h.sends([]byte("\x1B:2}what is in 80 columns"))
	guest.sees("what is in 80 columns")
	d.draws("80", guest)
	pages, err := filepath.Glob("../videotex/testdata/*.vdt")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages", err)
	}
	for i, page := range pages {
		stream, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if i%10 == 5 {
			way.CloseClientConnections()
		}
		h.sends(append([]byte("\x1B:2~"), stream...)) // in 40 columns, whatever was before
		h.sends([]byte("\x1F@A fin du fichier"))
		guest.until("all of "+page, func(screen string) bool { return strings.Contains(screen, "fin du fichier") })
		d.draws(filepath.Base(page), guest)
		h.sends([]byte("\x1F@A\x18\n"))
	}
}

// The test card of the gateway itself is seen as its caller sees it.
func TestConsoleWatchesMire(t *testing.T) {
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	guest := arrives(t, g)
	guest.sees("Passerelle en liaison")
	d := attends(t, g.doors["admin"])
	d.press("#calls", "Watch call 1")
	d.draws("portal", guest)
	guest.types("<Annulation>MIRE<Envoi>")
	for _, card := range []string{"1/6", "2/6", "3/6", "4/6", "Suite ou Retour"} {
		guest.sees(card)
		d.draws("MIRE "+card[:1], guest)
		guest.types("<Suite>")
	}
	guest.sees("6/6")
	guest.types("<Envoi>")
	guest.until("redefined characters", func(string) bool {
		return guest.screen.Glyph(videotex.Drcs1, 0x21) != videotex.Glyph{} || guest.screen.Glyph(videotex.Drcs0, 0x41) != videotex.Glyph{}
	})
	d.draws("MIRE 6", guest)
	guest.conn.Close()
	d.reads("#watched", "The call has ended.")
}

// A way is a proxy before a gateway's operators.
type way struct {
	*httptest.Server
	away              atomic.Bool   // it does not reach the gateway
	followed, refused chan struct{} // somebody follows what happens, or may not
}

func leads(t *testing.T, to string) *way {
	t.Helper()
	w := &way{followed: make(chan struct{}, 99), refused: make(chan struct{}, 99)}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: to})
	proxy.FlushInterval = -1 // at once
	proxy.ErrorLog = stdlog.New(io.Discard, "", 0)
	follows := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/events") }
	proxy.ModifyResponse = func(answer *http.Response) error {
		if follows(answer.Request) {
			w.followed <- struct{}{}
		}
		return nil
	}
	w.Server = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if !w.away.Load() {
			proxy.ServeHTTP(answer, r)
			return
		}
		http.Error(answer, "no gateway", http.StatusBadGateway)
		if follows(r) {
			w.refused <- struct{}{}
		}
	}))
	t.Cleanup(w.Close)
	return w
}

// A connection that is cut, before the first event and among them, costs the page none.
func TestConsoleResumes(t *testing.T) {
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	way := leads(t, g.doors["admin"])
	d := attends(t, way.Listener.Addr().String(), "ERR_")
	<-way.followed
	d.so(`performance.getEntriesByType("resource").some(e => e.name.endsWith("/metrics"))`) // and has read where it begins
	var want []string
	for call := 1; call <= 30; call++ {
		if call%12 == 1 {
			way.CloseClientConnections()
		}
		guest := arrives(t, g)
		guest.sees("Passerelle en liaison")
		guest.conn.Close()
		want = append(want, fmt.Sprintf("call %d began", call), fmt.Sprintf("call %d ended", call))
	}
	const told = `[...document.querySelectorAll("#events li")].map(e => e.querySelector("strong").textContent + " " + e.className).sort()`
	slices.Sort(want)
	var got []string
	d.until("60 events", func() bool { got = value[[]string](d.tab, told); return len(got) >= len(want) })
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("the page has been told\n%q, want\n%q", got, want)
	}
}

// Nor does a proxy that refuses the page for a while, since it does not reach the gateway.
func TestConsoleRefused(t *testing.T) {
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	way := leads(t, g.doors["admin"])
	d := attends(t, way.Listener.Addr().String(), "ERR_", "status of 502")
	<-way.followed
	calls := func() {
		guest := arrives(t, g)
		guest.sees("Passerelle en liaison")
		guest.conn.Close()
	}
	calls()
	d.reads("#events", "call 1 ended")
	way.away.Store(true)
	way.CloseClientConnections()
	<-way.refused
	calls()
	way.away.Store(false)
	d.reads("#events", "call 2 began")
	d.reads("#events", "call 2 ended")
}

// What callers and services say of themselves is text, whatever it looks like.
func TestConsoleHostile(t *testing.T) {
	const evil = `<img src=x onerror=alert(1)>`
	dir := t.TempDir()
	directory := `starter = false
[[service]]
code = "EVIL"
title = '` + evil + `'
category = '<b>gras</b>'
description = '<script>alert(2)</script>'
url = "builtin:echo"
`
	if err := os.WriteFile(filepath.Join(dir, "services.toml"), []byte(directory), 0o666); err != nil {
		t.Fatal(err)
	}
	g := runsIn(t, dir, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--directory", "services.toml")
	guest := arrives(t, g)
	const iac, will, sb, se, ttype = "\xFF", "\xFB", "\xFA", "\xF0", "\x18"
	io.WriteString(guest.conn, iac+will+ttype+iac+sb+ttype+"\x00"+evil+iac+se)
	guest.sees("Passerelle en liaison")
	guest.types("<Annulation>EVIL<Envoi>")
	d := attends(t, g.doors["admin"], "400 (Bad Request)", "requires 'TrustedHTML' assignment")
	d.reads("#calls tbody", "EVIL")
	d.press("#calls", "Watch call 1")
	d.reads("#facts", evil)
	d.press("#watch", "Redirect…")
	d.fills("to", "<b>x</b>")
	d.press("#order", "Redirect")
	d.told(`"<b>x</b>" is no service`)
	d.press("#order", "Cancel")
	d.press("#watch", "Close")
	d.press("nav", "Services")
	d.reads("#services tbody", evil)
	d.reads("#services tbody", "<b>gras</b>")
	if made := value[int](d.tab, `document.querySelectorAll("b, script:not([src]), img:not(.thumb img)").length`); made > 0 {
		t.Errorf("%d elements were made of text", made)
	}
	w, err := http.Get("http://" + g.doors["admin"] + "/api/v1/calls/1/screen?as=png")
	if err != nil {
		t.Fatal(err)
	}
	w.Body.Close()
	if rule := w.Header.Get("Cross-Origin-Resource-Policy"); rule != "same-origin" {
		t.Errorf("pages of other sites may show what a caller sees: %q", rule)
	}
	// Nor could they be made: the policy refuses it.
	if refused := value[bool](d.tab, `(() => { try { document.body.innerHTML = "<b>"; return false; } catch { return true; } })()`); !refused {
		t.Error("the page may make elements of text")
	}
}

// A gateway that is gone is missed, and found again, by itself.
func TestConsoleWaits(t *testing.T) {
	at := ports(t, 1)[0]
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", at)
	first := arrives(t, g)
	first.sees("Passerelle en liaison")
	d := attends(t, at, "ERR_")
	d.reads("#calls output", "1")
	if value[bool](d.tab, `away.checkVisibility()`) {
		t.Error("a gateway that is there is missed")
	}
	d.press("#calls", "Watch call 1")
	d.press("#watch", "Message…")
	d.fills("text", "for the first one")
	g.kill()
	d.reads("#away", "The gateway does not answer.")
	d.press("#order", "Send")
	d.told("The gateway does not answer.")
	d.saves("away.png")
	g = runs(t, "--tcp", "127.0.0.1:0", "--admin", at)
	d.so(`!away.checkVisibility()`)
	d.reads("#calls", "Nobody is calling.")
	d.reads("#events", "the gateway was started anew")
	second := arrives(t, g) // who has the number of the first
	second.sees("Passerelle en liaison")
	d.reads("#events", "call 1 began")
	d.press("#order", "Send")
	d.told("another one has its number by now")
	d.press("#order", "Cancel")
	d.reads("#watched", "The call has ended.")
	d.so(`[...orders.children].every(e => e.disabled)`)
	d.press("#watch", "Close")
	if strings.Contains(second.text(), "for the first one") {
		t.Error("a caller is told what was meant for another")
	}
	d.reads("#calls output", "1")
}

// A gateway that is replaced is another one to the page, and the page goes on.
func TestConsoleUpgrades(t *testing.T) {
	free, dir := ports(t, 2), t.TempDir()
	config := fmt.Sprintf("listen = [\"tcp://%s\"]\nadmin = %q\nlog = \"none\"\nrecords = \"none\"\n", free[0], free[1])
	if err := os.WriteFile(filepath.Join(dir, "moip.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	g := runsIn(t, dir, "--config", "moip.toml", "--admin", free[1])
	d := attends(t, free[1], "ERR_")
	d.press("nav", "Gateway")
	d.reads("#house", "running, ready for calls")
	d.press("#gateway", "Upgrade…")
	d.press("#order", "Upgrade")
	next, said := 0, d.told("takes the calls from now on.")
	if _, err := fmt.Sscanf(said, "Process %d", &next); err != nil || next <= 1 {
		t.Fatalf("the page says %q", said)
	}
	t.Cleanup(func() { syscall.Kill(next, syscall.SIGKILL) })
	if !within(func() bool { return !alive(g.command.Process.Pid) }) {
		t.Error("the process before goes on")
	}
	conn, err := net.Dial("tcp", free[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	d.press("nav", "Calls")
	d.reads("#calls output", "1")
	d.reads("#events", "began")
}

// What nobody looks at is not asked for: a page that is hidden, thumbnails out of sight,
// and those that have not changed. Those that change are asked for now and then.
func TestConsoleIsQuiet(t *testing.T) {
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	for i := range 30 {
		guest := arrives(t, g)
		guest.sees("Passerelle en liaison")
		if i == 1 {
			guest.types("<Annulation>HEURE<Envoi>")
			guest.sees("HEURE")
		}
	}
	d := attends(t, g.doors["admin"])
	asked := func(what string) int {
		return value[int](d.tab, `performance.getEntriesByType("resource").filter(e => e.name.includes("`+what+`")).length`)
	}
	d.so(`document.querySelectorAll("#calls tbody img[src]").length > 3`)
	// starts are the moments when something was asked for, in ms of the page's.
	starts := func(what string) []float64 {
		return value[[]float64](d.tab, `performance.getEntriesByType("resource").filter(e => e.name.includes("`+what+`")).map(e => e.startTime)`)
	}
	d.until("a thumbnail that changes", func() bool { return asked("/calls/2/screen") >= 4 })
	pictures := starts("/calls/2/screen")
	slices.Sort(pictures)
	if took := pictures[3] - pictures[1]; took < 3000 { // of 4,000, as asking may wait for a busy machine
		t.Errorf("three pictures of a call in %v ms", took)
	}
	if n := asked("/calls/1/screen"); n != 1 {
		t.Errorf("a screen that does not change is asked for %d times", n)
	}
	if n := asked("/calls/30/screen"); n != 0 {
		t.Errorf("a screen out of sight is asked for %d times", n)
	}
	value[bool](d.tab, `(() => {
		Object.defineProperty(document, "hidden", { get: () => true });
		return document.dispatchEvent(new Event("visibilitychange"));
	})()`)
	d.until("a page that nobody sees to ask for nothing", func() bool { // but what comes of what it has asked for
		before := len(starts("/api/"))
		time.Sleep(5 * time.Second)
		return len(starts("/api/")) == before
	})
}

// All of it can be had by the keyboard, and what had the focus has it again.
func TestConsoleKeyboard(t *testing.T) {
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	guest := arrives(t, g)
	guest.sees("Passerelle en liaison")
	d := attends(t, g.doors["admin"])
	d.reads("#calls output", "1")
	focused := func(name string) {
		t.Helper()
		d.so(fmt.Sprintf(`(document.activeElement.ariaLabel ?? document.activeElement.textContent) === %q`, name))
	}
	d.so(`document.querySelector("nav a[href='#history']").checkVisibility() === false`)
	d.presses(kb.Tab, kb.Tab, kb.Tab, kb.Tab) // the panels that are there
	d.presses(kb.Tab, kb.Tab, kb.Tab)         // the search, the message to all, the first call
	focused("Watch call 1")
	d.presses(kb.Enter)
	focused("Close")
	d.presses(kb.Escape)
	d.so(`!watch.open`)
	focused("Watch call 1")
	d.presses(kb.Tab)
	focused("Actions for call 1")
	d.presses(kb.Enter)
	focused("Message…")
	d.presses(kb.Escape)
	focused("Actions for call 1")
	d.presses(kb.Enter, kb.Enter)
	d.so(`order.open && document.activeElement.name === "text"`)
	d.presses("Bonjour", kb.Enter)
	guest.sees("Bonjour")
	d.so(`!order.open`)
	if outline := value[string](d.tab, `(document.querySelector("#calls input").focus(), getComputedStyle(document.activeElement).outlineWidth)`); outline != "3px" {
		t.Errorf("the focus is shown by %s", outline)
	}
}

// TestConsolePicture takes doc/operators.md's picture of the page. It is rewritten with
//
//	go test ./test -run TestConsolePicture -update
func TestConsolePicture(t *testing.T) {
	const file = "../doc/console.png"
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	d := attends(t, g.doors["admin"])
	d.does(chromedp.EmulateViewport(1280, 720))
	d.reads("#calls", "Nobody is calling.")
	for _, code := range []string{"MIRE", "", "HEURE", "SALON", "CLAVIER", ""} {
		guest := arrives(t, g)
		guest.sees("Passerelle en liaison")
		if code != "" {
			guest.types("<Annulation>" + code + "<Envoi>")
			guest.until("the service", func(screen string) bool { return !strings.Contains(screen, "Minitel sur IP") })
		}
		d.reads("#calls tbody", "telnet")
		if *update {
			time.Sleep(5 * time.Second) // for the charts
		}
	}
	d.so(`document.querySelectorAll("#calls tbody img[src]").length === 6`)
	p, err := chromedp.Run(d.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	pictureOnFile(t, file, p)
}

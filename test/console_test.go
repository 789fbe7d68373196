package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A desk is a tab with the operators' console.
type desk struct{ *tab }

// attends opens the console of the operators' address, with none of the complaints
// expected counted. A panel that the gateway has not is a 404 to the browser.
func attends(t *testing.T, address string, expected ...string) *desk {
	t.Helper()
	return &desk{opens(t, "http://"+address+"/", append(expected, "404 (Not Found)")...)}
}

// so waits until an expression is true in the page.
func (d *desk) so(expression string) {
	d.Helper()
	d.until(expression, func() bool { return value[bool](d.tab, "!!("+expression+")") })
}

// looks are how the page may be looked at.
var looks = []struct {
	name, scheme  string
	width, height int64
	phone         bool
}{
	{"desk-light", "light", 1280, 900, false}, {"desk-dark", "dark", 1280, 900, false},
	{"phone-light", "light", 390, 844, true}, {"phone-dark", "dark", 390, 844, true}, {"small", "light", 360, 640, true},
}

// TestConsoleLooks has the page on screens of all kinds: nothing is cut off, and all that
// is to be touched is large enough.
func TestConsoleLooks(t *testing.T) {
	g := runs(t, "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	for _, code := range []string{"MIRE", "ECHO", "", "SALON", "HEURE", "CLAVIER", ""} {
		guest := arrives(t, g)
		guest.sees("Passerelle en liaison")
		if code != "" {
			guest.types("<Annulation>" + code + "<Envoi>")
			guest.until("the service", func(screen string) bool { return !strings.Contains(screen, "Minitel sur IP") })
		}
	}
	d := attends(t, g.doors["admin"])
	for _, look := range looks {
		steps := []chromedp.EmulateViewportOption{}
		if look.phone {
			steps = append(steps, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2))
		}
		d.does(chromedp.EmulateViewport(look.width, look.height, steps...))
		_, err := chromedp.Call(d.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: look.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		if err != nil {
			t.Fatal(err)
		}
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
	} else if panel == "services" {
		d.so(`document.querySelector("#services tbody tr")`)
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

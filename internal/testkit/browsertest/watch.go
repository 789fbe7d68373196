package browsertest

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// A watch notes what a page complains of.
type watch struct {
	mu         sync.Mutex
	complaints []string
}

// hear is told all that happens to the page.
func (w *watch) hear(event any) {
	switch ev := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if ev.Type == "error" || ev.Type == "assert" {
			w.note("console: %s", values(ev.Args))
		}
	case *runtime.EventExceptionThrown:
		d := ev.ExceptionDetails
		w.note("%s %s (%s:%d)", d.Text, values([]*runtime.RemoteObject{d.Exception}), d.URL, d.LineNumber+1)
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError {
			w.note("%s: %s (%s)", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		w.requested(ev.Request.URL)
	case *network.EventWebSocketCreated:
		w.requested(ev.URL)
	}
}

// requested notes what is not on this machine.
func (w *watch) requested(address string) {
	u, err := url.Parse(address)
	if err == nil && (u.Host == "" || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()) {
		return
	}
	w.note("request to another machine: %s", address)
}

func (w *watch) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.complaints = append(w.complaints, fmt.Sprintf(format, args...))
}

func (w *watch) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.complaints)
}

// values tells what was written to the console or thrown.
func values(objects []*runtime.RemoteObject) string {
	var all []string
	for _, o := range objects {
		switch {
		case o == nil:
		case o.Description != "":
			all = append(all, o.Description)
		default:
			all = append(all, string(o.Value))
		}
	}
	return strings.Join(all, " ")
}

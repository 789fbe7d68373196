package test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"moip/internal/control/admin"
	"moip/internal/control/admin/console"
)

// A house is what an operator's page is told of one gateway of a hub.
type house struct {
	Name     string    `json:"name"`
	Instance string    `json:"instance"`
	Self     bool      `json:"self,omitempty"`
	State    string    `json:"state"`
	Version  string    `json:"version"`
	Protocol int       `json:"protocol"`
	Began    time.Time `json:"began"`
	Heard    time.Time `json:"heard"`
	Silent   bool      `json:"silent,omitempty"`
	Skew     int       `json:"skew"`
	Calls    int       `json:"calls"`
	MaxCalls int       `json:"maxCalls"`
	Config   string    `json:"config"`
	Fault    string    `json:"fault,omitempty"`
}

// A lineState is the bus between gateways.
type lineState struct {
	Up    bool      `json:"up"`
	Since time.Time `json:"since"`
	At    string    `json:"at"`
	Why   string    `json:"why,omitempty"`
}

type hubCall struct {
	admin.Call
	Gateway string `json:"gateway"`
}

type hubEvent struct {
	admin.Event
	Gateway string `json:"gateway"`
}

type hubRecord struct {
	ID        int64              `json:"id"`
	Gateway   string             `json:"gateway"`
	Call      uint64             `json:"call"`
	Address   string             `json:"address"`
	Transport string             `json:"transport"`
	Began     time.Time          `json:"began"`
	Ended     time.Time          `json:"ended"`
	Visits    []any              `json:"visits"`
	Cost      map[string]float64 `json:"cost"`
	Reason    string             `json:"reason"`
}

type absent struct {
	Gateway string    `json:"gateway"`
	Since   time.Time `json:"since"`
	Why     string    `json:"why,omitempty"`
	Calls   int       `json:"calls"`
}

// A standIn speaks the operators' API of a gateway in a hub, which is in whatever state a
// test wants. What only a real gateway can do, TestConsoleHub has.
type standIn struct {
	*httptest.Server
	mu      sync.Mutex
	bus     *lineState
	houses  []house
	calls   []hubCall
	records []hubRecord
	missing []absent
	orders  []string // method, path and body of what was no question
	asked   []string // paths of questions
	events  chan hubEvent
	over    chan struct{}
}

// standsIn starts one with two gateways, paris, which is asked, and lyon.
func standsIn(t *testing.T) *standIn {
	t.Helper()
	now := time.Now()
	s := &standIn{
		bus: &lineState{Up: true, Since: now.Add(-time.Hour), At: "nats://10.0.0.1:4222"}, events: make(chan hubEvent, 100), over: make(chan struct{}),
		houses: []house{
			{Name: "lyon", Instance: "l1", State: "running", Version: "v1.4.0", Protocol: 1, Began: now.Add(-30 * time.Minute), Heard: now, Calls: 1, MaxCalls: 100, Config: "c1"},
			{Name: "paris", Instance: "p1", Self: true, State: "running", Version: "v1.4.0", Protocol: 1, Began: now.Add(-time.Hour), Heard: now, Calls: 2, MaxCalls: 100, Config: "c1"},
		},
		calls: []hubCall{
			{admin.Call{ID: 1, Transport: "tcp", Address: "192.0.2.1:1001", Began: now.Add(-3 * time.Minute), State: "at portal", Out: 10}, "paris"},
			{admin.Call{ID: 1, Transport: "tcp", Address: "192.0.2.2:1002", Began: now.Add(-2 * time.Minute), State: "at service", Service: "SALON", Out: 10}, "lyon"},
			{admin.Call{ID: 2, Transport: "ws", Address: "192.0.2.3:1003", Began: now.Add(-1 * time.Minute), State: "at portal", Out: 10}, "paris"},
		},
	}
	for i := range 6 {
		s.records = append(s.records, hubRecord{
			ID: int64(7 - i/2), Gateway: []string{"paris", "lyon"}[i%2], Call: uint64(9 - i/2), Address: "192.0.2.9", Transport: "tcp",
			Began: now.Add(-time.Duration(i+2) * time.Minute), Ended: now.Add(-time.Duration(i+1) * time.Minute), Visits: []any{}, Reason: "hung up",
		})
	}
	s.Server = httptest.NewServer(s.mux())
	t.Cleanup(func() { close(s.over); s.Close() })
	return s
}

// is has the hub changed.
func (s *standIn) is(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *standIn) mux() http.Handler {
	mux := http.NewServeMux()
	tell := func(pattern string, what func(*http.Request) any) {
		mux.HandleFunc(strings.Replace(pattern, " /", " /api/v1/", 1), func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			body, _ := io.ReadAll(r.Body)
			if r.Method == "GET" {
				s.asked = append(s.asked, r.URL.RequestURI())
			} else if r.Method != "HEAD" {
				s.orders = append(s.orders, strings.TrimSpace(r.Method+" "+strings.TrimPrefix(r.URL.RequestURI(), "/api/v1")+" "+string(body)))
			}
			told := what(r)
			code, failed := told.(int)
			switch {
			case failed:
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(code)
				fmt.Fprintf(w, `{"error": "status %d"}`, code)
			case told == nil:
				w.WriteHeader(http.StatusNoContent)
			default:
				w.Header().Set("Content-Type", "application/json")
				json.NewEncoder(w).Encode(told)
			}
		})
	}
	of := func(r *http.Request, gateway string) bool {
		wanted := r.FormValue("gateway")
		return wanted == "" || wanted == gateway
	}
	tell("GET /login", func(*http.Request) any { return admin.Login{Role: "full"} })
	tell("GET /gateways", func(*http.Request) any {
		if s.bus == nil {
			return map[string]any{"gateways": s.houses}
		}
		return map[string]any{"bus": s.bus, "gateways": s.houses}
	})
	tell("DELETE /gateways/{name}", func(r *http.Request) any {
		s.houses = slices.DeleteFunc(s.houses, func(h house) bool { return h.Silent && h.Name == r.PathValue("name") })
		return nil
	})
	tell("GET /calls", func(r *http.Request) any {
		told := struct {
			Calls   []hubCall `json:"calls"`
			Missing []absent  `json:"missing,omitempty"`
		}{Calls: []hubCall{}, Missing: s.missing}
		for _, c := range s.calls {
			if of(r, c.Gateway) {
				told.Calls = append(told.Calls, c)
			}
		}
		return told
	})
	find := func(r *http.Request) any {
		for _, c := range s.calls {
			if id := r.PathValue("id"); id == fmt.Sprintf("%s-%d", c.Gateway, c.ID) || s.bus == nil && id == strconv.FormatUint(c.ID, 10) {
				return c
			}
		}
		return http.StatusNotFound
	}
	tell("GET /calls/{id}", find)
	order := func(r *http.Request) any {
		if code, none := find(r).(int); none {
			return code
		}
		return nil
	}
	for _, pattern := range []string{"DELETE /calls/{id}", "POST /calls/{id}/message", "POST /calls/{id}/redirect", "POST /calls/{id}/recall", "PUT /calls/{id}/recording"} {
		tell(pattern, order)
	}
	tell("POST /calls/message", func(*http.Request) any {
		return map[string]any{"told": len(s.calls)}
	})
	tell("GET /state", func(r *http.Request) any {
		for _, h := range s.houses {
			if h.Name == r.FormValue("gateway") || r.FormValue("gateway") == "" && h.Self {
				if h.Silent {
					return http.StatusServiceUnavailable
				}
				return admin.State{State: h.State, Ready: h.State == "running", Why: "it is draining", Version: h.Version, Since: h.Began, Calls: h.Calls, Portal: "portal of " + h.Name}
			}
		}
		return http.StatusNotFound
	})
	tell("GET /config", func(r *http.Request) any {
		return map[string]any{"file": r.FormValue("gateway") + ".toml", "settings": map[string]any{"node": r.FormValue("gateway")}}
	})
	tell("GET /log-level", func(*http.Request) any { return admin.Level{Level: "info"} })
	tell("PUT /log-level", func(*http.Request) any { return nil })
	tell("POST /reload", func(*http.Request) any { return admin.Reloaded{Changed: []string{"bans"}, Left: []string{}} })
	tell("POST /drain", func(*http.Request) any { return nil })
	tell("GET /limits", func(*http.Request) any { return admin.Limits{Busiest: []admin.Share{}, Refused: []admin.Refused{}} })
	tell("GET /link", func(*http.Request) any { return http.StatusNotFound })
	tell("GET /services", func(*http.Request) any { return map[string]any{"services": []any{}} })
	tell("GET /bans", func(*http.Request) any { return map[string]any{"bans": []any{}} })
	tell("GET /history", func(r *http.Request) any {
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		before, err := strconv.ParseInt(r.FormValue("before"), 10, 64)
		some := slices.DeleteFunc(slices.Clone(s.records), func(e hubRecord) bool { return !of(r, e.Gateway) || err == nil && e.ID >= before })
		told := map[string]any{"records": some[:min(len(some), limit)]}
		if len(some) > limit {
			told["next"] = some[limit-1].ID
		}
		if s.missing != nil {
			told["missing"] = s.missing
		}
		return told
	})
	tell("GET /history/totals", func(*http.Request) any {
		return map[string]any{"calls": len(s.records), "seconds": 60, "in": 1, "out": 2, "services": []any{}}
	})
	mux.HandleFunc("GET /api/v1/calls/{id}/screen", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		w.Write(grey())
	})
	mux.HandleFunc("GET /api/v1/calls/{id}/screen/live", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		code, none := find(r).(int)
		s.mu.Unlock()
		if none {
			w.WriteHeader(code)
			return
		}
		s.stream(w, r, func() []byte {
			return []byte(`{"columns":40,"row":1,"column":1,"cursor":true,"revealed":false,"rows":{"1":"` + lit + `"}}`)
		})
	})
	mux.HandleFunc("GET /api/v1/events", func(w http.ResponseWriter, r *http.Request) {
		s.stream(w, r, func() []byte {
			select {
			case e := <-s.events:
				line, _ := json.Marshal(e)
				return line
			default:
				return nil
			}
		})
	})
	metrics := func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, h := range s.houses {
			if h.Name == r.FormValue("gateway") || r.FormValue("gateway") == "" && h.Self {
				fmt.Fprintf(w, "moip_calls{transport=\"tcp\"} %d\nmoip_refusals_total{reason=\"full\"} %d\n", h.Calls, time.Now().Unix())
			}
		}
	}
	mux.HandleFunc("GET /metrics", metrics)
	mux.HandleFunc("GET /api/v1/metrics", metrics)
	mux.Handle("GET /", console.Handler())
	return mux
}

// stream tells of what next returns, ten times a second.
func (s *standIn) stream(w http.ResponseWriter, r *http.Request, next func() []byte) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, ": here\n\n")
	for {
		if data := next(); data != nil {
			fmt.Fprintf(w, "data: %s\n\n", data)
		}
		w.(http.Flusher).Flush()
		select {
		case <-time.After(100 * time.Millisecond):
		case <-r.Context().Done():
			return
		case <-s.over:
			return
		}
	}
}

// lit is a row of cells, each a white block.
var lit = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1, 0x7F, 7, 0, 0, 0}, 40))

// grey is a picture.
var grey = sync.OnceValue(func() []byte {
	var out bytes.Buffer
	png.Encode(&out, image.NewGray(image.Rect(0, 0, 320, 250)))
	return out.Bytes()
})

// ordered waits for an order.
func (s *standIn) ordered(d *desk, want string) {
	d.Helper()
	d.until("the order "+want, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Contains(s.orders, want)
	})
}

func (s *standIn) address() string { return strings.TrimPrefix(s.URL, "http://") }

// chooses has the page be about one gateway, or all.
func (d *desk) chooses(gateway string) {
	d.Helper()
	d.so(fmt.Sprintf(`[...which.options].some(e => e.value === %q)`, gateway))
	value[bool](d.tab, fmt.Sprintf(`(which.value = %q, which.dispatchEvent(new Event("change")))`, gateway))
}

// The page of one gateway shows and steers all of its hub.
func TestConsoleOfHub(t *testing.T) {
	s := standsIn(t)
	d := attends(t, s.address())
	rows := func(want string) {
		t.Helper()
		d.so(fmt.Sprintf(`[...document.querySelectorAll("#calls tbody tr")].map(e => e.cells[2].textContent + "-" + e.cells[1].textContent).join() === %q`, want))
	}
	rows("paris-1,lyon-1,paris-2")
	d.reads("#state", "3 calls in all, paris running, 2 calls")
	d.so(`!trouble.checkVisibility()`)
	d.chooses("lyon")
	rows("lyon-1")
	d.chooses("")
	rows("paris-1,lyon-1,paris-2")

	// Orders for a call of the other.
	act := func(action string) {
		t.Helper()
		d.press("#calls", "Actions for call lyon-1")
		d.press("#menu", action)
	}
	act("Redirect…")
	d.fills("to", "MIRE")
	d.press("#order", "Redirect")
	d.told("Call lyon-1 is on its way to MIRE.")
	s.ordered(d, `POST /calls/lyon-1/redirect {"to":"MIRE"}`)
	act("Message…")
	d.fills("text", "Bonjour")
	d.press("#order", "Send")
	s.ordered(d, `POST /calls/lyon-1/message {"text":"Bonjour"}`)
	act("Recall")
	s.ordered(d, `POST /calls/lyon-1/recall`)
	act("Record")
	s.ordered(d, `PUT /calls/lyon-1/recording {"on":true}`)
	act("Hang up…")
	d.press("#order", "Hang up")
	s.ordered(d, `DELETE /calls/lyon-1`)

	// A message to all, of the hub or of one gateway.
	d.press("#calls", "Message to all")
	d.reads("#order", "Message to all")
	d.fills("text", "tous")
	d.press("#order", "Send")
	d.told("Callers told: 3.")
	s.ordered(d, `POST /calls/message {"text":"tous"}`)
	d.chooses("lyon")
	d.press("#calls", "Message to all")
	d.reads("#order", "Message to all of lyon")
	d.fills("text", "Lyon")
	d.press("#order", "Send")
	s.ordered(d, `POST /calls/message?gateway=lyon {"text":"Lyon"}`)

	// Events and history know gateways, too.
	d.chooses("")
	s.events <- hubEvent{admin.Event{ID: "1", At: time.Now(), Type: "began", Call: 7, From: "192.0.2.7:1", By: "tcp"}, "lyon"}
	s.events <- hubEvent{admin.Event{ID: "2", At: time.Now(), Type: "refused", From: "192.0.2.8:1", By: "tcp", Reason: "full", Refused: 1}, "paris"}
	d.reads("#events", "call lyon-7 began")
	d.reads("#events", "192.0.2.8:1 refused · at paris · full")
	d.chooses("lyon")
	d.so(`document.querySelectorAll("#events li").length === 1`)
	d.press("nav", "History")
	d.so(`[...document.querySelectorAll("#history tbody tr")].map(e => e.cells[1].textContent + "-" + e.cells[0].textContent).join() === "lyon-9,lyon-8,lyon-7"`)
	d.chooses("")
	d.so(`[...document.querySelectorAll("#history tbody tr")].map(e => e.cells[1].textContent + "-" + e.cells[0].textContent).join() === "paris-9,lyon-9,paris-8,lyon-8,paris-7,lyon-7"`)

	// The charts are of all, or of one.
	d.press("nav", "Calls")
	d.so(`charts.querySelector("strong").textContent === "3"`)
	d.chooses("paris")
	d.so(`charts.querySelector("strong").textContent === "2"`)
	d.chooses("")

	// Gateways, and what is done with one.
	d.press("nav", "Gateways")
	d.reads("#hub tbody", "paris, asked here")
	d.reads("#hub tbody", "1 of 100")
	d.reads("#gateway-title", "Gateway paris")
	d.press("#hub", "Show lyon")
	d.reads("#gateway-title", "Gateway lyon")
	d.reads("#house", "portal of lyon")
	d.reads("#file", "lyon.toml")
	value[bool](d.tab, `(level.value = "debug", level.dispatchEvent(new Event("change")))`)
	s.ordered(d, `PUT /log-level?gateway=lyon {"level":"debug"}`)
	d.press("#gateway", "Reload")
	d.told("Changed: bans.")
	s.ordered(d, `POST /reload?gateway=lyon`)
	d.press("#gateway", "Drain…")
	d.reads("#order", "Drain lyon?")
	d.press("#order", "Drain")
	s.ordered(d, `POST /drain?gateway=lyon {"for":"5m"}`)
}

// What came of an order is not what the page says when another call is watched.
func TestConsoleForgetsNews(t *testing.T) {
	s := standsIn(t)
	d := attends(t, s.address())
	d.press("#calls", "Watch call paris-1")
	d.press("#watch", "Recall")
	d.told("Call paris-1 is taken back to the portal.")
	d.press("#watch", "Close")
	value[bool](d.tab, `(document.getElementById("message-all").click(), document.getElementById("yes").click(), true)`)
	d.told("Callers told: 3.")
	d.press("#calls", "Watch call lyon-1")
	d.reads("#watched", "Live.")
	d.so(`document.querySelector("#watch .news").textContent === ""`)
}

// What is wrong with a hub is seen at once, whatever is looked at: who does not answer,
// and what was known of it, a bus that is down, faults of gateways.
func TestConsoleOfHubInTrouble(t *testing.T) {
	s := standsIn(t)
	heard := time.Now().Add(-time.Minute)
	at := heard.Format("15:04:05")
	d := attends(t, s.address(), "503 (Service")
	d.press("#calls", "Watch call lyon-1")
	d.reads("#watched", "Live.")

	// lyon is slow, then killed.
	lyon := s.calls[1]
	s.is(func() { s.missing = []absent{{Gateway: "lyon", Since: heard, Why: "no answer in 2 s", Calls: 1}} })
	d.reads("#trouble", "lyon does not answer (no answer in 2 s). It was heard last at ")
	s.is(func() {
		s.houses[0].Silent, s.houses[0].Heard, s.houses[0].Calls = true, heard, 12
		s.calls = slices.Delete(s.calls, 1, 2)
		s.missing = []absent{{Gateway: "lyon", Since: heard, Why: "no answer in 2 s", Calls: 12}}
	})
	const lost = "lyon does not answer. It was heard last at "
	d.reads("#watched", lost)
	d.so(`[...orders.children].every(e => !e.disabled)`) // it may go on
	d.saves("watched.png")
	d.press("#watch", "Close")
	d.reads("#trouble", lost+at+", with 12 calls.")
	d.so(`document.querySelectorAll("#calls tbody tr").length === 2`)
	for _, panel := range []string{"Bans", "History", "Gateways"} {
		d.press("nav", panel)
		d.reads("#trouble", "It was heard last at "+at+", with 12 calls.")
	}
	d.reads("#hub tbody", "silent")
	d.reads("#hub tbody", "12 of 100, last known")
	d.so(`!document.querySelector("#hub [aria-label='Show lyon']")`)
	d.so(`[...which.options].every(e => e.value !== "lyon")`)

	// It is back, and so is its call.
	s.is(func() {
		s.houses[0].Silent, s.missing = false, nil
		s.calls = append(s.calls, lyon)
	})
	d.so(`!trouble.checkVisibility()`)
	d.press("nav", "Calls")
	d.chooses("lyon")
	d.so(`document.querySelectorAll("#calls tbody tr").length === 1`)

	// Chosen, it goes again, and a successor has its name.
	d.press("nav", "Gateways")
	d.reads("#house", "portal of lyon")
	s.is(func() { s.houses[0].Silent = true })
	d.reads("#house", "lyon does not answer.")
	d.so(`settings.textContent === ""`)
	s.is(func() {
		next := s.houses[0]
		next.Instance, next.Silent = "l2", false
		s.houses = append([]house{next}, s.houses...)
	})
	d.so(`!trouble.checkVisibility()`)
	d.reads("#house", "portal of lyon")
	d.chooses("")

	// The bus, clocks, configurations, faults.
	s.is(func() {
		s.bus = &lineState{Since: heard, At: "nats://10.0.0.1:4222", Why: "connection refused"}
		s.houses[0].Skew, s.houses[0].Config, s.houses[0].Fault = -61_000, "c2", "another gateway has its name"
	})
	d.reads("#trouble", "The bus between the gateways (nats://10.0.0.1:4222) is down since "+at+": connection refused. paris goes on alone")
	d.reads("#trouble", "lyon: another gateway has its name")
	d.reads("#hub tbody", "1 min 1 s behind")
	d.reads("#hub tbody", "differs")
	d.so(`!trouble.innerText.includes("lyon was")`)
	s.is(func() {
		for i := range 2 {
			s.houses[i].Silent, s.houses[i].Heard = true, heard
		}
	})
	d.reads("#trouble", "this page shows no other. lyon was heard last at "+at+", with 12 calls.")
	d.so(`document.querySelector("#trouble").role === "alert"`)
	d.saves("trouble.png")
	d.press("#hub", "Forget lyon")
	d.reads("#order", "with 12 calls.")
	d.press("#order", "Forget")
	d.told("lyon is forgotten.")
	d.so(`document.querySelectorAll("#hub tbody tr").length === 1`)
}

// A call that was long has its record among old ones, and is shown all the same.
func TestConsoleOfLongCall(t *testing.T) {
	s := standsIn(t)
	d := attends(t, s.address())
	d.press("nav", "History")
	d.reads("#history output", "6")
	s.is(func() {
		for i := range s.records {
			s.records[i].ID += 100
		}
		long := s.records[0]
		long.ID, long.Call, long.Address = 1, 3, "192.0.2.77"
		for i := range int64(100) {
			next := s.records[0]
			next.ID += i + 1
			s.records = append([]hubRecord{next}, s.records...)
		}
		s.records = append(s.records, long)
	})
	value[bool](d.tab, `(() => { const now = Date.now; Date.now = () => now() + 61e3; return true; })()`) // a minute later
	d.reads("#history tbody", "192.0.2.77")
}

// A gateway that is alone has nothing of a hub on its page.
func TestConsoleAlone(t *testing.T) {
	s := standsIn(t)
	s.is(func() {
		s.bus, s.houses = nil, s.houses[1:]
		s.calls = []hubCall{s.calls[0], s.calls[2]}
	})
	d := attends(t, s.address())
	d.reads("#calls output", "2")
	d.reads("#state", "running, 2 calls, v1.4.0")
	d.press("#calls", "Watch call 2")
	d.press("#watch", "Recall")
	s.ordered(d, "POST /calls/2/recall")
	d.press("#watch", "Close")
	d.press("nav", "Gateway")
	d.reads("#house", "portal of paris")
	d.so(`document.getElementById("gateway-title").textContent === "Gateway"`)
	if shown := value[[]string](d.tab, `[...document.querySelectorAll(".hubs, #trouble")].filter(e => e.checkVisibility()).map(e => e.outerHTML)`); len(shown) > 0 {
		t.Errorf("of a hub it shows %q", shown)
	}
	time.Sleep(3 * time.Second)
	s.is(func() {
		if n := len(slices.DeleteFunc(slices.Clone(s.asked), func(a string) bool { return a != "/api/v1/gateways" })); n != 1 {
			t.Errorf("it asks %d times which gateways there are", n)
		}
	})
}

// Two thousand calls of two gateways leave the page quick.
func TestConsoleOfFullHub(t *testing.T) {
	s := standsIn(t)
	s.calls = nil
	for i := range 2000 {
		s.calls = append(s.calls, hubCall{admin.Call{
			ID: uint64(i/2 + 1), Transport: "tcp", Address: fmt.Sprintf("192.0.2.%d:%d", i%250, 1000+i), Began: time.Now().Add(-time.Duration(2000-i) * time.Second),
			State: "at service", Service: "SALON", Terminal: "Minitel 2", Out: uint64(i),
		}, []string{"lyon", "paris"}[i%2]})
	}
	s.houses[0].Calls, s.houses[1].Calls = 1000, 1000
	began := time.Now()
	d := attends(t, s.address())
	d.reads("#calls output", "2000, 500 shown")
	asked := func(part string) (n int) {
		s.is(func() {
			n = len(slices.DeleteFunc(slices.Clone(s.asked), func(a string) bool { return !strings.Contains(a, part) }))
		})
		return n
	}
	lists := func() int { return asked("/calls") - asked("/calls/") }
	worked, listed := d.works(), lists()
	for i := range 100 { // what happens has the page look anew
		s.events <- hubEvent{admin.Event{ID: strconv.Itoa(i), At: time.Now(), Type: "began", Call: uint64(i), From: "192.0.2.1:1", By: "tcp"}, "lyon"}
		s.is(func() {
			for j := range s.calls {
				s.calls[j].Out += 100
			}
		})
		time.Sleep(50 * time.Millisecond)
	}
	const search = "lyon 192.0.2.24:"
	d.does(chromedp.SendKeys("#calls input", search))
	d.reads("#calls output", "8 of 2000")
	shown := lists() - listed + 1 + len(search) // how often: anew for each key, too
	each := (d.works() - worked) / time.Duration(shown)
	t.Logf("the list is shown %d times, for which the page works %v each", shown, each)
	if each > time.Second {
		t.Errorf("the page does not answer for %v", each)
	}
	n, gateways := lists(), asked("/gateways")
	seconds := int(time.Since(began)/time.Second) + 2
	if n > seconds {
		t.Errorf("the list is asked for %d times in %d s", n, seconds)
	}
	if gateways > seconds {
		t.Errorf("the gateways are asked for %d times in %d s", gateways, seconds)
	}
}

// works returns how long the page has worked since it was first asked, which is less than
// how long that took on a busy machine.
func (d *desk) works() time.Duration {
	d.Helper()
	_, err := chromedp.Call(d.ctx, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks})
	if err != nil {
		d.Fatal(err)
	}
	told, err := chromedp.Call(d.ctx, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		d.Fatal(err)
	}
	for _, m := range told.Metrics {
		if m.Name == "TaskDuration" {
			return time.Duration(m.Value * float64(time.Second))
		}
	}
	d.Fatal("the browser does not tell how long a page has worked")
	return 0
}

// The page of a hub fits screens of all kinds, with names as long as they may be, and
// tells what is wrong in sentences of any length.
func TestConsoleOfHubLooks(t *testing.T) {
	s := standsIn(t)
	now := time.Now()
	s.is(func() {
		s.bus.Up, s.bus.Since, s.bus.Why = false, now, "dial tcp 10.0.0.1:4222: connect: connection refused"
		s.houses[0].Skew, s.houses[0].Config, s.houses[0].Calls = 3725_000, "c2", 97
		s.houses[0].Fault = "its clock is an hour and two minutes ahead: have it set by NTP, for bans end by it"
		s.houses = append(s.houses, house{Name: strings.Repeat("W", 32), Instance: "w1", State: "running", Version: "v1.3.9-rc1+dirty", Began: now, Heard: now, Silent: true, Calls: 40, MaxCalls: 50})
		s.calls[1].Gateway = strings.Repeat("W", 32)
	})
	d := attends(t, s.address())
	d.so(`document.querySelectorAll("#trouble li").length === 2`)
	s.events <- hubEvent{admin.Event{ID: "1", At: now, Type: "refused", From: "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535", By: "tcp", Reason: "full", Refused: 12}, strings.Repeat("W", 32)}
	for _, look := range looks {
		d.looks(look)
		for _, panel := range []string{"calls", "history", "gateway", "watch"} {
			d.shows(panel)
			d.saves("hub-" + look.name + "-" + panel + ".png")
			d.fits(look.name+" "+panel, look.phone)
			value[bool](d.tab, `document.querySelectorAll("dialog[open]").forEach(e => e.close()), true`)
		}
	}
}

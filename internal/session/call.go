package session

import (
	"errors"
	"slices"
	"sync"
	"time"

	"moip/videotex"
)

// State says who holds the keyboard.
type State int8

const (
	AtPortal  State = iota // the portal, or the gateway while there is none
	Dialing                // nobody: keys wait
	AtService              // the service
	Over                   // nobody: the farewell is on its way
)

func (s State) String() string {
	return [...]string{"at portal", "dialing", "at service", "over"}[s]
}

var (
	// ErrBusy refuses to redirect a call that is redirected already.
	ErrBusy = errors.New("call is already redirected")
	// ErrOver refuses a command to a call that has ended.
	ErrOver = errors.New("call is over")
)

// Config is what all calls of a gateway have in common.
type Config struct {
	Portal      Route
	DialPortal  Dial
	DialService Dial
	Limits      Limits

	// Turn is asked by each call that is to dial the portal again, and says in how long it
	// may, 0 for at once. It is called with the call's lock held, and must not block. nil
	// where the portal bears all of them at once.
	Turn func() time.Duration

	// Emit is told of every event. It is called with the call's lock held:
	// it must neither block nor call a method of the Call.
	Emit func(Event)

	// Recorder begins a recording of a call, by whatever rule. It is called with
	// the call's lock held, and must not block. nil where none are kept.
	Recorder func(Info) Recorder

	// Tapper has a call that begins tapped from its beginning, or not if it returns
	// nil. It is called with the call's lock held, before the call is told of, and must
	// not block. nil where none is.
	Tapper func(ID, Caller) Tapper
}

// Limits bounds a call. 0 means no limit.
type Limits struct {
	Idle  time.Duration // without a key
	Visit time.Duration // at one service
	Call  time.Duration // in all
	Dial  time.Duration // until a service or the portal has answered
	Wait  time.Duration // for a portal that is away
	Drain time.Duration // for the caller to take the farewell

	Keys int // bytes in a second that a caller is heard at, see tooFast
}

// A Call is one caller's stay, from arrival to farewell. Its methods may be
// called from any goroutine, and none blocks.
type Call struct {
	id    ID
	who   Caller
	began time.Time

	mu sync.Mutex // whoever holds it owns all that follows

	*Config // see Adopt

	caller  *leg
	portal  *leg // nil while away
	service *leg // nil unless AtService

	// What is small stands together, here and elsewhere: there are many calls.
	keys     videotex.KeyReader
	state    State
	midway   bool        // the portal must come to rest before it is shown
	slow     bool        // the caller's line was full a moment ago
	waiting  bool        // the caller sees that the portal is away
	away     bool        // it has been away, and has not lasted since
	queued   bool        // it is dialled when retry rings, see again
	stood    bool        // timer went off late, and goes off again
	order    recordOrder // of an operator, whether the call is to be recorded
	identity [3]byte
	enquired bool  // the terminal was asked for it
	tries    int32 // that failed to reach the portal
	running  int32 // goroutines, and legs

	batch []byte // keys of one chunk, on their way to whoever holds the keyboard
	ahead []byte // keys typed while a service or the portal is dialled
	stars int    // asterisks typed last, for *** Sommaire
	asked []question

	screen   videotex.Mixer
	articles videotex.ArticleReader // follows the portal
	speed    int                    // of the caller's line, 0 for none
	free     time.Duration          // when a line of some speed is, for the next byte; 0 while it is idle
	notice   string                 // why the last visit ended, to be shown again
	news     *Event                 // that the caller's end has not been told yet, see tell

	taps *taps // nil unless the call is traced

	recorder Recorder // nil unless the call is recorded
	last     *last    // what the recording has still to wait for, nil for nothing

	route   *Route        // of the visit under way, nil at the portal
	attempt *attempt      // to reach the service
	seeking *attempt      // to reach the portal
	reached *Route        // by which the portal is, or was last, sought
	arrived time.Duration // of the portal

	typedBy time.Duration // when all that came from the caller would have, at the pace of Limits.Keys
	lastKey time.Duration // since began, as all times here
	lastFin time.Duration // that the portal was told of, 0 if none
	due     [alarms]time.Duration
	timer   *time.Timer
	armed   time.Duration // when timer goes off, 0 if it does not

	ended   *Event // to be told once the call is Over, and all have left; nil before
	in, out uint64
	pressed uint64              // keys
	seen    videotex.Afterimage // of what the caller was sent
	visited []string
}

// Start answers a caller. The Call owns e from now on.
func Start(cfg *Config, id ID, who Caller, e Endpoint) *Call {
	c := New(cfg, id, who)
	c.Begin(e)
	return c
}

// New returns a call that is to begin. Whoever gives it an order before it has begun,
// waits until then.
func New(cfg *Config, id ID, who Caller) *Call {
	c := &Call{id: id, who: who, began: time.Now(), Config: cfg, reached: &cfg.Portal, speed: who.Speed}
	c.mu.Lock() // until Begin
	return c
}

// Begin answers the caller of a new call, which owns e from now on. It is called once.
func (c *Call) Begin(e Endpoint) {
	defer c.mu.Unlock()
	c.screen.Asked = c.asks
	if c.speed > 0 {
		c.screen.Ordered = c.ordered
	}
	if c.Tapper != nil {
		c.tapBy(c.Tapper(c.id, c.who))
	}
	c.emit(Event{Type: Began})
	c.limitCall()
	c.caller = c.join(LegCaller, e)
	c.followRules("", nil)
	c.show()
	c.seek()
}

// Adopt has the call go by cfg from now on: by its limits, as if they had been those
// before, but not without the warning; by its rules for recordings, and by its portal when
// that is to be dialled again. The call goes on as it is.
func (c *Call) Adopt(cfg *Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Over {
		return
	}
	was := c.Limits
	c.Config = cfg
	c.limitAnew(was)
	c.readOn()
	c.followRules("the rules have changed", nil)
	c.show()
}

// Redirect puts the caller through to r. It returns ErrBusy or ErrOver, or nil
// once the request is taken; events tell how it went.
func (c *Call) Redirect(r Route) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case Over:
		return ErrOver
	case AtPortal:
		c.redirect(r)
		return nil
	}
	return ErrBusy
}

// Recall gives the caller back to the portal. It does nothing if the call is
// not redirected.
func (c *Call) Recall() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Over {
		return ErrOver
	}
	c.recall(ReasonRecalled, nil)
	return nil
}

// Message shows text on row 00.
func (c *Call) Message(text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Over {
		return ErrOver
	}
	c.say(text)
	return nil
}

// Hangup ends the call, with a word to the caller.
func (c *Call) Hangup(r Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hangup(r, nil)
}

// Info tells how a call stands.
type Info struct {
	ID       ID
	Caller   Caller
	Began    time.Time
	State    State
	Service  string            // where the caller is or is going, "" at the portal
	In, Out  uint64            // bytes from and to the caller
	Keys     uint64            // that the caller has pressed
	Identity [3]byte           // maker, type, version as the terminal told, 0 if it has not
	Facts    map[string]string // what its protocol told besides, such as TTYPE
	Recorded bool
}

// Info returns how the call stands.
func (c *Call) Info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info()
}

// Screen returns what the caller sees, if it was a terminal that had just been switched
// on when it called.
func (c *Call) Screen() *videotex.Screen {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.seen.Screen()
	s.Indicate('C')
	return s
}

func (c *Call) info() Info {
	i := Info{
		ID: c.id, Caller: c.who, Began: c.began, State: c.state, In: c.in, Out: c.out, Identity: c.identity,
		Keys: c.pressed, Recorded: c.recorder != nil,
	}
	if c.state == Dialing || c.state == AtService {
		i.Service = c.route.Name
	}
	if e, ok := c.caller.end.(interface{ Facts() map[string]string }); ok {
		i.Facts = e.Facts()
	}
	return i
}

func (c *Call) emit(e Event) {
	e.Call, e.Caller = c.id, c.who
	e.At = c.began.Add(time.Since(c.began)) // also if the clock was set meanwhile
	e.Began, e.In, e.Out, e.Visited, e.Identity = c.began, c.in, c.out, slices.Clip(c.visited), c.identity
	e.Keys, e.Asked = c.pressed, c.enquired
	c.Emit(e)
	c.markEvent(e)
	if e.Type != Waiting { // see wait
		c.note(e)
	}
}

// hangup ends the call. A caller who is still there is told why.
func (c *Call) hangup(r Reason, err error) {
	if c.state == Over {
		return
	}
	c.state, c.ended = Over, &Event{Type: Ended, Reason: r, Err: err}
	c.quiet()
	c.readOn()
	c.attempt.stop()
	c.seeking.stop()
	if c.service != nil || c.portal != nil { // else what waits is its farewell
		c.screen.Discard()
	}
	c.drop(c.service)
	c.drop(c.portal)
	c.screen.Switch(nil)
	c.note(Event{Type: Ended, Reason: r})
	if text := farewell[r]; text != "" {
		c.article(videotex.Article(text))
	}
	c.set(drained, c.draining())
	c.show()
}

// settle notes that a goroutine is done. The last of a call that is over
// reports its end.
func (c *Call) settle() {
	if c.running--; c.running == 0 && c.state == Over {
		c.quiet()
		end := *c.ended
		if e, ok := c.caller.end.(interface{ Dropped() uint64 }); ok {
			end.Dropped = e.Dropped()
		}
		c.emit(end)
		c.endRecording("the call is over")
	}
}

// run starts a goroutine of the call.
func (c *Call) run(f func()) {
	c.running++
	go func() {
		f()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.settle()
	}()
}

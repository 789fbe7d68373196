package session

import "time"

// An Event is something that happened to a call.
type Event struct {
	Call   ID
	At     time.Time
	Type   EventType
	Caller Caller
	Route  Route  // the service, for Redirecting, Redirected and Returned
	Reason Reason // for Returned and Ended
	Err    error  // what is known of the cause beyond Reason, may be nil

	Began   time.Time // of the call
	In, Out uint64    // bytes from and to the caller so far
	Visited []string  // the services reached so far, by name, 16 at most
	Dropped uint64    // for Ended: characters of the caller's that are no bytes

	Keys     uint64  // that the caller has pressed so far
	Identity [3]byte // who the terminal has said it is, zero until it has
	Asked    bool    // it was asked that
}

// EventType names what happened. Per call: Began, then any number of
// Redirecting (Redirected) Returned, with Waiting where
// the portal is lost, then Ended. A caller who leaves during a
// visit is Ended without Returned.
type EventType string

const (
	Began       EventType = "began"
	Redirecting EventType = "redirecting" // the service is being dialled
	Redirected  EventType = "redirected"  // the service has the keyboard
	Returned    EventType = "returned"    // the portal has it again
	Waiting     EventType = "waiting"     // the portal is away; during a visit nobody waits for it yet
	Ended       EventType = "ended"

	// To a portal on its own the calls of its own house are not all: it is the
	// gateway behind a caller that redirects, and this is told of it.
	Linked   EventType = "linked"   // a gateway introduced the caller and takes orders; Caller is the true one
	Unlinked EventType = "unlinked" // it takes orders no more
)

// A Reason says why a visit or a call ended.
type Reason string

// Why a visit ends, and the call goes on.
const (
	ReasonFin       Reason = "fin"       // the caller pressed Connexion/Fin
	ReasonRecalled  Reason = "recalled"  // an operator or the portal asked for it
	ReasonClosed    Reason = "closed"    // the service closed in good order
	ReasonLost      Reason = "lost"      // the connection to the service broke
	ReasonRefused   Reason = "refused"   // the service could not be reached
	ReasonTimeout   Reason = "timeout"   // the service did not answer the dial in time
	ReasonForbidden Reason = "forbidden" // callers may not be sent there
	ReasonStalled   Reason = "stalled"   // the service takes no more keys
	ReasonVisit     Reason = "visit"     // the time of one visit is over
)

// Why a call ends. Fin, recalled and stalled happen here too.
const (
	ReasonGone     Reason = "gone"     // the caller hung up
	ReasonDropped  Reason = "dropped"  // the caller's connection broke
	ReasonSlow     Reason = "slow"     // the caller took no output for too long
	ReasonSilent   Reason = "silent"   // the caller left pings unanswered
	ReasonIdle     Reason = "idle"     // no key for too long
	ReasonTotal    Reason = "total"    // the time of one call is over
	ReasonHangup   Reason = "hangup"   // the portal hung up
	ReasonNoPortal Reason = "noportal" // the portal stayed away for too long
	ReasonBanned   Reason = "banned"   // the caller is not let in any more
	ReasonForeign  Reason = "foreign"  // the caller speaks another protocol: no terminal calls
	ReasonShutdown Reason = "shutdown" // the gateway stops
)

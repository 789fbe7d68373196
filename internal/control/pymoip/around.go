package pymoip

import "moip/internal/session"

// An around is an Endpoint around another one, and offers what that does.
type around struct{ session.Endpoint }

// Attend and Sleep are those of a session.Sleeper, if it is one.
func (a around) Attend(wake func()) bool {
	e, ok := a.Endpoint.(session.Sleeper)
	return ok && e.Attend(wake)
}

func (a around) Sleep() bool { return a.Endpoint.(session.Sleeper).Sleep() }

// Tap has t told of what passes on the wire, if there is one.
func (a around) Tap(t session.Tap) {
	if e, ok := a.Endpoint.(interface{ Tap(session.Tap) }); ok {
		e.Tap(t)
	}
}

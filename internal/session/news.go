package session

// A teller is a caller's Endpoint that shows, beside the screen, what becomes of
// the call. Tell is to an event what Send is to bytes. That the call has Ended it
// hears before the farewell, and then of the Reason alone. Waiting it hears when
// the caller is shown that the portal is away, and Returned, from no service,
// when it is there again.
type teller interface{ Tell(Event) (kept bool) }

// note keeps e for the caller's end, if that wants news. Only the newest waits.
func (c *Call) note(e Event) {
	if c.caller == nil || c.caller.gone {
		return
	}
	if _, ok := c.caller.end.(teller); ok {
		news := e // or each event were on the heap, for nobody
		c.news = &news
	}
}

// tell tells the caller's end the news, unless its line is full.
func (c *Call) tell() {
	if c.news == nil || c.caller.busy || c.caller.gone {
		return
	}
	if c.caller.end.(teller).Tell(*c.news) {
		c.flush(c.caller)
	}
	c.news = nil
}

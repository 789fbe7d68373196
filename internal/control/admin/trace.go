package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"moip/internal/trace"
)

// A TraceLine is a line of a trace.
type TraceLine trace.Entry

// trace tells what passes on the lines of calls, as server-sent events, until the one
// that is meant ends.
func (d desk) trace(w http.ResponseWriter, r *http.Request) {
	t, err := d.tracer(r)
	if err != nil {
		fail(w, status(err), err)
		return
	}
	defer t.Close()
	out := newStream(w)
	for going := true; going; {
		ctx, stop := context.WithTimeout(r.Context(), quietTime)
		all, err := t.Next(ctx)
		stop()
		for _, e := range all {
			if !out.tell("", TraceLine(e)) {
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			out.tell("", TraceLine{Over: true})
			return
		case r.Context().Err() != nil:
			return
		default:
			going = out.comment("nothing new")
		}
	}
}

// tracer begins the trace that is asked for.
func (d desk) tracer(r *http.Request) (*trace.Tracer, error) {
	var o trace.Options
	q := r.URL.Query()
	for name := range q {
		if name != "of" && name != "leg" && name != "raw" {
			return nil, faulty("%.20q is nothing to say of a trace (use of, leg or raw)", name)
		}
	}
	var err error
	if o.Target, err = trace.ParseTarget(q.Get("of")); err != nil {
		return nil, fault{err}
	}
	if o.Legs, err = trace.ParseLegs(q.Get("leg")); err != nil {
		return nil, fault{err}
	}
	switch raw := q.Get("raw"); raw {
	case "", "false", "true":
		o.Raw = raw == "true"
	default:
		return nil, faulty("%.20q does not say if bytes are told (use raw=true)", raw)
	}
	if id := o.Target.Call(); id != 0 {
		if _, err := d.Board.Info(id); err != nil {
			return nil, err
		}
	}
	return d.Traces.Follow(o)
}

// Trace tells what passes on the lines of calls, which q names, until the call that is
// meant is over, ctx is done or tell fails, whose error it returns.
func (c *Client) Trace(ctx context.Context, q url.Values, tell func(trace.Entry) error) error {
	over := false
	err := c.stream(ctx, "/trace?"+q.Encode(), "", func(_ string, data []byte) error {
		var line TraceLine
		if err := json.Unmarshal(data, &line); err != nil {
			return err
		}
		if over = line.Over; over {
			return nil
		}
		return tell(trace.Entry(line))
	})
	switch {
	case ctx.Err() != nil, over:
		return nil
	case err != nil:
		return err
	}
	return io.ErrUnexpectedEOF
}

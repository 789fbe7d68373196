package main

import (
	"context"
	"io"
	"net/url"
	"strconv"

	"moip/internal/trace"
)

type ctlTrace struct {
	Of  string `arg:"" name:"id|addr" help:"The number of a call, of another gateway of the hub as paris-42, or an address or a network from which calls come."`
	Leg string `default:"all" help:"What passes with caller, portal, service or all." placeholder:"LEG"`
	Raw bool   `help:"Bytes in hexadecimals, too."`
	atGateway
}

func (o ctlTrace) Run(ctx context.Context, c *ctl, out io.Writer) error {
	if _, err := trace.ParseTarget(o.Of); err != nil && !isCall(o.Of) {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	q := url.Values{"of": {o.Of}, "leg": {o.Leg}, "raw": {strconv.FormatBool(o.Raw)}}
	if o.Gateway != "" {
		q.Set("gateway", o.Gateway)
	}
	return c.client().Trace(ctx, q, func(e trace.Entry) error {
		if c.JSON {
			return printJSON(out, e, false)
		}
		_, err := printf(out, "%s\n", e.Line(!isCall(o.Of)))
		return err
	})
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"moip/internal/control/admin"
	"moip/internal/history"
	"moip/internal/tariff"
)

type ctlHistory struct {
	ofGateways
	Since     string `help:"Calls that began then or later: 2026-11-23T20:15:00+01:00, or how long ago, as in 90m, 24h or 7d." placeholder:"WHEN"`
	Until     string `help:"Calls that began earlier; written as --since." placeholder:"WHEN"`
	From      string `help:"Calls from an address, or a network, as in 192.0.2.0/24." placeholder:"NETWORK"`
	Service   string `help:"Calls that visited a service." placeholder:"CODE"`
	Transport string `help:"Calls that came by ws, telnet or tcp, with TLS wss, telnets or tcps, or by serial." placeholder:"NAME"`
	Reason    string `help:"Calls that ended for a reason: gone, fin, idle and so on." placeholder:"NAME"`
	Limit     int    `default:"100" help:"How many calls, the newest; 0 for all. If not given, 100." placeholder:"N"`
	Lines     bool   `xor:"how" help:"Print a line of JSON for each call."`
	Totals    bool   `xor:"how" help:"Print how many calls there were, how long they lasted, and what services cost, whatever the limit."`
}

func (o ctlHistory) Run(ctx context.Context, c *ctl, out io.Writer) error {
	values := url.Values{}
	for name, value := range map[string]string{
		"since": o.Since, "until": o.Until, "from": o.From, "service": o.Service, "transport": o.Transport, "reason": o.Reason, "gateway": o.Gateway,
	} {
		if value != "" {
			values.Set(name, value)
		}
	}
	switch {
	case o.Limit < 0:
		return fmt.Errorf("--limit: %d is less than none (0 is for all)", o.Limit)
	case o.Totals:
		return do(ctx, c, out, "GET", "/history/totals?"+values.Encode(), nil, func(t admin.Totals) error {
			defer c.tellMissing(t.Asked)
			return showTotals(out, t)
		})
	case o.Lines:
		asked, err := o.pages(ctx, c, values, func(page []admin.Record) error {
			for _, r := range page {
				if err := printJSON(out, r, false); err != nil {
					return err
				}
			}
			return nil
		})
		c.tellMissing(asked)
		return err
	}
	all := admin.History{Records: []admin.Record{}}
	var err error
	if all.Asked, err = o.pages(ctx, c, values, func(page []admin.Record) error {
		all.Records = append(all.Records, page...)
		return nil
	}); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, all, true)
	}
	defer c.tellMissing(all.Asked)
	return showHistory(out, all)
}

// pages asks for as many records as are wanted. It returns who has answered, and who was
// missing on any page.
func (o ctlHistory) pages(ctx context.Context, c *ctl, values url.Values, show func([]admin.Record) error) (asked admin.Asked, err error) {
	client := c.client()
	for left := cmp.Or(o.Limit, 1<<30); left > 0; {
		values.Set("limit", strconv.Itoa(min(left, history.MaxRecords)))
		var page admin.History
		if err := client.Do(ctx, "GET", "/history?"+values.Encode(), nil, &page); err != nil {
			return asked, err
		}
		asked.Gateways = page.Gateways
		for _, m := range page.Missing {
			if !slices.ContainsFunc(asked.Missing, func(known admin.Missing) bool { return known.Gateway == m.Gateway }) {
				asked.Missing = append(asked.Missing, m)
			}
		}
		if err := show(page.Records); err != nil || page.Next == 0 {
			return asked, err
		}
		values.Set("before", strconv.FormatInt(page.Next, 10))
		left -= len(page.Records)
	}
	return asked, nil
}

func showHistory(out io.Writer, all admin.History) error {
	table := newHubTable(out, all.Asked, "CALL\tFROM\tBY\tBEGAN\tLASTED\tVISITS\tCOST\tREASON")
	for _, r := range all.Records {
		fmt.Fprint(table, table.call(r.Gateway, r.Call))
		printf(table, "\t%s\t%s\t%s\t%v\t%s\t%s\t%s\n", cmp.Or(r.Address, "-"), r.Transport,
			r.Began.Local().Format(time.DateTime), r.Ended.Sub(r.Began).Round(time.Second), visited(r.Record), paid(r.Cost), r.Reason)
	}
	return table.Flush()
}

// visited names the services of a call, some of them if they are many.
func visited(r history.Record) string {
	const most = 4
	var names []string
	for _, v := range r.Visits[:min(len(r.Visits), most)] {
		names = append(names, v.Service)
	}
	if more := len(r.Visits) + r.More - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return cmp.Or(strings.Join(names, ", "), "-")
}

// paid is a sum as the French write it, "-" if nobody has counted.
func paid(costs map[string]tariff.Money) string {
	var sum tariff.Sum
	for _, currency := range slices.Sorted(maps.Keys(costs)) {
		sum.Add(costs[currency], currency)
	}
	if len(costs) == 0 {
		return "-"
	}
	return sum.String()
}

func showTotals(out io.Writer, t admin.Totals) error {
	printf(out, "calls: %d, %s, bytes: %d in, %d out\n", t.Calls, hours(t.Seconds), t.In, t.Out)
	table := newTable(out)
	fmt.Fprintln(table, "SERVICE\tVISITS\tFOR\tCOST")
	for _, s := range t.Services {
		cost := "-"
		if s.Currency != "" {
			cost = s.Cost.Format(s.Currency)
		}
		printf(table, "%s\t%d\t%s\t%s\n", s.Service, s.Visits, hours(s.Seconds), cost)
	}
	return table.Flush()
}

func hours(seconds int64) string { return fmt.Sprintf("%dh%02dm", seconds/3600, seconds/60%60) }

package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"moip/internal/control/admin"
	"moip/internal/memory"
)

type ctlLimits struct{ atGateway }

func (o ctlLimits) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "GET", "/limits"+o.query(), nil, func(l admin.Limits) error {
		table := newTable(out)
		r := l.Rules
		printf(table, "calls\t%d of %s, %s of a household, %s of a network\n",
			l.Calls, limitOf(r.Calls), limitOf(r.HouseholdCalls), limitOf(r.NetworkCalls))
		if h := l.Hub; h != nil {
			printf(table, "calls of the hub\t%d of %s, as told by %d gateways\n", h.Calls, limitOf(h.Most), h.Gateways)
		}
		printf(table, "new calls a second\t%s, %s of a household\n", limitOf(r.NewCalls), limitOf(r.HouseholdNewCalls))
		printf(table, "connections arriving\t%d of %s, %s of a household\n", l.Arriving, limitOf(r.Arriving), limitOf(r.HouseholdArriving))
		printf(table, "memory\t%s\n", memoryOf(l.Memory))
		if len(l.Busiest) > 0 {
			fmt.Fprintln(table, "\nMOST CALLS\tOF")
		}
		for _, s := range l.Busiest {
			elsewhere := ""
			if s.Abroad > 0 {
				elsewhere = fmt.Sprintf(", and %d elsewhere", s.Abroad)
			}
			printf(table, "%d\t%s%s\n", s.Calls, s.Of, elsewhere)
		}
		if len(l.Refused) > 0 {
			fmt.Fprintln(table, "\nREFUSED\tBY\tREASON")
		}
		for _, f := range l.Refused {
			printf(table, "%d\t%s\t%s\n", f.Times, f.Transport, f.Reason)
		}
		return table.Flush()
	})
}

// limitOf shows a limit, of which 0 is none.
func limitOf(n int) string {
	if n == 0 {
		return "any number"
	}
	return strconv.Itoa(n)
}

// memoryOf shows how much is needed of how much.
func memoryOf(u memory.Usage) string {
	if u.Most == 0 {
		return fmt.Sprintf("%d MiB of any", u.Taken>>20)
	}
	return fmt.Sprintf("%d MiB of %d, by %s", u.Taken>>20, u.Most>>20, u.By)
}

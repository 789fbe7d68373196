package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"moip/internal/control/admin"
	"moip/internal/policy/ban"
	"moip/internal/policy/shield"
)

type ctlShield struct {
	List    ctlShieldList    `cmd:"" default:"1" help:"List what the shield has seen, and whom it slows or bans; ctl shield does, too."`
	Forgive ctlShieldForgive `cmd:"" help:"Forget what speaks against an address, and end the ban that the shield has put on it."`
}

type ctlShieldList struct{ atGateway }

func (o ctlShieldList) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "GET", "/shield"+o.query(), nil, func(all admin.Shield) error {
		printf(out, "mode %s, households: %d\n", all.Mode, all.Known)
		if all.Known == 0 {
			return nil
		}
		table := newTable(out)
		fmt.Fprintln(table, "HOUSEHOLD\tSCORE\tTRUST\tSTATE\tUNTIL\tEVIDENCE")
		for _, h := range all.Households {
			until := "-"
			if !h.Until.IsZero() {
				until = h.Until.Local().Format(time.DateTime)
			}
			printf(table, "%s\t%.1f\t%.1f\t%s\t%s\t%s\n", ban.Name(h.Network), h.Score, h.Trust, h.State, until, evidence(h))
		}
		return table.Flush()
	})
}

// evidence tells what was seen, the most frequent first.
func evidence(h admin.Household) string {
	var said []string
	kinds := slices.Sorted(maps.Keys(h.Evidence))
	slices.SortStableFunc(kinds, func(a, b shield.Kind) int { return h.Evidence[b] - h.Evidence[a] })
	for _, k := range kinds {
		said = append(said, fmt.Sprintf("%s %d", k, h.Evidence[k]))
	}
	return strings.Join(said, ", ")
}

type ctlShieldForgive struct {
	Address string `arg:"" help:"An address; of IPv6, all its /64 is forgiven."`
}

func (o ctlShieldForgive) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "DELETE", "/shield/"+url.PathEscape(o.Address), nil, nothing)
}

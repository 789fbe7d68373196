package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"moip/internal/control/admin"
)

type ctlGateways struct{}

func (ctlGateways) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "GET", "/gateways", nil, func(all admin.Gateways) error {
		table := newTable(out)
		fmt.Fprintln(table, "GATEWAY\tSTATE\tCALLS\tVERSION\tCONFIG\tBEGAN\tHEARD\tCLOCK")
		for _, g := range all.Gateways {
			printf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", gatewayName(g), gatewayState(g), gatewayCalls(g), orDash(g.Version), orDash(g.Config),
				g.Began.Local().Format(time.DateTime), gatewayHeard(g), gatewayClock(g))
		}
		if err := table.Flush(); err != nil {
			return err
		}
		for _, line := range gatewayNotes(all) {
			printf(out, "%s\n", line)
		}
		return nil
	})
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func gatewayName(g admin.Gateway) string {
	if g.Self {
		return g.Name + " *"
	}
	return g.Name
}

func gatewayState(g admin.Gateway) string {
	if g.Silent {
		return "silent, was " + g.State
	}
	return g.State
}

func gatewayCalls(g admin.Gateway) string {
	if g.MaxCalls == 0 {
		return fmt.Sprint(g.Calls)
	}
	return fmt.Sprintf("%d of %d", g.Calls, g.MaxCalls)
}

// gatewayHeard tells when a gateway was last heard that is not heard now.
func gatewayHeard(g admin.Gateway) string {
	if !g.Silent {
		return "now"
	}
	return g.Heard.Local().Format(time.DateTime)
}

// gatewayClock tells how far the clock of a gateway is ahead, if that is to be noticed.
func gatewayClock(g admin.Gateway) string {
	skew := time.Duration(g.Skew) * time.Millisecond
	if skew.Abs() < time.Second {
		return "-"
	}
	return fmt.Sprintf("%+.1fs", skew.Seconds())
}

// gatewayNotes tells of what is wrong, or differs.
func gatewayNotes(all admin.Gateways) (notes []string) {
	if b := all.Bus; b != nil && !b.Up {
		notes = append(notes, fmt.Sprintf("the bus at %s is down since %s: %s", b.At, b.Since.Local().Format(time.DateTime), b.Why))
	}
	for _, g := range all.Gateways {
		if g.Fault != "" {
			notes = append(notes, fmt.Sprintf("%s on %s: %s", g.Name, orDash(g.Host), g.Fault))
		}
	}
	notes = append(notes, differing("versions", all.Gateways, func(g admin.Gateway) string { return g.Version })...)
	return append(notes, differing("configurations", all.Gateways, func(g admin.Gateway) string { return g.Config })...)
}

// differing tells of gateways that run and have not all the same of something.
func differing(what string, all []admin.Gateway, of func(admin.Gateway) string) []string {
	by := map[string][]string{}
	var order []string
	for _, g := range all {
		if g.Silent || g.State != "running" || of(g) == "" {
			continue
		}
		if by[of(g)] == nil {
			order = append(order, of(g))
		}
		by[of(g)] = append(by[of(g)], g.Name)
	}
	if len(order) < 2 {
		return nil
	}
	slices.SortStableFunc(order, func(a, b string) int { return len(by[b]) - len(by[a]) })
	var parts []string
	for _, v := range order {
		parts = append(parts, fmt.Sprintf("%s (%s)", v, strings.Join(by[v], ", ")))
	}
	return []string{what + " differ: " + strings.Join(parts, ", ")}
}

type ctlForget struct {
	Name string `arg:"" help:"What the gateway was called."`
}

func (o ctlForget) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "DELETE", "/gateways/"+url.PathEscape(o.Name), nil, nothing)
}

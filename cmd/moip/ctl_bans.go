package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"moip/internal/control/admin"
	"moip/internal/policy"
	"moip/internal/policy/ban"
)

type ctlBans struct {
	List   ctlBansList   `cmd:"" default:"1" help:"List who is kept out; ctl bans does, too."`
	Import ctlBansImport `cmd:"" help:"Take over PyMoIP's banned.json, or the bans.json of another gateway."`
}

type ctlBansList struct{}

func (ctlBansList) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "GET", "/bans", nil, func(all admin.Bans) error {
		table := newTable(out)
		hub := slices.ContainsFunc(all.Bans, func(b ban.Ban) bool { return b.Gateway != "" })
		row := func(network, by, gateway, since, until, reason string) {
			printf(table, "%s\t%s\t", network, by)
			if hub {
				printf(table, "%s\t", cmp.Or(gateway, "-"))
			}
			printf(table, "%s\t%s\t%s\n", since, until, cmp.Or(reason, "-"))
		}
		row("NETWORK", "BY", "GATEWAY", "SINCE", "UNTIL", "REASON")
		for _, b := range all.Bans {
			row(ban.Name(b.Network), string(b.By), b.Gateway, b.Since.Local().Format(time.DateTime), until(b), b.Reason)
		}
		return table.Flush()
	})
}

func until(b admin.Ban) string {
	if b.Until.IsZero() {
		return "for ever"
	}
	return b.Until.Local().Format(time.DateTime)
}

type ctlBan struct {
	Network string `arg:"" optional:"" help:"An address or a network: 192.0.2.1, 192.0.2.0/24, 2001:db8::/64."`
	Call    callID `help:"In place of a network, the address of this call; of IPv6 its /64, since one machine has all of it." placeholder:"ID"`
	For     string `help:"How long, as in 90m, 24h or 7d; for ever if not given." placeholder:"TIME"`
	Reason  string `help:"A line for operators; callers are not told." placeholder:"TEXT"`
	Now     bool   `help:"End the calls from there, too, with a word."`
}

func (o ctlBan) Run(ctx context.Context, c *ctl, out io.Writer) error {
	if (o.Network == "") == (o.Call == "") {
		return errors.New("name a network, or a call by --call ID")
	}
	order := admin.BanOrder{Network: o.Network, Reason: o.Reason, For: o.For, HangUp: o.Now}
	if o.Call != "" {
		var err error
		if order.Network, err = householdOf(ctx, c, o.Call); err != nil {
			return err
		}
	}
	return do(ctx, c, out, "POST", "/bans", order, func(b admin.Banned) error {
		how := until(b.Ban)
		if !b.Ban.Until.IsZero() {
			how = "until " + how
		}
		printf(out, "%s is kept out %s", ban.Name(b.Ban.Network), how)
		if o.Now {
			printf(out, ", calls ended: %d", b.HungUp)
			if b.Ban.Gateway != "" {
				printf(out, " of %s, and those of other gateways", b.Ban.Gateway)
			}
		}
		_, err := fmt.Fprintln(out)
		return err
	})
}

// householdOf returns where a call comes from.
func householdOf(ctx context.Context, c *ctl, id callID) (string, error) {
	var call admin.Call
	if err := c.client().Do(ctx, "GET", id.path(""), nil, &call); err != nil {
		return "", err
	}
	from, err := netip.ParseAddrPort(call.Address)
	if err != nil {
		return "", fmt.Errorf("call %s comes by %s and has no address", id, call.Transport)
	}
	return policy.Household(from.Addr()).String(), nil
}

type ctlUnban struct {
	Network string `arg:"" help:"An address or a network, as it was banned."`
}

func (o ctlUnban) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "DELETE", "/bans/"+url.PathEscape(o.Network), nil, nothing)
}

type ctlBansImport struct {
	File string `arg:"" help:"The file. Of PyMoIP's neverbanned.json it shows what to write into the configuration."`
}

func (o ctlBansImport) Run(ctx context.Context, c *ctl, out io.Writer) error {
	bans, never, err := o.read()
	if err != nil {
		return err
	}
	if len(never) > 0 {
		return o.advise(c, out, never)
	}
	told := admin.Imported{Refused: []string{}}
	for part := range parts(bans) {
		var some admin.Imported
		if err := c.client().Do(ctx, "POST", "/bans/import", admin.BanImport{Bans: part}, &some); err != nil {
			return err
		}
		told.Banned += some.Banned
		told.Expired += some.Expired
		told.Refused = append(told.Refused, some.Refused...)
	}
	if c.JSON {
		return printJSON(out, told, false)
	}
	printf(out, "kept out: %d, run out: %d, refused: %d\n", told.Banned, told.Expired, len(told.Refused))
	for _, why := range told.Refused {
		printf(out, "  %s\n", why)
	}
	return nil
}

// read reads a file of PyMoIP's, or of ours.
func (o ctlBansImport) read() ([]ban.Ban, []ban.Exempt, error) {
	data, err := os.ReadFile(o.File)
	if err != nil {
		return nil, nil, err
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		table, err := ban.Load(o.File)
		return slices.Collect(table.All(time.Now())), nil, err
	}
	bans, never, err := ban.ReadPyMoIP(data, time.Local)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", o.File, err)
	}
	return bans, never, nil
}

// advise shows what makes never-banned addresses so here. That is the configuration's
// to say, which nobody but its owner writes.
func (o ctlBansImport) advise(c *ctl, out io.Writer, never []ban.Exempt) error {
	if c.JSON {
		return printJSON(out, never, false)
	}
	printf(out, "%s lists who is never banned. Add these to never in [bans] of the configuration:\n", o.File)
	for _, n := range never {
		line := strconv.Quote(n.Network) + ","
		if n.Label != "" {
			line += " # " + strconv.Quote(n.Label)
		}
		fmt.Fprintln(out, "    "+line)
	}
	return nil
}

// parts divides bans into what requests can hold: 16 MiB.
func parts(bans []ban.Ban) func(func([]ban.Ban) bool) {
	const most = 15 << 20
	return func(yield func([]ban.Ban) bool) {
		for len(bans) > 0 {
			n, size := 0, 0
			for n < len(bans) && size < most {
				line, _ := json.Marshal(bans[n]) // was JSON before
				size += len(line) + 1
				n++
			}
			if !yield(bans[:n]) {
				return
			}
			bans = bans[n:]
		}
	}
}

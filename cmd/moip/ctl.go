package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"moip/internal/certificate"
	"moip/internal/control/admin"
	"moip/internal/policy/token"
)

// ctl is what operators say to a gateway that runs. It is described in
// doc/operators.md.
type ctl struct {
	Admin string `default:"${admin}" env:"MOIP_ADMIN" help:"The gateway's address for operators; ${admin} if not given." placeholder:"ADDR"`
	CA    string `name:"ca" env:"MOIP_ADMIN_CA" help:"A file of authorities, in PEM, by which a gateway at https:// is known, instead of the system's." placeholder:"FILE"`
	Cert  string `env:"MOIP_ADMIN_CERT" help:"A file with a certificate of yours, in PEM, to show to such a gateway." placeholder:"FILE"`
	Key   string `env:"MOIP_ADMIN_KEY" help:"The file of its key; if not given, that of the certificate." placeholder:"FILE"`
	Token string `name:"token-file" env:"MOIP_ADMIN_TOKEN_FILE" help:"A file with the operator's token, where one is needed; or have the token itself in MOIP_ADMIN_TOKEN." placeholder:"FILE"`
	JSON  bool   `name:"json" help:"Print what the gateway answers, for programs."`

	beside io.Writer // for what is no part of an answer

	Calls     ctlCalls     `cmd:"" help:"List the calls under way."`
	Call      ctlCall      `cmd:"" help:"Tell all about a call."`
	Screen    ctlScreen    `cmd:"" help:"Show what a caller sees."`
	Hangup    ctlHangup    `cmd:"" help:"End a call, with a word to the caller."`
	Message   ctlMessage   `cmd:"" help:"Show a text on row 00 of a caller, or of all."`
	Redirect  ctlRedirect  `cmd:"" help:"Put a caller through to a service."`
	Recall    ctlRecall    `cmd:"" help:"Give a caller back to the portal."`
	Directory ctlDirectory `cmd:"" help:"List the services of the directory, and which are open."`
	Link      ctlLink      `cmd:"" help:"Tell of the control link to the portal."`
	LogLevel  ctlLogLevel  `cmd:"" help:"Tell the least that is logged, or change it."`
	Events    ctlEvents    `cmd:"" help:"Tell what happens to calls, as it happens."`
	State     ctlState     `cmd:"" help:"Tell how the gateway is."`
	Gateways  ctlGateways  `cmd:"" help:"List the gateways of the hub, how each is, and what is wrong."`
	Forget    ctlForget    `cmd:"" help:"Have all gateways forget one that is silent."`
	Limits    ctlLimits    `cmd:"" help:"Tell how many may come and how fast, who has most calls, and who was refused."`
	Config    ctlConfig    `cmd:"" help:"Show the configuration in force."`
	Reload    ctlReload    `cmd:"" help:"Have the configuration read anew; no call is cut."`
	Drain     ctlDrain     `cmd:"" help:"Take no more calls, and end the gateway when the last is over."`
	Upgrade   ctlUpgrade   `cmd:"" help:"Start the program anew, and have it take all calls from now on; nobody is refused."`
	History   ctlHistory   `cmd:"" help:"Tell of calls that have ended, the newest first."`
	Trace     ctlTrace     `cmd:"" help:"Tell what passes on the lines of a call, or of all from an address."`
	Record    ctlRecord    `cmd:"" help:"Record a call from now on, or no more."`
	Ban       ctlBan       `cmd:"" help:"Let no callers in from an address or a network."`
	Unban     ctlUnban     `cmd:"" help:"Let them in again."`
	Bans      ctlBans      `cmd:"" help:"List who is kept out, or import such a list."`
	Shield    ctlShield    `cmd:"" help:"List who calls as scanners do, or forgive an address."`
}

func (c *ctl) client() *admin.Client {
	client := admin.NewClient(c.Admin)
	client.TLS, client.Token = c.tls, c.token
	return client
}

// tls returns how a gateway is known, and how we are.
func (c *ctl) tls() (config *tls.Config, err error) {
	config = new(tls.Config)
	if config.RootCAs, err = certificate.Authorities(c.CA); err != nil {
		return nil, err
	}
	if c.Cert == "" {
		return config, nil
	}
	own, err := certificate.Load(certificate.Pair{Cert: c.Cert, Key: cmp.Or(c.Key, c.Cert)})
	if err != nil {
		return nil, err
	}
	config.Certificates = []tls.Certificate{*own}
	return config, nil
}

// token returns the operator's token, if there is one. It is no flag, as all users of the
// machine see the flags of a process.
func (c *ctl) token() (token.Token, error) {
	if c.Token != "" {
		return token.ReadOne(c.Token)
	}
	text := os.Getenv("MOIP_ADMIN_TOKEN")
	if text == "" {
		return token.Token{}, nil
	}
	t, err := token.Parse(text)
	if err != nil {
		return token.Token{}, fmt.Errorf("MOIP_ADMIN_TOKEN: %w", err)
	}
	return t, nil
}

// do performs an operation, and shows what it tells by show, or as JSON.
func do[T any](ctx context.Context, c *ctl, out io.Writer, method, path string, in any, show func(T) error) error {
	var told T
	client := c.client()
	if show == nil {
		return client.Do(ctx, method, path, in, nil)
	}
	if err := client.Do(ctx, method, path, in, &told); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, told, true)
	}
	return show(told)
}

// nothing is what most orders tell.
var nothing func(struct{}) error

type ctlCalls struct {
	ofGateways
	State   string `help:"Those at portal, dialing, at service or over." placeholder:"STATE"`
	Service string `help:"Those at a service, or on the way there." placeholder:"CODE"`
	By      string `help:"Those by ws, telnet or tcp, with TLS wss, telnets or tcps, or by serial." placeholder:"TRANSPORT"`
	From    string `help:"Those from an address, or a network as 192.0.2.0/24." placeholder:"ADDR"`
}

func (o ctlCalls) Run(ctx context.Context, c *ctl, out io.Writer) error {
	wanted := query("state", o.State, "service", o.Service, "transport", o.By, "from", o.From, "gateway", o.Gateway)
	return do(ctx, c, out, "GET", "/calls"+wanted, nil, func(all admin.Calls) error {
		table := newHubTable(out, all.Asked, "CALL\tFROM\tBY\tFOR\tAT\tTERMINAL\tIN\tOUT\t")
		for _, call := range all.Calls {
			fmt.Fprint(table, table.call(call.Gateway, call.ID))
			printf(table, "\t%s\t%s\t%v\t%s\t%s\t%d\t%d\t%s\n", call.Address, call.Transport,
				time.Since(call.Began).Round(time.Second), place(call), cmp.Or(call.Terminal, "-"), call.In, call.Out, recordedMark(call))
		}
		defer c.tellMissing(all.Asked)
		return table.Flush()
	})
}

// query returns what is asked for, as pairs of name and value, without what is empty.
func query(pairs ...string) string {
	q := url.Values{}
	for ; len(pairs) > 0; pairs = pairs[2:] {
		if pairs[1] != "" {
			q.Set(pairs[0], pairs[1])
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// place tells where a caller is.
func place(c admin.Call) string {
	switch {
	case c.State == "dialing":
		return "→ " + c.Service
	case c.Service != "":
		return c.Service
	case c.State == "at portal":
		return "portal"
	}
	return c.State
}

func recordedMark(c admin.Call) string {
	if c.Recorded {
		return "recorded"
	}
	return ""
}

type ctlCall struct {
	ID callID `arg:"" help:"The number of the call; of another gateway of the hub, as in paris-42."`
}

func (o ctlCall) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "GET", o.ID.path(""), nil, func(call admin.Call) error {
		table := newTable(out)
		printf(table, "call\t%d\nfrom\t%s by %s\nbegan\t%s, %v ago\nat\t%s\nterminal\t%s\nbytes\t%d in, %d out\nkeys\t%d\n",
			call.ID, call.Address, call.Transport, call.Began.Local().Format(time.DateTime),
			time.Since(call.Began).Round(time.Second), place(call), cmp.Or(call.Terminal, "-"), call.In, call.Out, call.Keys)
		if call.Speed > 0 {
			printf(table, "line\t%d bit/s\n", call.Speed)
		}
		if call.Recorded {
			printf(table, "recorded\tyes\n")
		}
		for _, name := range slices.Sorted(maps.Keys(call.Facts)) {
			printf(table, "%s\t%q\n", name, call.Facts[name])
		}
		return table.Flush()
	})
}

type ctlHangup struct {
	ID callID `arg:"" help:"The number of the call; of another gateway of the hub, as in paris-42."`
}

func (o ctlHangup) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "DELETE", o.ID.path(""), nil, nothing)
}

type ctlMessage struct {
	To      string   `arg:"" help:"The number of the call, of another gateway as paris-42, or all."`
	Text    []string `arg:"" optional:"" help:"The text, 33 columns at the most; without it, row 00 is cleared."`
	Gateway string   `help:"To all callers of one gateway of the hub alone." placeholder:"NAME"`
}

func (o ctlMessage) Run(ctx context.Context, c *ctl, out io.Writer) error {
	message := admin.Message{Text: strings.Join(o.Text, " ")}
	if o.To == "all" {
		return do(ctx, c, out, "POST", "/calls/message"+query("gateway", o.Gateway), message, func(t admin.Told) error {
			_, err := printf(out, "told: %d\n", t.Told)
			c.tellMissing(t.Asked)
			return err
		})
	}
	if !isCall(o.To) {
		return fmt.Errorf("%.40q is neither the number of a call nor all", o.To)
	}
	return do(ctx, c, out, "POST", callID(o.To).path("/message"), message, nothing)
}

type ctlRedirect struct {
	ID callID `arg:"" help:"The number of the call; of another gateway of the hub, as in paris-42."`
	To string `arg:"" help:"The code of a service, or a ws, wss, telnet, telnets, tcp or tcps URL."`
}

func (o ctlRedirect) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "POST", o.ID.path("/redirect"), admin.Redirection{To: o.To}, nothing)
}

type ctlRecall struct {
	ID callID `arg:"" help:"The number of the call; of another gateway of the hub, as in paris-42."`
}

func (o ctlRecall) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "POST", o.ID.path("/recall"), nil, nothing)
}

type ctlRecord struct {
	ID  callID `arg:"" help:"The number of the call; of another gateway of the hub, as in paris-42."`
	Off bool   `help:"No more."`
}

func (o ctlRecord) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "PUT", o.ID.path("/recording"), admin.Recording{On: !o.Off}, nothing)
}

type ctlEvents struct {
	Gateway string `help:"Of one gateway of the hub alone." placeholder:"NAME"`
}

func (o ctlEvents) Run(ctx context.Context, c *ctl, out io.Writer) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	return c.client().FollowGateway(ctx, o.Gateway, func(e admin.Event) error {
		if c.JSON {
			return printJSON(out, e, false)
		}
		_, err := printf(out, "%s\n", eventLine(e))
		return err
	})
}

// eventLine tells of an event in a line. A call of a hub has its gateway's name before it.
func eventLine(e admin.Event) string {
	at, call := e.At.Local().Format("15:04:05.000"), fmt.Sprint(e.Call)
	gateway, of := "the gateway", ""
	if e.Gateway != "" {
		call = e.Gateway + "-" + call
		gateway, of = e.Gateway, " at "+e.Gateway
	}
	line := fmt.Sprintf("%s  call %s  %s", at, call, e.Type)
	switch {
	case e.Call == 0 && e.Lost > 0:
		return fmt.Sprintf("%s  %d events%s were missed", at, e.Lost, of)
	case e.Type == "refused":
		return fmt.Sprintf("%s  refused%s  from %s by %s  %s, %d since last told", at, of, e.From, e.By, e.Reason, e.Refused)
	case e.Call == 0:
		return fmt.Sprintf("%s  %s was started anew; events may have been missed", at, gateway)
	case e.Type == "began":
		line += fmt.Sprintf("  from %s by %s", e.From, e.By)
	}
	for _, part := range []string{e.Service, e.Reason, e.Error} {
		if part != "" {
			line += "  " + part
		}
	}
	return line
}

type ctlDirectory struct{ atGateway }

func (o ctlDirectory) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "GET", "/services"+o.query(), nil, func(all admin.Services) error {
		table := newTable(out)
		fmt.Fprintln(table, "CODE\tTITLE\tPALIER\tSTATE\tURL")
		for _, s := range all.Services {
			state := s.State
			if s.State == "closed" {
				state += " since " + s.Since.Local().Format(time.DateTime)
			}
			if s.By != "" {
				state += ", says " + s.By
			}
			printf(table, "%s\t%s\t%s\t%s\t%s\n", s.Code, s.Title, cmp.Or(s.Palier, "-"), state, s.URL)
		}
		return table.Flush()
	})
}

type ctlLink struct{ atGateway }

func (o ctlLink) Run(ctx context.Context, c *ctl, out io.Writer) error {
	return do(ctx, c, out, "GET", "/link"+o.query(), nil, func(l admin.Link) error {
		state := "down"
		if l.Up {
			state = "up"
		}
		_, err := printf(out, "%s is %s since %s\n", l.URL, state, l.Since.Local().Format(time.DateTime))
		return err
	})
}

type ctlLogLevel struct {
	Level string `arg:"" optional:"" help:"debug, info, warn or error."`
	atGateway
}

func (o ctlLogLevel) Run(ctx context.Context, c *ctl, out io.Writer) error {
	if o.Level != "" {
		return do(ctx, c, out, "PUT", "/log-level"+o.query(), admin.Level{Level: o.Level}, nothing)
	}
	return do(ctx, c, out, "GET", "/log-level"+o.query(), nil, func(l admin.Level) error {
		_, err := printf(out, "%s\n", l.Level)
		return err
	})
}

package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"

	"moip/internal/config"
	"moip/internal/gateway"
	"moip/internal/policy"
)

// portalAlone runs the portal without a gateway of its own: for those of other
// machines, MoIP's or PyMoIP's, whose callers come by one port and whose control
// links by another.
type portalAlone struct {
	WS        string   `name:"ws" default:"8765" help:"Answer gateways, and callers without one, at this port or address. If not given, 8765." placeholder:"[ADDR:]PORT"`
	Link      string   `default:"8764" help:"Take gateways' control links at this port or address. If not given, 8764." placeholder:"[ADDR:]PORT"`
	Gateways  []string `default:"127.0.0.0/8,::1" help:"Addresses and networks of the gateways that are believed. If not given, 127.0.0.0/8,::1." placeholder:"NETWORK"`
	LinkCert  string   `name:"link-cert" help:"File of a certificate, in PEM with the chain behind it, for control links by wss." placeholder:"FILE"`
	LinkKey   string   `name:"link-key" help:"File of its key. If not given, that of the certificate." placeholder:"FILE"`
	LinkToken string   `name:"link-token-file" help:"File of the tokens of the gateways, one a line: control links without one are refused." placeholder:"FILE"`
	Directory string   `help:"File or folder of the services; without it, the directory inside." placeholder:"PATH"`
	Cache     string   `help:"Folder for copies of imported directories, or none." placeholder:"FOLDER"`
	Pages     string   `help:"Folder of the .vdt files that the service PAGES shows." placeholder:"FOLDER"`
	Records   string   `default:"visits.jsonl" help:"File to which each visit to a service adds a line, or none. If not given, visits.jsonl." placeholder:"FILE"`
	Log       *string  `help:"Log file, or none. If not given, portal.log." placeholder:"FILE"`
	LogLevel  string   `default:"info" help:"Least to log: debug, info, warn or error." placeholder:"LEVEL"`
}

func (p *portalAlone) Run(ctx context.Context, out io.Writer) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	gateways, err := networks(p.Gateways)
	if err != nil {
		return fmt.Errorf("--gateways: %w", err)
	}
	return gateway.Run(ctx, out, gateway.Plan{
		Config: cfg, LogAsked: p.Log != nil, Version: programVersion(), Portal: gateway.Alone(gateway.Links{
			At: p.Link, Gateways: gateways, Tokens: p.LinkToken, Cert: p.LinkCert, Key: p.LinkKey,
		}),
	})
}

// config is that of a gateway that nobody calls by telnet, and whose calls last
// for as long as other gateways let them.
func (p *portalAlone) config() (*config.Config, error) {
	cfg := single()
	cfg.Directory, cfg.Cache, cfg.Pages, cfg.Records, cfg.Log = p.Directory, p.Cache, p.Pages, p.Records, "portal.log"
	if p.Log != nil {
		cfg.Log = *p.Log
	}
	cfg.Limits.Idle, cfg.Limits.Call, cfg.Limits.Visit = 0, 0, 0
	cfg.Limits.HouseholdCalls, cfg.Limits.NetworkCalls, cfg.Limits.HouseholdNewCalls = 0, 0, 0 // a gateway brings many
	cfg.Limits.NewCalls, cfg.Limits.HouseholdArriving, cfg.Limits.Keys = 0, 0, 0
	if err := cfg.LogLevel.UnmarshalText([]byte(p.LogLevel)); err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	uri, err := config.ListenPort("ws", p.WS)
	if err != nil {
		return nil, fmt.Errorf("--ws: %w", err)
	}
	cfg.Listen = []string{uri}
	return cfg, cfg.Validate()
}

// networks reads addresses and networks.
func networks(list []string) (all []netip.Prefix, err error) {
	for _, text := range list {
		network, err := policy.ParseNetwork(text)
		if err != nil {
			return nil, err
		}
		all = append(all, network)
	}
	return all, nil
}

package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"moip/internal/config"
	"moip/internal/gateway"
	"moip/internal/policy/shield"
	"moip/internal/trace"
)

// serve runs the gateway. Its flags are those of PyMoIP's gateway, with their
// names and meaning, and stand above the configuration file.
type serve struct {
	Config        string  `help:"Configuration file; the flags stand above it." placeholder:"FILE"`
	WS            *string `name:"ws" help:"Answer WebSocket callers at this port or address. Without --ws and --tcp: ws on 9001, telnet on 9000." placeholder:"[ADDR:]PORT"`
	TCP           *string `name:"tcp" help:"Answer telnet and raw TCP callers at this port or address." placeholder:"[ADDR:]PORT"`
	Videotext     *string `short:"v" help:"The portal: a ws, wss, telnet, telnets, tcp or tcps URL. Without it, the built-in portal." placeholder:"URL"`
	Command       *string `short:"c" help:"The portal's control link. With --videotext, ws://localhost:8764 if not given." placeholder:"URL"`
	Nocommand     bool    `short:"n" help:"No control link."`
	Interval      *string `short:"i" help:"Seconds between pings to the portal, or None." placeholder:"SECONDS"`
	Subprotocols  *string `short:"b" help:"WebSocket subprotocols offered to the portal, as in [\"binary\",\"tty\"]." placeholder:"LIST"`
	Directory     *string `help:"File or folder of the services that the built-in portal lists; without it, the directory inside." placeholder:"PATH"`
	Pages         *string `help:"Folder of the .vdt files that the service PAGES shows." placeholder:"FOLDER"`
	Admin         *string `help:"Where operators reach the gateway, or none; from elsewhere they need what the configuration file says. If not given, 127.0.0.1:8999." placeholder:"ADDR:PORT"`
	Records       *string `help:"File to which each visit to a service adds a line, or none." placeholder:"FILE"`
	History       *string `help:"Database of the records of calls, or none. If not given, history.db." placeholder:"FILE"`
	Recordings    *string `help:"Folder in which calls are recorded, if their callers ask for it or the configuration file says so." placeholder:"FOLDER"`
	Bans          *string `help:"File in which it is kept who is kept out, or none." placeholder:"FILE"`
	Node          *string `help:"What this gateway is called in its hub. If not given, the host's name." placeholder:"NAME"`
	ClusterURL    *string `name:"cluster-url" help:"NATS servers, nats://HOST:PORT each, that the gateways of a hub have in common." placeholder:"URL,…"`
	ClusterListen *string `help:"Where the NATS server inside answers those in other gateways." placeholder:"ADDR:PORT"`
	ClusterRoutes *string `help:"Where those answer." placeholder:"ADDR:PORT,…"`
	Log           *string `help:"Log file, or none." placeholder:"FILE"`
	Trace         *string `help:"Tell what passes on the lines of a call, by its number, or of all from an address or a network." placeholder:"ID|ADDR"`
	LogLevel      *string `help:"Least to log: debug, info, warn or error." placeholder:"LEVEL"`
}

// config returns what the file and the flags say together.
func (s *serve) config() (*config.Config, error) {
	cfg := config.Default()
	if s.Config != "" {
		var err error
		if cfg, err = config.Load(s.Config); err != nil {
			return nil, err
		}
	}
	if err := s.override(cfg); err != nil {
		return nil, err
	}
	return cfg, cfg.Validate()
}

func (s *serve) override(cfg *config.Config) error {
	for flag, at := range map[*string]*string{
		s.Videotext: &cfg.Portal.URL, s.Command: &cfg.Link, s.Directory: &cfg.Directory,
		s.Pages: &cfg.Pages, s.Records: &cfg.Records, s.History: &cfg.History.File, s.Recordings: &cfg.Recordings.Folder,
		s.Log: &cfg.Log, s.Admin: &cfg.Admin, s.Bans: &cfg.Bans.File,
		s.Node: &cfg.Cluster.Node, s.ClusterListen: &cfg.Cluster.Listen,
	} {
		if flag != nil {
			*at = *flag
		}
	}
	for flag, at := range map[*string]*[]string{s.ClusterURL: &cfg.Cluster.URL, s.ClusterRoutes: &cfg.Cluster.Routes} {
		if flag != nil {
			*at = strings.Split(*flag, ",")
		}
	}
	if s.Nocommand {
		cfg.Link = "none"
	}
	if s.Interval != nil {
		d, err := config.Interval(*s.Interval)
		if err != nil {
			return fmt.Errorf("--interval: %w", err)
		}
		cfg.Portal.Ping = config.Duration(d)
	}
	if s.Subprotocols != nil {
		list, err := config.Subprotocols(*s.Subprotocols)
		if err != nil {
			return fmt.Errorf("--subprotocols: %w", err)
		}
		cfg.Portal.Subprotocols = list
	}
	if _, err := s.target(); err != nil {
		return err
	}
	if s.LogLevel != nil {
		if err := cfg.LogLevel.UnmarshalText([]byte(*s.LogLevel)); err != nil {
			return fmt.Errorf("--log-level: %w", err)
		}
	}
	return s.listen(cfg)
}

// listen replaces the listeners if any is asked for.
func (s *serve) listen(cfg *config.Config) error {
	var uris []string
	for _, l := range []struct {
		flag, scheme string
		at           *string
	}{{"--ws", "ws", s.WS}, {"--tcp", "telnet", s.TCP}} {
		if l.at == nil {
			continue
		}
		uri, err := config.ListenPort(l.scheme, *l.at)
		if err != nil {
			return fmt.Errorf("%s: %w", l.flag, err)
		}
		uris = append(uris, uri)
	}
	if len(uris) > 0 {
		cfg.Listen = uris
	}
	return nil
}

func (s *serve) Run(ctx context.Context, out io.Writer) error {
	cfg, err := s.config()
	if err != nil {
		return err
	}
	target, err := s.target()
	if err != nil {
		return err
	}
	return gateway.Run(ctx, out, gateway.Plan{
		Config: cfg, File: s.Config, Source: s.config, LogAsked: s.Log != nil || s.Config != "", Version: programVersion(), Trace: target,
	})
}

// target returns whose lines are to be traced, nil for nobody's.
func (s *serve) target() (*trace.Target, error) {
	if s.Trace == nil {
		return nil, nil
	}
	target, err := trace.ParseTarget(*s.Trace)
	if err != nil {
		return nil, fmt.Errorf("--trace: %w", err)
	}
	return &target, nil
}

// single is the configuration of a gateway that does one thing for whoever has started it:
// it has no operators, nor what they keep.
func single() *config.Config {
	cfg := config.Default()
	cfg.Admin, cfg.Bans.File, cfg.History.File = "none", "none", "none"
	cfg.Shield.Mode, cfg.Shield.File = shield.Off, "none"
	return cfg
}

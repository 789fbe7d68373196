package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"moip/internal/config"
	"moip/internal/gateway"
	"moip/internal/serial"
)

// serialLine makes a Minitel at a serial port a caller of a gateway: it is a gateway
// of its own, whose portal that is. It is described in doc/minitel-serial.md.
type serialLine struct {
	Port     string `arg:"" optional:"" help:"The serial port, such as /dev/ttyUSB0 or COM3; --list names those there are."`
	URL      string `arg:"" optional:"" default:"ws://localhost:9001" help:"The gateway or service to call: a ws, wss, telnet, telnets, tcp or tcps URL (${default})."`
	List     bool   `help:"List the serial ports, and what is known of each."`
	Speed    int    `enum:"0,300,1200,4800,9600" default:"0" help:"Raise the Minitel to 4800 or 9600 bit/s; without it, the speed it is found at." placeholder:"BIT/S"`
	Parity   string `enum:"auto,line,software,none" default:"auto" help:"Who makes and checks parity: line, software or none." placeholder:"WHO"`
	Flow     string `enum:"none,xonxoff" default:"none" help:"Heed XOFF and XON: xonxoff. A Minitel sends neither." placeholder:"NAME"`
	Log      string `default:"none" help:"Log file; the log is shown here in any case." placeholder:"FILE"`
	LogLevel string `default:"info" help:"Least to log: debug, info, warn or error." placeholder:"LEVEL"`
}

func (s *serialLine) Run(ctx context.Context, out io.Writer) error {
	if s.List {
		return listPorts(out)
	}
	if s.Port == "" {
		return fmt.Errorf("which serial port? (moip serial --list names those there are)")
	}
	cfg, err := s.config()
	if err != nil {
		return err
	}
	return gateway.Run(ctx, out, gateway.Plan{Config: cfg, LogAsked: s.Log != "none", Version: programVersion(), Portal: gateway.Beyond})
}

// config is that of a gateway with one caller, whose calls last for as long as the
// gateway beyond lets them.
func (s *serialLine) config() (*config.Config, error) {
	cfg := single()
	asked := url.Values{"parity": {s.Parity}, "flow": {s.Flow}, "speed": {strconv.Itoa(s.Speed)}}
	cfg.Listen = []string{"serial://" + (&url.URL{Path: s.Port}).EscapedPath() + "?" + asked.Encode()}
	cfg.Portal.URL, cfg.Link, cfg.Log = s.URL, "none", s.Log
	cfg.Limits.Idle, cfg.Limits.Call, cfg.Limits.Visit, cfg.Limits.Wait = 0, 0, 0, 0
	if err := cfg.LogLevel.UnmarshalText([]byte(s.LogLevel)); err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	return cfg, cfg.Validate()
}

func listPorts(out io.Writer) error {
	ports, err := serial.List()
	if err != nil {
		return err
	}
	if len(ports) == 0 {
		_, err := fmt.Fprintln(out, "There is no serial port: is the adapter plugged in?")
		return err
	}
	table := newTable(out)
	for _, p := range ports {
		told := []string{p.Name, p.ID, p.Driver}
		if p.InUse != "" {
			told = append(told, "in use by "+p.InUse)
		}
		told = slices.DeleteFunc(told, func(s string) bool { return s == "" })
		fmt.Fprintf(table, "%s\t%s\n", p.Path, strings.Join(told, ", "))
		if p.Stable != "" {
			fmt.Fprintf(table, "\talways %s\n", p.Stable)
		}
	}
	return table.Flush()
}

package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"moip/internal/control/admin"
)

// A callID is what a call is called: 42, or across a hub paris-42.
type callID string

// UnmarshalText is that of an encoding.TextUnmarshaler.
func (id *callID) UnmarshalText(text []byte) error {
	if !isCall(string(text)) {
		return fmt.Errorf("%.40q is no call (write its number, as 42, or its gateway's name before, as in paris-42)", text)
	}
	*id = callID(text)
	return nil
}

func isCall(text string) bool {
	_, err := strconv.ParseUint(text[strings.LastIndexByte(text, '-')+1:], 10, 64)
	return err == nil && text[0] != '-'
}

// path is that of an operation on the call.
func (id callID) path(rest string) string { return "/calls/" + string(id) + rest }

// An atGateway is the flag of what concerns one gateway of a hub.
type atGateway struct {
	Gateway string `help:"That of a gateway of the hub, in place of the one that is asked." placeholder:"NAME"`
}

// query is that of an operation there.
func (g atGateway) query() string { return query("gateway", g.Gateway) }

// An ofGateways is the flag of what all gateways of a hub are asked for.
type ofGateways struct {
	Gateway string `help:"Those of one gateway of the hub alone." placeholder:"NAME"`
}

// AfterApply notes where what goes beside an answer is told.
func (c *ctl) AfterApply(line *kong.Context) error {
	c.beside = line.Stderr
	return nil
}

// A hubTable is a table of what several gateways have told, in which one column names them
// if there are several.
type hubTable struct {
	*tabwriter.Writer
	asked admin.Asked
}

func newHubTable(out io.Writer, asked admin.Asked, head string) hubTable {
	t := hubTable{newTable(out), asked}
	if t.several() {
		head = strings.Replace(head, "CALL\t", "CALL\tGATEWAY\t", 1)
	}
	fmt.Fprintln(t, head)
	return t
}

func (t hubTable) several() bool { return len(t.asked.Gateways)+len(t.asked.Missing) > 0 }

// call returns the cells for a call of a gateway.
func (t hubTable) call(gateway string, id uint64) string {
	if t.several() {
		return harmless(fmt.Sprintf("%s-%d", gateway, id)) + "\t" + harmless(gateway)
	}
	return strconv.FormatUint(id, 10)
}

// tellMissing tells below an answer who has not answered.
func (c *ctl) tellMissing(asked admin.Asked) {
	for _, m := range asked.Missing {
		printf(c.beside, "moip: %s is missing: %s (last heard of %s; calls then: %d)\n", m.Gateway, m.Why, m.Since.Local().Format(time.DateTime), m.Calls)
	}
}

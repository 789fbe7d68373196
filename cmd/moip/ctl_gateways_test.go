package main

import (
	"slices"
	"testing"

	"moip/internal/control/admin"
)

// What differs between gateways that run is told, the usual first.
func TestGatewayNotes(t *testing.T) {
	gateway := func(name, version, config string) admin.Gateway {
		return admin.Gateway{Name: name, State: "running", Version: version, Config: config}
	}
	all := admin.Gateways{Bus: &admin.Bus{Up: true}, Gateways: []admin.Gateway{gateway("a", "1", "x"), gateway("b", "2", ""), gateway("c", "2", "x")}}
	if got, want := gatewayNotes(all), []string{"versions differ: 2 (b, c), 1 (a)"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	all.Gateways[0].State = "draining" // it is about to be replaced
	all.Gateways[2].Fault, all.Gateways[2].Host = "it is wrong", "h"
	if got, want := gatewayNotes(all), []string{"c on h: it is wrong"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

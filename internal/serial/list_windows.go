package serial

import (
	"strings"

	"go.bug.st/serial/enumerator"
)

// list goes by the library's enumerator, which works without cgo here.
func list() ([]Info, error) {
	found, err := enumerator.GetDetailedPortsList()
	var ports []Info
	for _, p := range found {
		port := Info{Path: p.Name, Name: p.Product}
		if p.IsUSB {
			port.ID = strings.TrimSpace(strings.ToLower(p.VID+":"+p.PID) + " " + p.SerialNumber)
		}
		ports = append(ports, port)
	}
	return ports, err
}

func holder(string) string { return "another program has it open" }

func admission(string) string { return "you may not open it" }

// Package cluster knows the gateways of a hub. Each says every two seconds how it is; who
// says nothing for a while is silent, and shown as that. Nothing is elected, and nobody
// keeps another's calls: what a gateway carries, it is asked for.
package cluster

import (
	"time"
)

// Protocol is the version of what the gateways of a hub say to each other. It grows when
// older ones would misunderstand; what is merely new to them they leave aside.
const Protocol = 1

// A Gateway is what one says of itself.
type Gateway struct {
	Name     string    `json:"name"`     // a word of a bus, unique in the hub
	Instance string    `json:"instance"` // a word of a bus, of the process: new with each start
	Protocol int       `json:"protocol"`
	Version  string    `json:"version"`  // of the program
	Began    time.Time `json:"began"`    // by its clock, as the times below
	Told     time.Time `json:"told"`     //
	State    string    `json:"state"`    // running, draining, replaced, stopping or Gone
	Calls    int       `json:"calls"`    // under way
	MaxCalls int       `json:"maxCalls"` // that may be
	Events   uint64    `json:"events"`   // that it has told of so far
	Config   string    `json:"config"`   // which configuration is in force: equal ones have the same
}

// Gone is the State of a Gateway that has said that it leaves.
const Gone = "gone"

// Seen is a Gateway as another knows it.
type Seen struct {
	Gateway
	Self   bool          // it is who has been asked
	Heard  time.Time     // last, by our clock
	Silent bool          // for too long: it may be gone, or cut off
	Skew   time.Duration // of its clock against ours, some milliseconds wrong; positive if it is ahead
}

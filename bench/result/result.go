// Package result is what the benchmark keeps of its measurements, from which its tables
// and charts are made: a file of JSON lines, the first of which says what was measured on.
// Where a file holds what several runs have measured, each begins with such a line.
package result

// A Run is the first line of a file: what those below it were measured on.
type Run struct {
	Date     string            `json:"date"`     // 2026-11-28
	Time     string            `json:"time"`     // of that day when it began, which tells runs apart: 13:05:09
	Machine  string            `json:"machine"`  // cores, processor, kernel
	Versions map[string]string `json:"versions"` // of the peers and of Go, by name
	Commit   string            `json:"commit"`   // of MoIP, "" if it is not known
}

// A Measurement is one peer in one round of one scenario.
type Measurement struct {
	Scenario string             `json:"scenario"` // "idle", "keys", "ping-pong", …
	Peer     string             `json:"peer"`     // "MoIP", "HAProxy HTTP", …, "direct" for no gateway
	Path     string             `json:"path"`     // how callers and service speak: "ws→ws", "tcp→tcp", "wss→ws", …
	Round    int                `json:"round"`    // from 1; all peers of a scenario are measured in each
	Calls    int                `json:"calls"`    // at a time
	Figures  map[Figure]float64 `json:"figures"`  // what was measured
	Failed   string             `json:"failed"`   // why there are no figures, "" if there are
}

// A Figure is the name of what was measured, which says its unit.
type Figure string

// All figures are of the gateway alone, but for times and rates, which are what callers
// see.
const (
	RSSCall     Figure = "rss_kib_call"        // growth of resident memory for a call
	PSSCall     Figure = "pss_kib_call"        // likewise, shared pages counted once
	RSS         Figure = "rss_mib"             // resident memory in all
	CPUMessage  Figure = "cpu_us_message"      // user and system time for a message relayed; a key and its echo are two
	CPUCall     Figure = "cpu_us_call"         // likewise for a call set up, served a page and ended; or a redirect and Connexion/Fin
	CPUCores    Figure = "cpu_cores"           // likewise, in a second
	Switches    Figure = "switches_message"    // context switches for a message
	Descriptors Figure = "descriptors_call"    // open files for a call
	P50         Figure = "p50_us"              // from a key to its echo, half of them
	P99         Figure = "p99_us"              // and 99 in 100
	Worst       Figure = "worst_us"            // and the slowest
	PerSecond   Figure = "per_second"          // calls, exchanges or cycles in a second
	Throughput  Figure = "kib_second"          // that callers are given
	AllReached  Figure = "all_reached_ms"      // until the last of all callers has the page
	LoadCPU     Figure = "load_cpu_us_message" // what callers and service took themselves, for a message
	Unanswered  Figure = "unanswered"          // keys that never came back: 0 is what is expected
)

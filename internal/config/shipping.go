package config

import "moip/internal/bus"

const maxStream = 64

// checkShipping says what is wrong with where records of calls are brought.
func (c *Config) checkShipping(fault report) {
	stream := c.Cluster.Records
	path, _ := c.HistoryFile()
	switch {
	case stream == "":
	case !bus.IsWord(stream) || len(stream) > maxStream:
		fault("cluster.records", "%.70q is no name for a stream (1 to 64 letters, digits, - and _)", stream)
	case c.Cluster.Listen != "":
		fault("cluster.records", "the NATS server inside a gateway keeps no streams (run a NATS of your own, with JetStream, and say where it is: url instead of listen)")
	case len(c.Cluster.URL) == 0:
		fault("cluster.records", "is a stream of a NATS (say where that is: url)")
	case path == "":
		fault("cluster.records", "there are none, as no history is kept (name its file: file in [history])")
	}
}

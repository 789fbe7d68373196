package config

import (
	"slices"
	"time"

	"moip/internal/downstream"
	"moip/internal/recording"
)

// Recordings say which calls are recorded, and how long that is kept. Beside those
// of the rule here and of the listeners' (see Config.Listen), the visits are recorded
// that routes ask for, and what an operator orders.
type Recordings struct {
	// Folder is where recordings are kept, relative to the configuration file. It
	// is made if it is missing. Default none, and then nothing is recorded.
	Folder string `toml:"folder"`

	// Calls says which are recorded from their beginning: none, asked for those
	// of callers who ask for it, by ?record in the URL of a WebSocket, or all.
	// Default asked.
	Calls downstream.Record `toml:"calls"`

	// Keys says which characters that callers type are recorded: all, none, or
	// those that are shown where they are typed, so that passwords are not.
	// Instead of the others there are asterisks; function keys always are.
	// Default shown.
	Keys recording.Keys `toml:"keys"`

	// Keep is how long a recording is kept: 1h to 87600h, or 0 for ever. Default
	// 720h, 30 days.
	Keep Duration `toml:"keep"`

	// FileSize is the size at which a recording goes on in another file, in
	// megabytes, 1 to 1024. Default 16.
	FileSize int `toml:"file_size"`

	// Size is that of all recordings, in megabytes, beyond which the oldest are
	// deleted: up to 1048576, or 0 for no bound. Default 1024.
	Size int `toml:"size"`
}

const megabyte = 1 << 20

// Options returns how the folder is to be kept.
func (r Recordings) Options() recording.Options {
	return recording.Options{
		Keys: r.Keys, Keep: time.Duration(r.Keep),
		FileSize: int64(r.FileSize) * megabyte, Total: int64(r.Size) * megabyte,
	}
}

func (c *Config) checkRecordings(fault report) {
	r := c.Recordings
	if err := new(downstream.Record).UnmarshalText([]byte(r.Calls)); err != nil {
		fault("recordings.calls", "%v", err)
	}
	if !slices.Contains([]recording.Keys{recording.KeysAll, recording.KeysShown, recording.KeysNone}, r.Keys) {
		fault("recordings.keys", "%.60q is unknown (use all, shown or none)", r.Keys)
	}
	if r.Keep != 0 && (time.Duration(r.Keep) < time.Hour || time.Duration(r.Keep) > 87600*time.Hour) {
		fault("recordings.keep", "%v is out of range (1h to 87600h, or 0 for ever)", r.Keep)
	}
	if r.FileSize < 1 || r.FileSize > 1024 {
		fault("recordings.file_size", "%d is out of range (1 to 1024, in megabytes)", r.FileSize)
	}
	if r.Size < 0 || r.Size > 1<<20 {
		fault("recordings.size", "%d is out of range (1 to 1048576, in megabytes, or 0 for no bound)", r.Size)
	}
	if r.Folder != "" {
		return
	}
	const where = `needs a folder (write folder = "recordings" in [recordings])`
	if r.Calls == downstream.RecordAll {
		fault("recordings.calls", "%s", where)
	}
	if c.Portal.Record {
		fault("portal.record", "%s", where)
	}
	for _, uri := range c.Listen {
		if at, err := downstream.ParseAddress(uri); err == nil && (at.Record == downstream.RecordAsked || at.Record == downstream.RecordAll) {
			fault("listen", "%.60q %s", uri, where)
		}
	}
}

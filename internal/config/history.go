package config

import "time"

// History says how the records of calls are kept, which moip ctl history shows.
type History struct {
	// File is the database, relative to the working directory, or "none". It is made
	// if it is missing. Default history.db, and if that cannot be had none.
	// Config.HistoryFile has the answer.
	File string `toml:"file"`

	// Keep is how long a record is kept: 1h to 87600h, or 0 for ever. Default 2160h,
	// 90 days.
	Keep Duration `toml:"keep"`

	// Calls is how many are kept at the most, the newest: 100 to 100000000, or 0 for
	// no bound. Default 1000000, which take some 250 megabytes.
	Calls int `toml:"calls"`
}

// defaultHistory is where the history is kept of a gateway that was told nothing else.
const defaultHistory = "history.db"

// HistoryFile returns where the history is kept, "" for nowhere, and whether that was
// asked for.
func (c *Config) HistoryFile() (path string, asked bool) {
	switch c.History.File {
	case "none":
		return "", true
	case "":
		return defaultHistory, false
	}
	return c.History.File, true
}

func (c *Config) checkHistory(fault report) {
	h := c.History
	if h.File != "" && h.File != "none" && (h.File == c.Log || h.File == c.Records) {
		fault("history.file", "%.60q is the log, or the file of visits (name another)", h.File)
	}
	if h.Keep != 0 && (time.Duration(h.Keep) < time.Hour || time.Duration(h.Keep) > 87600*time.Hour) {
		fault("history.keep", "%v is out of range (1h to 87600h, or 0 for ever)", h.Keep)
	}
	if h.Calls != 0 && (h.Calls < 100 || h.Calls > 100_000_000) {
		fault("history.calls", "%d is out of range (100 to 100000000, or 0 for no bound)", h.Calls)
	}
}

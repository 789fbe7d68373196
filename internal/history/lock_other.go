//go:build !unix

package history

import "os"

// lockRun does nothing, and no run goes on: here a second gateway with the same history
// would count the calls of the first as killed.
func lockRun(string, int64) (*os.File, error) { return nil, nil }

func goesOn(string, int64) bool { return false }

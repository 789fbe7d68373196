//go:build !unix

package terminal

// stop does nothing, where nobody stops a job.
func stop() {}

//go:build !unix

package gateway

import "os"

// signalled are what signals order beside the end: nothing here.
func signalled(bool) (reload, replace <-chan os.Signal, stop func()) { return nil, nil, func() {} }

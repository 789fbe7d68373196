//go:build unix

package ban

import (
	"errors"
	"os"
)

// syncFolder sees to it that a file that was renamed in a folder stays so when the
// power fails.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

package directory

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"moip/internal/config/tomlfile"
)

const (
	maxFiles  = 1000 // in a folder
	maxFaulty = 5    // whose faults are told at once
)

// The starter is the directory inside: what is inside the gateway, and the
// public services that are known.
//
//go:embed starter.toml
var starter []byte

const starterName = "starter.toml"

// Load reads the file at path, or all files *.toml of the folder at path, by
// name; without a path, the starter directory that is in this program. The
// builtin names are those that URLs may have as builtin:NAME.
//
// Its errors are joined, of a file eleven at most; each names the file and, where
// they are known, line and key. Values that cannot be read at all are told before
// the rest.
func Load(path string, builtin ...string) (*Directory, error) {
	if path == "" {
		return Parse(starterName, starter, builtin...)
	}
	paths, err := files(path)
	if err != nil {
		return nil, err
	}
	r := newReader(builtin)
	var faults []error
	for _, path := range paths {
		data, err := tomlfile.Read(path)
		if err == nil {
			err = r.decode(path, data)
		}
		faults = append(faults, err)
	}
	if err := join(faults); err != nil {
		return nil, err
	}
	return r.directory()
}

// Parse is Load for data of the file called name.
func Parse(name string, data []byte, builtin ...string) (*Directory, error) {
	r := newReader(builtin)
	if err := r.decode(name, data); err != nil {
		return nil, err
	}
	return r.directory()
}

// files returns path or, if that is a folder, the files in it to read.
func files(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		// Editors begin names with a dot while they write.
		if name := e.Name(); filepath.Ext(name) == ".toml" && name[0] != '.' {
			paths = append(paths, filepath.Join(path, name))
		}
	}
	if len(paths) == 0 || len(paths) > maxFiles {
		return nil, fmt.Errorf("read %s: there are %d files *.toml (1 to %d are read)", path, len(paths), maxFiles)
	}
	return paths, nil
}

// join joins the errors of files. What there are too many of can wait until the
// first are mended.
func join(faults []error) error {
	faults = slices.DeleteFunc(faults, func(err error) bool { return err == nil })
	if n := len(faults) - maxFaulty; n > 0 {
		faults = append(faults[:maxFaulty], fmt.Errorf("there are faults in %d more files", n))
	}
	return errors.Join(faults...)
}

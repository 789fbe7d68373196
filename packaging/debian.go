package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
)

// debian makes the Debian package for m, as nfpm.yaml describes it, and returns its
// name.
func (e *edition) debian(m machine, out string) (name string, err error) {
	recipe, err := os.Open("nfpm.yaml")
	if err != nil {
		return "", err
	}
	defer recipe.Close()
	vars := map[string]string{"ARCH": m.packed, "VERSION": e.version, "STAGE": e.stage, "MAINTAINER": maintainer()}
	config, err := nfpm.ParseWithEnvMapping(recipe, func(name string) string { return vars[name] })
	if err != nil {
		return "", err
	}
	info, err := config.Get("deb")
	if err != nil {
		return "", err
	}
	info.MTime = e.date
	if err := nfpm.PrepareForPackager(info, "deb"); err != nil {
		return "", err
	}
	name = filepath.Join(out, fmt.Sprintf("moip_%s_%s.deb", e.version, m.deb))
	file, err := os.Create(name)
	if err != nil {
		return "", err
	}
	return name, errors.Join(deb.Default.Package(info, file), file.Close())
}

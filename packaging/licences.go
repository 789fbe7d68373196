package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// licences returns what a package must tell of rights: those in the project itself,
// and, as their licences ask, those in what is linked into the program.
func licences() ([]byte, error) {
	var text bytes.Buffer
	own, err := os.ReadFile("copyright")
	if err != nil {
		return nil, err
	}
	text.Write(own)
	modules, err := command("go", "list", "-C", "..", "-deps", "-f",
		`{{if .Standard}}Go {{.Root}}{{else}}{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}{{end}}`, "./cmd/moip")
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{"": true}
	for line := range strings.SplitSeq(modules, "\n") {
		if seen[line] {
			continue
		}
		seen[line] = true
		name, folder, _ := strings.Cut(line, " ")
		if err := licence(&text, name, folder); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

// licence adds the licence of what is in the folder, and what it wants to be noticed.
func licence(to *bytes.Buffer, name, folder string) error {
	found := false
	for _, pattern := range []string{"LICEN[CS]E*", "COPYING*", "NOTICE*"} {
		files, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return err
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			fmt.Fprintf(to, "\n\n%s, %s:\n\n%s", name, filepath.Base(file), data)
			found = true
		}
	}
	if !found {
		return fmt.Errorf("%s has no licence: look before it is passed on", name)
	}
	return nil
}

package services

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each block of Go in doc/services.md is a program that go vet likes, or stands
// in a file of this package.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../doc/services.md")
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob("*.go")
	var ours strings.Builder
	for _, name := range files {
		p, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		ours.Write(p)
	}
	programs, excerpts := 0, 0
	for i, block := range strings.Split(string(text), "```go\n") {
		block, _, closed := strings.Cut(block, "```")
		switch {
		case i == 0:
		case !closed:
			t.Error("a block has no end")
		case strings.HasPrefix(block, "package main"):
			programs++
			vet(t, block)
		case strings.Contains(ours.String(), block):
			excerpts++
		default:
			t.Errorf("this is in no file:\n%s", block)
		}
	}
	if programs == 0 || excerpts == 0 {
		t.Errorf("%d programs and %d excerpts", programs, excerpts)
	}
}

// vet has go vet look at a program as if it were part of the module.
func vet(t *testing.T, program string) {
	dir := t.TempDir()
	file, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{
		"Replace": map[string]string{filepath.Join(root, "doc", "main.go"): file},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{file: []byte(program), overlay: replace} {
		if err := os.WriteFile(name, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	vet := exec.Command("go", "vet", "-overlay", overlay, "./doc")
	vet.Dir = root
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

package services

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

const (
	maxSlides  = 1000
	maxEntries = 10 * maxSlides // looked at
	maxSlide   = 64 << 10       // bytes; nine minutes at 1200 bit/s
)

// A folder is where pages are: a path, or "" for our own. What is in it may
// change at any time, and be anything.
type folder string

//go:embed pages/*.vdt
var own embed.FS

// names lists the pages, in the order of their names: regular files of at most
// 64 KiB that are called .vdt or .vtx, the first thousand of them. Links count
// if they do not lead out of the folder.
func (f folder) names() ([]string, error) {
	if f == "" {
		dir, err := own.Open("pages")
		if err != nil {
			return nil, err
		}
		return slides(dir, func(name string) (fs.FileInfo, error) { return fs.Stat(own, "pages/"+name) })
	}
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	return slides(dir, root.Stat)
}

// slides lists the pages of dir, and closes it.
func slides(dir fs.File, stat func(name string) (fs.FileInfo, error)) ([]string, error) {
	defer dir.Close()
	entries, err := dir.(fs.ReadDirFile).ReadDir(maxEntries)
	if err != nil && err != io.EOF {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name()), strings.ToLower(b.Name())), cmp.Compare(a.Name(), b.Name()))
	})
	var names []string
	for _, e := range entries {
		switch strings.ToLower(path.Ext(e.Name())) {
		case ".vdt", ".vtx":
			info, err := stat(e.Name())
			if err == nil && checkSlide(info) == nil && len(names) < maxSlides {
				names = append(names, e.Name())
			}
		}
	}
	return names, nil
}

func checkSlide(info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return errors.New("is no regular file")
	case info.Size() > maxSlide:
		return fmt.Errorf("has %d bytes (%d are the most)", info.Size(), maxSlide)
	}
	return nil
}

// read returns the page with the given name.
func (f folder) read(name string) ([]byte, error) {
	if f == "" {
		return own.ReadFile("pages/" + name)
	}
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	// What was a file may have become a pipe, on which open would wait.
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil {
		err = checkSlide(info)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return io.ReadAll(io.LimitReader(file, maxSlide))
}

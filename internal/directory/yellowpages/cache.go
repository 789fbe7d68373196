package yellowpages

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"

	"moip/internal/discreet"
)

// Cached returns the last good copy of what is at URL from the file Cache; the
// error is fs.ErrNotExist if there is none. Fetch will then ask for something
// newer.
func (s *Source) Cached() ([]byte, error) {
	if s.Cache == "" {
		return nil, fmt.Errorf("a copy of yellow pages: %w", fs.ErrNotExist)
	}
	u, err := s.address()
	if err != nil {
		return nil, fmt.Errorf("a copy of yellow pages: %w", err)
	}
	data, e, err := load(s.Cache, u)
	if err != nil {
		return nil, fmt.Errorf("a copy of yellow pages in %s: %w", s.Cache, err)
	}
	s.last = e
	return data, nil
}

// In the file, the pages stand below a header with their validators, as HTTP
// writes it: one without the other would be wrong after a crash.

// where is the header that names the source, without secrets.
const where = "Content-Location"

// save writes data, which came from u, to the file at path.
func save(path string, u *url.URL, e edition, data []byte) error {
	header := http.Header{where: {discreet.URL(u.String())}}
	set(header, "Etag", e.etag)
	set(header, "Last-Modified", e.lastModified)
	var file bytes.Buffer
	header.Write(&file)
	file.WriteString("\r\n")
	file.Write(data)
	return replace(path, file.Bytes())
}

// load reads what save has written.
func load(path string, u *url.URL) ([]byte, edition, error) {
	file, err := read(path)
	if err != nil {
		return nil, edition{}, err
	}
	r := bufio.NewReader(bytes.NewReader(file))
	header, err := textproto.NewReader(r).ReadMIMEHeader()
	if err != nil {
		return nil, edition{}, fmt.Errorf("damaged: %w", err)
	}
	if header.Get(where) != discreet.URL(u.String()) {
		return nil, edition{}, fmt.Errorf("from another source: %w", fs.ErrNotExist)
	}
	data, err := io.ReadAll(r)
	if err == nil {
		err = check(data)
	}
	if err != nil {
		return nil, edition{}, fmt.Errorf("damaged: %w", err)
	}
	return data, newEdition(data, http.Header(header)), nil
}

func read(path string) ([]byte, error) {
	// Asked before opening: to open a pipe is to wait for whoever writes it.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, maxHeader+maxData)
}

// replace writes a file for us alone to read, which is there whole or not at
// all.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

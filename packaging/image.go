package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Who the gateway is in a container: nobody that the machine knows.
const uid = 65532

// image makes the container image for m and returns its name. It stands on nothing
// (FROM scratch): the program needs no more than its configuration, and certificates
// to trust.
func (e *edition) image(m machine, out string) (string, error) {
	files, err := e.files()
	if err != nil {
		return "", err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil })
	if err != nil {
		return "", err
	}
	image, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer: layer, History: v1.History{Created: v1.Time{Time: e.date}, CreatedBy: "make package"},
	})
	if err != nil {
		return "", err
	}
	image, err = mutate.ConfigFile(image, e.container(m, image))
	if err != nil {
		return "", err
	}
	tag, err := name.NewTag("moip:" + strings.ReplaceAll(e.version, "+", "-"))
	if err != nil {
		return "", err
	}
	file := filepath.Join(out, fmt.Sprintf("moip_%s_%s.image.tar", e.version, m.deb))
	return file, tarball.WriteToFile(file, tag, image)
}

// container returns how the image is run.
func (e *edition) container(m machine, image v1.Image) *v1.ConfigFile {
	config, err := image.ConfigFile()
	if err != nil {
		panic(err) // it was just made
	}
	config = config.DeepCopy()
	config.Created, config.Author = v1.Time{Time: e.date}, maintainer()
	config.OS, config.Architecture = "linux", m.arch
	if m.arm != "" {
		config.Variant = "v" + m.arm
	}
	config.Config = v1.Config{
		User:         fmt.Sprint(uid),
		Entrypoint:   []string{"/usr/bin/moip"},
		Cmd:          []string{"serve", "--config", "/etc/moip/moip.toml"},
		Env:          []string{"PATH=/usr/bin", "HOME=/var/lib/moip"},
		WorkingDir:   "/var/lib/moip",
		Volumes:      map[string]struct{}{"/var/lib/moip": {}},
		ExposedPorts: map[string]struct{}{"9000/tcp": {}, "9001/tcp": {}},
		Labels:       map[string]string{"org.opencontainers.image.title": "MoIP", "org.opencontainers.image.version": e.version},
	}
	return config
}

// files returns the image's file system, as a tar.
func (e *edition) files() ([]byte, error) {
	var data bytes.Buffer
	t := tar.NewWriter(&data)
	add := func(h tar.Header, content []byte) error {
		h.ModTime, h.Size, h.Format = e.date, int64(len(content)), tar.FormatPAX
		if err := t.WriteHeader(&h); err != nil {
			return err
		}
		_, err := t.Write(content)
		return err
	}
	for _, folder := range []string{"etc/", "etc/moip/", "etc/ssl/", "etc/ssl/certs/", "usr/", "usr/bin/", "usr/share/", "usr/share/doc/", "usr/share/doc/moip/", "var/", "var/lib/"} {
		if err := add(tar.Header{Name: folder, Mode: 0o755, Typeflag: tar.TypeDir}, nil); err != nil {
			return nil, err
		}
	}
	if err := add(tar.Header{Name: "var/lib/moip/", Mode: 0o750, Uid: uid, Gid: uid, Typeflag: tar.TypeDir}, nil); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		to, from string
		mode     int64
		text     []byte // if it is from no file
	}{
		{"etc/group", "", 0o644, fmt.Appendf(nil, "moip:x:%d:\n", uid)},
		{"etc/passwd", "", 0o644, fmt.Appendf(nil, "moip:x:%d:%d:MoIP:/var/lib/moip:/\n", uid, uid)},
		{"etc/ssl/certs/ca-certificates.crt", "", 0o644, authorities()},
		{"etc/moip/moip.toml", "moip.toml", 0o644, nil},
		{"etc/moip/services.toml", "services.toml", 0o644, nil},
		{"usr/bin/moip", e.at("moip"), 0o755, nil},
		{"usr/share/doc/moip/copyright", e.at("copyright"), 0o644, nil},
	} {
		if f.from != "" {
			var err error
			if f.text, err = os.ReadFile(f.from); err != nil {
				return nil, err
			}
		}
		if err := add(tar.Header{Name: f.to, Mode: f.mode, Typeflag: tar.TypeReg}, f.text); err != nil {
			return nil, err
		}
	}
	return data.Bytes(), t.Close()
}

// authorities returns Mozilla's certificate authorities, but for those that it trusts
// for a part only, which a file cannot say.
func authorities() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})
		}
	}
	return text.Bytes()
}

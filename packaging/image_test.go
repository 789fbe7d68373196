package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestImage unpacks the image and runs it as a container would: nothing else is there.
func TestImage(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("a container needs root: sudo make test-package")
	}
	dist := packaged(t, "1.2+3.abc", here(t))
	file := filepath.Join(dist, "moip_1.2+3.abc_"+here(t)+".image.tar")
	// It reads images as podman does.
	if out, err := exec.Command("skopeo", "copy", "docker-archive:"+file+":moip:1.2-3.abc", "oci:"+t.TempDir()).CombinedOutput(); err != nil {
		t.Errorf("skopeo: %v\n%s", err, out)
	}
	image, err := tarball.ImageFromPath(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	disk := filepath.Join(t.TempDir(), "disk")
	files := mutate.Extract(image)
	defer files.Close()
	unpack(t, files, disk)

	c := config.Config
	gateway := exec.Command("unshare", append([]string{"--net", "--pid", "--mount", "--fork", "--kill-child", "sh", "-ec",
		`ip link set lo up; exec unshare "$@"`, "sh", "--root=" + disk, "--wd=" + c.WorkingDir, "--setgid=" + c.User, "--setuid=" + c.User,
		"--"}, append(c.Entrypoint, c.Cmd...)...)...)
	gateway.Env = append(c.Env, "PATH="+os.Getenv("PATH")) // for what is outside
	var said bytes.Buffer
	gateway.Stdout, gateway.Stderr = &said, &said
	start(t, gateway)
	ended := make(chan error, 1)
	go func() { ended <- gateway.Wait() }()
	t.Cleanup(func() { gateway.Process.Kill() })

	inside := ""
	moip := func(args ...string) (string, error) {
		inside = first(gateway.Process.Pid, 1)
		out, err := exec.Command("nsenter", append([]string{"-t", inside, "--net", "--", filepath.Join(disk, "usr/bin/moip")}, args...)...).CombinedOutput()
		return string(out), err
	}
	within(t, 30*time.Second, "the gateway", func() bool { _, err := moip("ctl", "calls"); return err == nil })
	for _, call := range [][]string{
		{"--wait", "Guide", "telnet://127.0.0.1:9000"},
		{"--send", "{Attente}HEURE{Envoi}", "--wait", "Paris", "ws://127.0.0.1:9001"}, // it knows the zone
	} {
		if page, err := moip(append([]string{"connect", "--dump"}, call...)...); err != nil {
			t.Errorf("%q: %v\n%s", call, err, page)
		}
	}
	if out, err := moip("ctl", "ban", "203.0.113.9"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	within(t, 10*time.Second, "the call in the history", func() bool {
		out, err := moip("ctl", "history", "--service", "HEURE", "--lines")
		return err == nil && out != ""
	})
	for _, name := range []string{"visits.jsonl", "history.db", "bans.json"} {
		if _, err := os.Stat(filepath.Join(disk, "var/lib/moip", name)); err != nil { // the volume
			t.Error(err)
		}
	}

	pid, err := strconv.Atoi(inside)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGTERM) // as podman stop does
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ends with %v\n%s", err, &said)
		}
	case <-time.After(30 * time.Second):
		t.Error("it does not stop")
	}
}

// TestAuthorities reads what the image trusts.
func TestAuthorities(t *testing.T) {
	text, n := authorities(), 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			t.Error(err)
		}
		n++
	}
	if n < 100 {
		t.Errorf("%d authorities are few", n)
	}
}

func unpack(t *testing.T, files io.Reader, to string) {
	t.Helper()
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(files); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(to, h.Name)
		if h.FileInfo().IsDir() {
			err = os.Mkdir(name, h.FileInfo().Mode())
		} else if data, failed := io.ReadAll(r); failed != nil {
			err = failed
		} else {
			err = os.WriteFile(name, data, h.FileInfo().Mode())
		}
		if err == nil {
			err = os.Chown(name, h.Uid, h.Gid)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Command packaging makes what people install of MoIP: Debian packages, and container
// images that docker load and podman load take. It needs Go and no more: no daemon,
// no root, and of the network only modules. The same commit makes the same bytes.
//
// It is a module of its own, so that none of what it stands on is the gateway's.
package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A machine is a kind of machine to package for.
type machine struct {
	deb    string // Debian's name
	arch   string // Go's
	arm    string // GOARM
	packed string // nfpm's
}

var machines = []machine{
	{"amd64", "amd64", "", "amd64"},
	{"arm64", "arm64", "", "arm64"},
	{"armhf", "arm", "6", "arm6"}, // the first Raspberry Pi, too
}

// An edition is what is packaged.
type edition struct {
	version string // as Debian writes it
	date    time.Time
	stage   string // a folder for what is made on the way
}

func main() {
	out := flag.String("o", "../dist", "the folder for the packages")
	only := flag.String("arch", "amd64,arm64,armhf", "the machines, by Debian's names")
	version := flag.String("version", "", "the version, if it is not to be asked of git")
	flag.Parse()
	if err := run(os.Stdout, *out, strings.Split(*only, ","), *version); err != nil {
		fmt.Fprintf(os.Stderr, "packaging: %v\n", err)
		os.Exit(1)
	}
}

// run makes the packages of a version for the machines named, in a folder, and tells
// their names.
func run(tell io.Writer, out string, only []string, version string) error {
	e, err := newEdition(version)
	if err != nil {
		return err
	}
	defer os.RemoveAll(e.stage)
	if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	if err := e.common(); err != nil {
		return err
	}
	for _, name := range only {
		at := slices.IndexFunc(machines, func(m machine) bool { return m.deb == name })
		if at < 0 {
			return fmt.Errorf("no packages are made for %q", name)
		}
		m := machines[at]
		if err := e.build(m); err != nil {
			return err
		}
		for _, make := range []func(machine, string) (string, error){e.debian, e.image} {
			file, err := make(m, out)
			if err != nil {
				return err
			}
			fmt.Fprintln(tell, file)
		}
	}
	return nil
}

// newEdition asks git what the version is, unless it is given, and what is its date,
// unless SOURCE_DATE_EPOCH says so.
func newEdition(version string) (*edition, error) {
	e := &edition{version: version}
	if version == "" {
		var err error
		if e.version, err = described(); err != nil {
			return nil, fmt.Errorf("which version is this? (-version says it where git does not: %w)", err)
		}
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		var err error
		if epoch, err = command("git", "log", "-1", "--format=%ct"); err != nil {
			return nil, fmt.Errorf("when was this written? (SOURCE_DATE_EPOCH says it where git does not: %w)", err)
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	e.date = time.Unix(seconds, 0).UTC()
	e.stage, err = os.MkdirTemp("", "moip-packaging")
	return e, err
}

var tagged = regexp.MustCompile(`^v([0-9][0-9A-Za-z.]*)-([0-9]+)-g([0-9a-f]+)(-dirty)?$`)

// described returns the version by git's newest tag: 1.2 for v1.2 itself, and
// 1.2+5.0123abc for five commits later, which Debian sorts between that and 1.2.1.
// Before there is a tag, it is as if the first commit had been v0.
func described() (string, error) {
	tag, err := command("git", "describe", "--tags", "--long", "--dirty", "--match", "v[0-9]*")
	if err != nil {
		count, err1 := command("git", "rev-list", "--count", "HEAD")
		hash, err2 := command("git", "describe", "--always", "--dirty")
		if err := errors.Join(err1, err2); err != nil {
			return "", err
		}
		tag = "v0-" + count + "-g" + hash
	}
	return versionOf(tag)
}

func versionOf(tag string) (string, error) {
	m := tagged.FindStringSubmatch(tag)
	if m == nil {
		return "", fmt.Errorf("%q is no version (tag it as v1.2 or v1.2.3)", tag)
	}
	version := m[1]
	if m[2] != "0" || m[4] != "" {
		version += "+" + m[2] + "." + m[3]
	}
	if m[4] != "" {
		version += ".dirty"
	}
	return version, nil
}

func command(name string, args ...string) (string, error) {
	c := exec.Command(name, args...)
	out, err := c.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return "", fmt.Errorf("%s: %w", strings.Join(c.Args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// at returns the path of a file of the stage.
func (e *edition) at(name string) string { return filepath.Join(e.stage, name) }

// build puts the program for m on the stage. It brings the time zone of HEURE along.
func (e *edition) build(m machine) error { return e.compile(e.at("moip"), m) }

func (e *edition) compile(to string, m machine) error {
	c := exec.Command("go", "build", "-C", "..", "-trimpath", "-buildvcs=false", "-tags", "timetzdata",
		"-ldflags", "-s -w -X main.release="+e.version, "-o", to, "./cmd/moip")
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+m.arch, "GOARM="+m.arm)
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("build for %s: %w", m.deb, err)
	}
	return nil
}

// common puts on the stage what is the same for all machines: what the program says
// of itself, the licences, and a changelog.
func (e *edition) common() error {
	host := machine{deb: "this machine", arch: runtime.GOARCH, arm: cmp.Or(os.Getenv("GOARM"), "6")}
	if err := e.compile(e.at("moip"), host); err != nil {
		return err
	}
	for name, args := range map[string][]string{
		"moip.1.gz":      {"man"},
		"moip.toml.5.gz": {"man", "--example", "../doc/moip.example.toml"},
		"moip.bash":      {"completion", "bash"},
		"moip.zsh":       {"completion", "zsh"},
		"moip.fish":      {"completion", "fish"},
	} {
		c := exec.Command(e.at("moip"), args...)
		c.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", e.date.Unix()))
		c.Stderr = os.Stderr
		text, err := c.Output()
		if err == nil {
			err = e.put(name, text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	licences, err := licences()
	if err != nil {
		return err
	}
	changes := fmt.Sprintf("moip (%s) unstable; urgency=medium\n\n  * The project's history tells what is new.\n\n -- %s  %s\n",
		e.version, maintainer(), e.date.Format(time.RFC1123Z))
	return errors.Join(e.put("copyright", licences), e.put("changelog.gz", []byte(changes)))
}

// put writes a file of the stage, compressed if its name says so.
func (e *edition) put(name string, data []byte) error {
	if strings.HasSuffix(name, ".gz") {
		var small bytes.Buffer
		z, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
		if err != nil {
			return err
		}
		_, err = z.Write(data)
		if err = errors.Join(err, z.Close()); err != nil {
			return err
		}
		data = small.Bytes()
	}
	return os.WriteFile(e.at(name), data, 0o666)
}

// maintainer returns whom a package names for its care, by Debian's custom.
func maintainer() string {
	return fmt.Sprintf("%s <%s>", cmp.Or(os.Getenv("DEBFULLNAME"), "The maintainers of MoIP"), cmp.Or(os.Getenv("DEBEMAIL"), "moip@localhost"))
}

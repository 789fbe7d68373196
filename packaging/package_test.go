package main

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// packaged returns a folder with the packages of a version.
func packaged(t *testing.T, version string, machines ...string) string {
	t.Helper()
	out := t.TempDir()
	if err := run(io.Discard, out, machines, version); err != nil {
		t.Fatal(err)
	}
	return out
}

// here is this machine, by Debian's name.
func here(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("dpkg", "--print-architecture").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestVersion(t *testing.T) {
	for tag, want := range map[string]string{
		"v1.2-0-g0123abc":         "1.2",
		"v1.2.3-0-g0123abc":       "1.2.3",
		"v1.2.3-45-g0123abc":      "1.2.3+45.0123abc",
		"v1.2-0-g0123abc-dirty":   "1.2+0.0123abc.dirty",
		"v0-163-g0123abc":         "0+163.0123abc",
		"v1.2-rc1-0-g0123abc":     "",
		"release-1.2-0-g0123abc":  "",
		"v1.2~beta1-12-g0123abcd": "",
	} {
		if got, err := versionOf(tag); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", tag, got, err, want)
		}
	}
	// Debian's order is that of the history.
	for _, order := range [][2]string{{"0+163.f", "0+1000.0"}, {"0+1000.f", "1.2"}, {"1.2", "1.2+5.a"}, {"1.2+5.f", "1.2+6.a"}, {"1.2+6.a", "1.2.1"}} {
		if err := exec.Command("dpkg", "--compare-versions", order[0], "lt", order[1]).Run(); err != nil {
			t.Errorf("%s is not before %s", order[0], order[1])
		}
	}
}

// TestPackages looks at the packages for all machines: the program is made for each,
// and stands alone. What is made once more is the same.
func TestPackages(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1790000000")
	out := packaged(t, "1.2", "amd64", "arm64", "armhf")
	for _, m := range []struct {
		deb     string
		machine elf.Machine
	}{{"amd64", elf.EM_X86_64}, {"arm64", elf.EM_AARCH64}, {"armhf", elf.EM_ARM}} {
		file := filepath.Join(out, "moip_1.2_"+m.deb+".deb")
		fields, err := exec.Command("dpkg-deb", "--field", file, "Package", "Version", "Architecture").Output()
		if want := "Package: moip\nVersion: 1.2\nArchitecture: " + m.deb + "\n"; err != nil || string(fields) != want {
			t.Errorf("%s: %v\n%s", m.deb, err, fields)
		}
		unpacked := t.TempDir()
		if out, err := exec.Command("dpkg-deb", "--extract", file, unpacked).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		alone(t, filepath.Join(unpacked, "usr/bin/moip"), m.machine)

		image, err := tarball.ImageFromPath(filepath.Join(out, "moip_1.2_"+m.deb+".image.tar"), nil)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]string{"amd64": "linux/amd64", "arm64": "linux/arm64", "armhf": "linux/arm/v6"}[m.deb]; config.Platform().String() != want {
			t.Errorf("the image of %s is for %s", m.deb, config.Platform())
		}
	}

	again := packaged(t, "1.2", here(t))
	for _, kind := range []string{".deb", ".image.tar"} {
		name := "moip_1.2_" + here(t) + kind
		if sum(t, filepath.Join(out, name)) != sum(t, filepath.Join(again, name)) {
			t.Errorf("%s is another each time", name)
		}
	}
}

func alone(t *testing.T, program string, machine elf.Machine) {
	t.Helper()
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if file.Machine != machine {
		t.Errorf("the program is for %v, want %v", file.Machine, machine)
	}
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("the program needs %q, %v", libraries, err)
	}
}

func sum(t *testing.T, file string) [sha256.Size]byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}

// TestLintian has Debian's own judge of packages look at ours.
func TestLintian(t *testing.T) {
	out := packaged(t, "1.2", here(t))
	found, err := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning,info,pedantic", "--info",
		filepath.Join(out, "moip_1.2_"+here(t)+".deb")).CombinedOutput()
	if err != nil || len(found) > 0 {
		t.Errorf("%v\n%s", err, found)
	}
}

// calls has a caller come by the program itself, and returns the page.
func (h *house) calls(to string) string {
	h.t.Helper()
	return h.sh("moip connect --dump --wait Guide --timeout 20s " + to)
}

const portalsPage = "T é l é t e l"

// TestInstalled installs the package where systemd runs: the gateway answers, as
// nobody in particular, and starts anew if it hangs and when it is upgraded. What the
// administrator has changed stays, and a purge leaves nothing.
func TestInstalled(t *testing.T) {
	dist := packaged(t, "1.2", here(t))
	newer := packaged(t, "1.3", here(t))
	moveAll(t, newer, dist)
	h := open(t, dist)
	before := h.sh(everything)
	h.sh("dpkg --install /dist/moip_1.2_*.deb")

	t.Run("files", func(t *testing.T) {
		h := house{t, h.init}
		h.has("stat -c '%U:%G %a' /usr/bin/moip", "root:root 755")
		h.has("stat -c '%U:%G %a' /etc/moip/moip.toml", "root:moip 640")
		h.has("stat -c '%U:%G %a' /etc/moip/services.toml", "root:moip 640")
		h.has("stat -c '%U:%G %a' /var/lib/moip", "moip:moip 750")
		h.has("stat -c '%U:%G %a' /var/lib/moip/visits.jsonl", "moip:moip 640")
		h.has("stat -c '%U:%G %a' /var/lib/moip/history.db", "moip:moip 640")
		h.has("stat -c %a /usr/share/doc/moip/grafana.json", "644")
		h.has("dpkg --verify moip", "")
		h.has("moip version | cut -d, -f1", "moip 1.2")
	})
	t.Run("unit", func(t *testing.T) {
		h := house{t, h.init}
		h.has("systemctl is-enabled moip.service", "enabled")
		h.has("systemctl is-active moip.service", "active")
		h.has("systemctl is-enabled moip.socket || true", "disabled")
		h.has("systemd-analyze verify moip.service moip.socket 2>&1 | grep -v \"Command 'man\" || true", "") // there is no man
		status := h.sh("cat /proc/$(systemctl show -P MainPID moip)/status")
		for _, want := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !strings.Contains(status, want+"\n") {
				t.Errorf("not so: %s\n%s", want, status)
			}
		}
		h.has("ps -o user= $(systemctl show -P MainPID moip) 2>/dev/null || stat -c %U /proc/$(systemctl show -P MainPID moip)", "moip")
	})
	t.Run("call", func(t *testing.T) {
		h := house{t, h.init}
		for _, to := range []string{"telnet://127.0.0.1:9000", "ws://127.0.0.1:9001"} {
			if page := h.calls(to); !strings.Contains(page, portalsPage) {
				t.Errorf("%s shows\n%s", to, page)
			}
		}
		h.sh("moip connect --dump --send '{Attente}HEURE{Envoi}' --wait Paris --timeout 20s ws://127.0.0.1:9001")
		if record := h.sh("cat /var/lib/moip/visits.jsonl"); !strings.Contains(record, `"service":"HEURE"`) {
			t.Errorf("the record is %s", record)
		}
		if journal := h.sh("journalctl -u moip -o cat"); !strings.Contains(journal, `msg="call ended"`) {
			t.Errorf("the journal is\n%s", journal)
		}
		h.sh("moip ctl calls")
		within(t, 10*time.Second, "the call in the history", func() bool { return h.sh("moip ctl history --service HEURE --lines") != "" })
	})
	t.Run("ban", func(t *testing.T) {
		h := house{t, h.init}
		const address = "203.0.113.9" // whoever calls it from this machine, calls from it
		if out, err := exec.Command("nsenter", "-t", h.init, "--net", "ip", "address", "add", address, "dev", "lo").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		h.calls("telnet://" + address + ":9000")
		h.sh("moip ctl ban " + address + "; systemctl restart moip")
		h.has("stat -c '%U:%G %a' /var/lib/moip/bans.json", "moip:moip 600")
		h.has("moip connect --dump --wait refusé --timeout 20s telnet://"+address+":9000", "Accès refusé.")
		h.sh("moip ctl unban " + address)
		h.calls("telnet://" + address + ":9000")
	})
	t.Run("quiet", func(t *testing.T) {
		h := house{t, h.init}
		h.has("journalctl -u moip -o cat | grep -E 'level=(WARN|ERROR)' | grep -v 'caller refused' || true", "")
		h.has("ls -A /var/lib/moip | grep -vE '^(cache|visits.jsonl|bans.json|shield.json|history.db(-(wal|shm|run[0-9]+))?)$' || true", "")
	})
	pid := func() string { return h.sh("systemctl show -P MainPID moip") }
	t.Run("watchdog", func(t *testing.T) {
		h := house{t, h.init}
		h.sh("mkdir -p /run/systemd/system/moip.service.d; printf '[Service]\nWatchdogSec=2\n' >/run/systemd/system/moip.service.d/test.conf; systemctl daemon-reload; systemctl restart moip")
		first := pid()
		time.Sleep(5 * time.Second) // what is alive stays
		if now := pid(); now != first {
			t.Errorf("it was started anew: %s, then %s", first, now)
		}
		h.sh("kill -STOP " + first)
		within(t, 30*time.Second, "another gateway", func() bool { return pid() != first && pid() != "0" })
		within(t, 30*time.Second, "it to answer", func() bool { return h.sh("systemctl is-active moip || true") == "active" })
		h.calls("ws://127.0.0.1:9001")
	})
	t.Run("allowed", func(t *testing.T) {
		h := house{t, h.init}
		// A port below 1024, with what operators.md says of it; a serial port, though
		// nothing is behind it; but not the kernel's log.
		h.sh(`mkdir /etc/systemd/system/moip.service.d
			printf '[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n' >/etc/systemd/system/moip.service.d/ports.conf
			mknod --mode 660 /dev/ttyS9 c 4 73
			mknod --mode 660 /dev/log9 c 1 11
			chgrp dialout /dev/ttyS9 /dev/log9
			cp -p /etc/moip/moip.toml /root
			sed -i 's|^listen.*|listen = ["telnet://:23", "serial:///dev/ttyS9", "serial:///dev/log9"]|' /etc/moip/moip.toml
			systemctl daemon-reload; systemctl restart moip`)
		h.calls("telnet://127.0.0.1:23")
		log := h.sh("journalctl -u moip -o cat | grep 'no serial port'")
		for port, fault := range map[string]string{"ttyS9": "there is no such port", "log9": "permission denied"} {
			if !regexp.MustCompile("(?m)^.* port=/dev/" + port + " .*" + fault).MatchString(log) {
				t.Errorf("of %s it does not say: %s\n%s", port, fault, log)
			}
		}
		h.sh(`mv /root/moip.toml /etc/moip; rm -r /etc/systemd/system/moip.service.d
			systemctl daemon-reload; systemctl restart moip`)
	})
	t.Run("reload", func(t *testing.T) {
		h := house{t, h.init}
		first := pid()
		h.sh("sed -i 's/9000/9500/' /etc/moip/moip.toml; chmod 644 /etc/moip/moip.toml; systemctl reload moip")
		within(t, 10*time.Second, "another port", func() bool {
			return h.enter("moip", "connect", "--dump", "--wait", "Guide", "telnet://127.0.0.1:9500").Run() == nil
		})
		h.sh("cp /etc/moip/moip.toml /root; echo nonsense >>/etc/moip/moip.toml")
		h.has("systemctl reload moip 2>/dev/null || echo refused", "refused")
		h.sh("mv /root/moip.toml /etc/moip; chgrp moip /etc/moip/moip.toml")
		h.calls("telnet://127.0.0.1:9500")
		if pid() != first {
			t.Error("it is another gateway")
		}
	})
	t.Run("upgrade", func(t *testing.T) {
		h := house{t, h.init}
		first := pid()
		h.sh("systemd-run --quiet --unit=caller moip connect --dump --timeout 1h ws://127.0.0.1:9001")
		within(t, 10*time.Second, "a call", func() bool { return strings.Contains(h.sh("moip ctl --json calls"), "127.0.0.1") })
		h.sh("dpkg --install /dist/moip_1.3_*.deb")
		if pid() == first {
			t.Error("the old gateway is still there")
		}
		h.has("moip version | cut -d, -f1", "moip 1.3")
		h.has("systemctl is-active moip caller", "active\nactive")
		h.has("stat -c '%U:%G %a' /etc/moip/moip.toml", "root:moip 644")
		h.calls("telnet://127.0.0.1:9500")
		// Both write one history. In it the call ends as it did.
		under := h.sh("moip ctl history --limit 1 --lines")
		h.sh("systemctl stop caller")
		within(t, 10*time.Second, "the call in the history", func() bool { return h.sh("moip ctl history --limit 1 --lines") != under })
		h.sh("moip ctl history --service HEURE --lines | grep -q .")
		h.has("moip ctl history --reason killed --lines", "")
		within(t, 10*time.Second, "the end of the old gateway", func() bool { return h.sh("test -d /proc/"+first+" || echo gone") == "gone" })
		time.Sleep(5 * time.Second) // the new one says that it is alive
		h.has("systemctl is-active moip", "active")
		// It is watched, and takes leave of its callers, as its predecessor was and did.
		first = pid()
		h.sh("kill -ABRT " + first)
		within(t, 30*time.Second, "another gateway", func() bool {
			return pid() != first && h.sh("systemctl is-active moip || true") == "active"
		})
		h.sh("moip ctl upgrade; systemctl stop moip")
		h.has("systemctl show -P Result moip", "success")
		h.sh("systemctl start moip")
	})
	t.Run("sockets", func(t *testing.T) {
		h := house{t, h.init}
		h.sh("sed -i 's/9500/9000/' /etc/moip/moip.toml; systemctl stop moip; systemctl start moip.socket")
		h.has("systemctl is-active moip || true", "inactive")
		h.calls("telnet://127.0.0.1:9000") // it is started for the caller
		h.sh("systemctl stop moip")
		h.calls("ws://127.0.0.1:9001")
		if log := h.sh("journalctl _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID moip) -o cat"); strings.Contains(log, "no listener is for") {
			t.Errorf("not all sockets are used\n%s", log)
		}
	})
	t.Run("remove", func(t *testing.T) {
		h := house{t, h.init}
		h.sh("dpkg --remove moip")
		h.has("systemctl is-active moip moip.socket || true", "inactive\ninactive")
		h.sh("test -e /etc/moip/moip.toml && test -e /var/lib/moip/visits.jsonl")
		h.sh("dpkg --purge moip")
		h.has("getent passwd moip || true", "")
		if left := difference(before, h.sh(everything)); len(left) > 0 {
			t.Errorf("what is left: %q", left)
		}
	})
}

// everything lists the files there are, but for what the system writes of itself.
const everything = `find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /dist -o -path /var/log/journal \
	-o -path /var/lib/systemd -o -path /var/cache \) -prune -o -print | sort`

// tracks are what any package leaves.
var tracks = regexp.MustCompile(`^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|^/var/log/|^/var/lib/dpkg/`)

func difference(before, after string) (left []string) {
	was := strings.Split(before, "\n")
	for file := range strings.SplitSeq(after, "\n") {
		if !slices.Contains(was, file) && !tracks.MatchString(file) {
			left = append(left, file)
		}
	}
	return left
}

// has holds what a script prints against what it should.
func (h *house) has(script, want string) {
	h.t.Helper()
	if got := h.sh(script); got != want {
		h.t.Errorf("%s: %q, want %q", script, got, want)
	}
}

func moveAll(t *testing.T, from, to string) {
	t.Helper()
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.Rename(filepath.Join(from, f.Name()), filepath.Join(to, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWithoutSystemd installs and purges the package where no systemd runs, as in an
// image that is being made.
func TestWithoutSystemd(t *testing.T) {
	dist := packaged(t, "1.2", here(t))
	nspawn := exec.CommandContext(t.Context(), "unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-ec", `
		disk=$1 dist=$2
		mount -t tmpfs tmpfs /mnt
		mkdir /mnt/new /mnt/work /mnt/all
		mount -t overlay overlay -o "lowerdir=$disk,upperdir=/mnt/new,workdir=/mnt/work" /mnt/all
		mkdir /mnt/all/dist
		mount --bind "$dist" /mnt/all/dist
		mount -t proc proc /mnt/all/proc
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
		chroot /mnt/all sh -ec "$3" >/mnt/before
		chroot /mnt/all sh -ec 'dpkg --install /dist/moip_*.deb && moip check-config /etc/moip/moip.toml && test -e /etc/systemd/system/multi-user.target.wants/moip.service && dpkg --purge moip' >&2
		chroot /mnt/all sh -ec "$3" >/mnt/after
		cat /mnt/before; echo ===; cat /mnt/after`, "sh", debian(t), dist, everything)
	var faults bytes.Buffer
	nspawn.Stderr = &faults
	out, err := nspawn.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &faults)
	}
	before, after, _ := strings.Cut(string(out), "===\n")
	if left := difference(before, after); len(left) > 0 {
		t.Errorf("what is left: %q", left)
	}
}

// TestExposure holds the unit to the figure in the documentation.
func TestExposure(t *testing.T) {
	doc, err := os.ReadFile("../doc/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	figure := regexp.MustCompile("`systemd-analyze security`[^.]*?([0-9]\\.[0-9])")
	m := figure.FindSubmatch(doc)
	if m == nil {
		t.Fatal("operators.md does not say what systemd-analyze security does")
	}
	most, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", fmt.Sprintf("--threshold=%.0f", most*10), "./moip.service").CombinedOutput(); err != nil {
		t.Errorf("%v: it is more than %.1f\n%s", err, most, out)
	}
}

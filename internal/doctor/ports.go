package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"moip/internal/control/admin"
	"moip/internal/downstream"
	"moip/internal/serial"
)

// checkListen looks whether callers can arrive there.
func checkListen(uri string) check {
	at, err := downstream.ParseAddress(uri)
	name := "listen"
	switch {
	case err != nil: // which its reader would have said
		return always(problem(name, "mend it", "%v", err))
	case at.Scheme == "serial":
		return check{"serial", func(context.Context) []Finding { return []Finding{checkSerial(at.Port)} }}
	}
	return check{name, func(ctx context.Context) []Finding {
		address := net.JoinHostPort(at.Host, at.Port)
		err := canListen(address)
		if err == nil {
			return []Finding{good(name, "%s can be had", uri)}
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			return []Finding{taken(ctx, name, uri, address, at.Scheme == "ws" && !at.TLS)}
		}
		return []Finding{problem(name, whyNot(err), "%s cannot be had: %v", uri, err)}
	}}
}

// canListen returns why an address cannot be listened at.
func canListen(address string) error {
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l.Close()
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok {
		err = failed.Err // we say the rest
	}
	if failed, ok := errors.AsType[*os.SyscallError](err); ok {
		err = failed.Err
	}
	return err
}

// whyNot returns what to do about an address that cannot be listened at.
func whyNot(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "take a port from 1024 on, or allow it: setcap cap_net_bind_service=+ep moip"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "name an address that this machine has, or none for all"
	}
	return "name another address"
}

// taken tells who has an address. If it is a gateway, that is as it should be: whoever
// runs one asks how it is.
func taken(ctx context.Context, name, uri, address string, web bool) Finding {
	owner := ownerOf(address)
	switch {
	case strings.HasPrefix(owner.name, "moip"):
		return good(name, "%s is had by a MoIP that runs (%v)", uri, owner)
	case web && isEmulator(ctx, address):
		return good(name, "%s is had by a MoIP that runs", uri)
	case owner.name != "":
		return problem(name, "give another port, or stop that program", "%s is taken by %v", uri, owner)
	}
	return problem(name, "give another port, or stop what has this one (ss -ltnp tells root what it is)", "%s is taken, and it is not to be seen by whom", uri)
}

// An owner is a program that has a port.
type owner struct {
	name string // "" if it is not known
	pid  int
}

func (o owner) String() string { return fmt.Sprintf("%s, process %d", o.name, o.pid) }

// askTime is how long a program on this machine may take to answer.
const askTime = 2 * time.Second

// isEmulator reports whether there is our Minitel in the browser at an address.
func isEmulator(ctx context.Context, address string) bool {
	body, err := ask(ctx, "http://"+here(address)+"/")
	return err == nil && strings.Contains(body, "<title>Minitel</title>") && strings.Contains(body, `src="main.js"`)
}

// here returns where this machine reaches what listens at an address.
func here(address string) string {
	host, port, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// ask returns the first of what a web server says.
func ask(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	w, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer w.Body.Close()
	body, err := io.ReadAll(io.LimitReader(w.Body, 4<<10))
	return string(body), err
}

// checkAdmin looks at the operators' door, and who is behind it if it is open.
func (o Options) checkAdmin() check {
	const name = "operators"
	address, asked := o.Config.AdminAddress()
	if address == "" {
		return always(good(name, "cannot reach the gateway: admin is none"))
	}
	address, secure := strings.CutPrefix(address, "https://")
	client := admin.NewClient(here(address))
	if secure {
		client = admin.NewClient("https://" + here(address))
	}
	client.TLS = func() (*tls.Config, error) {
		return &tls.Config{InsecureSkipVerify: true}, nil // it is this machine
	}
	return check{name, func(ctx context.Context) []Finding {
		err := canListen(address)
		if err == nil {
			return []Finding{good(name, "%s can be had", address)}
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			ctx, cancel := context.WithTimeout(ctx, askTime)
			defer cancel()
			var there admin.Calls
			switch failed := client.Do(ctx, http.MethodGet, "/calls", nil, &there); { // without a token: it may be anybody
			case failed == nil:
				return []Finding{good(name, "%s is had by a MoIP that runs; calls under way: %d", address, len(there.Calls))}
			case errors.Is(failed, admin.ErrUnknown):
				return []Finding{good(name, "%s is had by a MoIP that runs, and wants to know who asks", address)}
			}
		}
		f := problem(name, "name another with --admin ADDR:PORT, or none", "%s cannot be had: %v", address, err)
		if owner := ownerOf(address); owner.name != "" {
			f.Found += fmt.Sprintf(" (%v)", owner)
		}
		if !asked {
			f.Level = Warning
			f.Found += "; the gateway does without"
		}
		return []Finding{f}
	}}
}

// checkSerial looks at a serial port, without opening it: that might be heard at the
// other end.
func checkSerial(path string) Finding {
	const name = "serial"
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return warning(name, "plug the adapter in; moip serial --list shows the ports there are", "%s is not there; the gateway waits for it", path)
	case err != nil:
		return problem(name, "moip serial --list shows the ports there are", "%s: %v", path, bare(err))
	case info.Mode()&fs.ModeCharDevice == 0:
		return problem(name, "moip serial --list shows the ports there are", "%s is no serial port", path)
	}
	if advice := serial.Denied(path); advice != "" {
		return problem(name, advice, "%s may not be opened", path)
	}
	if program := userOf(path); program != "" && !strings.HasPrefix(program, "moip") {
		return problem(name, "stop that program", "%s is in use by %s", path, program)
	} else if program != "" {
		return good(name, "%s is had by a MoIP that runs (%s)", path, program)
	}
	return good(name, "%s can be had", path)
}

// userOf returns the program that has a serial port open, "" if none is known.
func userOf(path string) string {
	ports, _ := serial.List()
	for _, p := range ports {
		if p.Path == path || p.Stable == path {
			return p.InUse
		}
	}
	return ""
}

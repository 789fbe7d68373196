package serial

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func list() ([]Info, error) { return listBelow("/") }

// listBelow lists the ports of the system whose root is given. The kernel has a
// folder in sysfs for each tty, those without hardware included.
func listBelow(root string) ([]Info, error) {
	entries, err := os.ReadDir(filepath.Join(root, "sys/class/tty"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel without any tty has no folder
		return nil, err
	}
	stable := stablePaths(root)
	var ports []Info
	for _, e := range entries {
		tty := filepath.Join(root, "sys/class/tty", e.Name())
		device, err := filepath.EvalSymlinks(filepath.Join(tty, "device"))
		if err != nil || attribute(tty, "type") == "0" { // a console or such; a UART that was not found
			continue
		}
		path := "/dev/" + e.Name()
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			continue // of the host, not of this container
		}
		port := Info{Path: path, Driver: driver(root, device), Stable: stable[path]}
		port.Name, port.ID = usb(root, device)
		ports = append(ports, port)
	}
	if len(ports) > 0 {
		users := users(root)
		for i := range ports {
			ports[i].InUse = users[ports[i].Path]
		}
	}
	return ports, nil
}

// stablePaths has for each device its link in by-id, which names the adapter by
// maker, product and serial number.
func stablePaths(root string) map[string]string {
	found := map[string]string{}
	const folder = "/dev/serial/by-id"
	links, _ := os.ReadDir(filepath.Join(root, folder))
	for _, l := range links {
		link := filepath.Join(folder, l.Name())
		if target, err := os.Readlink(filepath.Join(root, link)); err == nil {
			found[filepath.Join(folder, target)] = link
		}
	}
	return found
}

// users has for each path who has it open, as far as we may look: of other
// users' programs only root may.
func users(root string) map[string]string {
	found := map[string]string{}
	open, _ := filepath.Glob(filepath.Join(root, "proc/[0-9]*/fd/*"))
	for _, fd := range open {
		path, err := os.Readlink(fd)
		if err != nil || !strings.HasPrefix(path, "/dev/") {
			continue
		}
		process := filepath.Dir(filepath.Dir(fd))
		found[path] = attribute(process, "comm") + ", process " + filepath.Base(process)
	}
	return found
}

// driver is the nearest driver above device. The kernel's port and ctrl, which
// stand between a UART and its driver since Linux 6.5, tell nothing.
func driver(root, device string) string {
	for dir := range upwards(root, device) {
		link, err := os.Readlink(filepath.Join(dir, "driver"))
		if name := filepath.Base(link); err == nil && name != "port" && name != "ctrl" {
			return name
		}
	}
	return ""
}

// usb is what the USB device that has device says of itself.
func usb(root, device string) (name, id string) {
	for dir := range upwards(root, device) {
		vendor := attribute(dir, "idVendor")
		if vendor == "" {
			continue
		}
		name = join(", ", attribute(dir, "product"), attribute(dir, "manufacturer"))
		return name, join(" ", vendor+":"+attribute(dir, "idProduct"), attribute(dir, "serial"))
	}
	return "", ""
}

// upwards goes from dir through the folders above it, to that of all devices.
func upwards(root, dir string) func(yield func(string) bool) {
	top := filepath.Join(root, "sys/devices")
	return func(yield func(string) bool) {
		for ; strings.HasPrefix(dir, top+"/"); dir = filepath.Dir(dir) {
			if !yield(dir) {
				return
			}
		}
	}
}

// attribute is the text of a small file of the kernel's, "" if there is none.
func attribute(dir, name string) string {
	text, _ := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(text))
}

// join joins what is not empty.
func join(between string, parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, between)
}

// holder says who has the port at path.
func holder(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if user := users("/")[path]; user != "" {
		return user + ", has it open"
	}
	return "a modem manager, a terminal program or a getty may have it; `sudo fuser -v " + path + "` tells"
}

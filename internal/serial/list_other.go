//go:build !linux && !windows

package serial

import "path/filepath"

// callout has the names of ports for calling out, which unlike the others do not
// wait for a carrier. They tell of hardware: a device has them while it is there.
var callout = []string{
	"/dev/cu.*",                    // macOS, which names them after the adapter and its serial number
	"/dev/cuau[0-9]", "/dev/cuaU*", // FreeBSD: ports of the machine, adapters
	"/dev/cua0[0-9]", // OpenBSD
}

// list goes by names: the library's enumerator needs cgo on macOS, and does not
// exist on the others.
func list() ([]Info, error) {
	var ports []Info
	for _, pattern := range callout {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			if serviceable(path) {
				ports = append(ports, Info{Path: path})
			}
		}
	}
	return ports, nil
}

// serviceable is false for what is no port with a socket: macOS has some of its
// own, and FreeBSD two more for each port, with settings.
func serviceable(path string) bool {
	switch filepath.Base(path) {
	case "cu.Bluetooth-Incoming-Port", "cu.debug-console", "cu.wlan-debug":
		return false
	}
	switch filepath.Ext(path) {
	case ".init", ".lock":
		return false
	}
	return true
}

func holder(path string) string {
	return "another program has it open; `sudo fuser " + path + "` tells"
}

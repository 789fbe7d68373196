package serial

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plant makes the files of a tree: lines of "path = text" and "path -> target".
func plant(t *testing.T, tree string) (root string) {
	t.Helper()
	root = t.TempDir()
	for line := range strings.Lines(tree) {
		line = strings.TrimSpace(line)
		path, rest, isLink := strings.Cut(line, " -> ")
		if !isLink {
			path, rest, _ = strings.Cut(line, " =")
			rest = strings.TrimSpace(rest)
		}
		path = filepath.Join(root, path)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil && isLink {
			err = os.Symlink(rest, path)
		} else if err == nil {
			err = os.WriteFile(path, []byte(rest+"\n"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// A PC with two adapters, one real port, and what is in every sysfs besides.
const tree = `sys/devices/virtual/tty/tty0/active = tty1
	sys/class/tty/tty0 -> ../../devices/virtual/tty/tty0
	sys/devices/pnp0/00:00/00:00:0/00:00:0.0/tty/ttyS0/type = 4
	sys/devices/pnp0/00:00/00:00:0/00:00:0.0/tty/ttyS0/device -> ../../../00:00:0.0
	sys/devices/pnp0/00:00/00:00:0/00:00:0.0/driver -> ../../../../bus/serial-base/drivers/port
	sys/devices/pnp0/00:00/00:00:0/driver -> ../../../../bus/serial-base/drivers/ctrl
	sys/devices/pnp0/00:00/driver -> ../../../bus/pnp/drivers/serial
	sys/class/tty/ttyS0 -> ../../devices/pnp0/00:00/00:00:0/00:00:0.0/tty/ttyS0
	sys/devices/platform/serial8250/tty/ttyS1/type = 0
	sys/devices/platform/serial8250/tty/ttyS1/device -> ../../../serial8250
	sys/class/tty/ttyS1 -> ../../devices/platform/serial8250/tty/ttyS1
	sys/devices/pci0/usb1/1-2/idVendor = 0403
	sys/devices/pci0/usb1/1-2/idProduct = 6001
	sys/devices/pci0/usb1/1-2/product = FT232R USB UART
	sys/devices/pci0/usb1/1-2/manufacturer = FTDI
	sys/devices/pci0/usb1/1-2/serial = A50285BI
	sys/devices/pci0/usb1/1-2/1-2:1.0/ttyUSB10/driver -> ../../../../../../bus/usb-serial/drivers/ftdi_sio
	sys/devices/pci0/usb1/1-2/1-2:1.0/ttyUSB10/tty/ttyUSB10/device -> ../../../ttyUSB10
	sys/class/tty/ttyUSB10 -> ../../devices/pci0/usb1/1-2/1-2:1.0/ttyUSB10/tty/ttyUSB10
	sys/devices/pci0/usb1/1-3/idVendor = 1a86
	sys/devices/pci0/usb1/1-3/idProduct = 7523
	sys/devices/pci0/usb1/1-3/product = USB Serial
	sys/devices/pci0/usb1/1-3/1-3:1.0/ttyUSB2/driver -> ../../../../../../bus/usb-serial/drivers/ch341-uart
	sys/devices/pci0/usb1/1-3/1-3:1.0/ttyUSB2/tty/ttyUSB2/device -> ../../../ttyUSB2
	sys/class/tty/ttyUSB2 -> ../../devices/pci0/usb1/1-3/1-3:1.0/ttyUSB2/tty/ttyUSB2
	sys/devices/pci0/usb1/1-4/1-4:1.0/ttyUSB3/tty/ttyUSB3/device -> ../../../ttyUSB3
	sys/class/tty/ttyUSB3 -> ../../devices/pci0/usb1/1-4/1-4:1.0/ttyUSB3/tty/ttyUSB3
	dev/tty0 =
	dev/ttyS0 =
	dev/ttyS1 =
	dev/ttyUSB2 =
	dev/ttyUSB10 =
	dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0 -> ../../ttyUSB10
	proc/123/comm = minicom
	proc/123/fd/0 -> /dev/pts/1
	proc/123/fd/3 -> /dev/ttyUSB2
	proc/self/fd/3 -> /dev/ttyS0`

func TestList(t *testing.T) {
	got, err := listBelow(plant(t, tree))
	sortPorts(got)
	if err != nil {
		t.Fatal(err)
	}
	want := []Info{
		{Path: "/dev/ttyS0", Driver: "serial"},
		{Path: "/dev/ttyUSB2", Name: "USB Serial", Driver: "ch341-uart", ID: "1a86:7523", InUse: "minicom, process 123"},
		{Path: "/dev/ttyUSB10", Name: "FT232R USB UART, FTDI", Driver: "ftdi_sio", ID: "0403:6001 A50285BI",
			Stable: "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestListNothing(t *testing.T) {
	if got, err := listBelow(t.TempDir()); len(got) != 0 || err != nil {
		t.Error(got, err)
	}
}

// The machine that runs this has no port that is listed and is none.
func TestListHere(t *testing.T) {
	ports, err := List()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ports {
		if _, err := os.Stat(p.Path); err != nil || !strings.HasPrefix(p.Path, "/dev/") {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

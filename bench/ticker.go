package main

import (
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A ticker ticks more often than a time.Ticker can, which on Linux is once in
// a millisecond. It wakes who waits for it as a socket would.
type ticker struct{ file *os.File }

func newTicker(every time.Duration) (ticker, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return ticker{}, os.NewSyscallError("timerfd_create", err)
	}
	t := unix.NsecToTimespec(int64(every))
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: t, Value: t}, nil); err != nil {
		unix.Close(fd)
		return ticker{}, os.NewSyscallError("timerfd_settime", err)
	}
	return ticker{os.NewFile(uintptr(fd), "timer")}, nil
}

// wait returns how many times it has ticked since it last returned, once it
// has.
func (t ticker) wait() (int, error) {
	var n [8]byte
	_, err := t.file.Read(n[:])
	return int(binary.NativeEndian.Uint64(n[:])), err
}

func (t ticker) close() { t.file.Close() }

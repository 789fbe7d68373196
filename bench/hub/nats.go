package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"time"

	"moip/bench/peer"
)

// nats is a server, as Debian has it.
type nats struct {
	url, address, program, dir string
	process                    *peer.Process
	spent                      time.Duration // by servers that were killed
}

func startNATS(ctx context.Context) (n *nats, err error) {
	n = new(nats)
	if n.program, err = exec.LookPath("nats-server"); err != nil {
		n.program = "/usr/sbin/nats-server" // where Debian has it, and only root looks
	}
	if _, err := os.Stat(n.program); err != nil {
		return nil, errors.New("there is no nats-server (Debian: apt-get install nats-server)")
	}
	if n.address, err = peer.FreeAddr(); err != nil {
		return nil, err
	}
	if n.dir, err = os.MkdirTemp("", "moip-hub-"); err != nil {
		return nil, err
	}
	n.url = "nats://" + n.address
	if err = n.start(ctx); err != nil {
		n.stop()
		return nil, err
	}
	return n, nil
}

// start starts the server, again after kill.
func (n *nats) start(ctx context.Context) (err error) {
	n.process, err = peer.Run(ctx, exec.Command(n.program, "-a", "127.0.0.1", "-p", n.address[len("127.0.0.1:"):], "-js", "-sd", n.dir, "-l", n.dir+"/log"), n.address, n.dir)
	return err
}

func (n *nats) kill() {
	n.spent += n.process.Use().CPU
	n.process.Stop()
	n.process = new(peer.Process)
}

// used is what the servers have spent so far.
func (n *nats) used() time.Duration { return n.spent + n.process.Use().CPU }

func (n *nats) stop() {
	if n.process != nil {
		n.process.Stop()
	}
	os.RemoveAll(n.dir)
}

package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"moip/internal/bus/natsbus"
	"moip/internal/bus/natstest"
	"moip/internal/config"
	"moip/internal/control/cluster"
	"moip/internal/testkit/freeport"
)

// The bus is looked at as a gateway sees it.
func TestCluster(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := natstest.New(t, `authorization { users: [
		{ user: paris, password: "`+secret+`", permissions: { publish: "moip.>", subscribe: "moip.>" } }
		{ user: narrow, password: "`+secret+`", permissions: { publish: "moip.inbox.>", subscribe: "moip.inbox.>" } }
	] }`)
	o := quiet(t)
	c := &o.Config.Cluster
	c.URL, c.User, c.PasswordFile = []string{s.URL}, "paris", write(t, folder, "password", secret)
	if err := os.Chmod(c.PasswordFile, 0o600); err != nil {
		t.Fatal(err)
	}
	says := says(t, o)
	says("ok cluster "+s.URL, "no gateway answers yet")
	joins(t, o.Config, "lyon")
	joins(t, o.Config, "paris")
	says("ok cluster "+s.URL, "2 gateways answer: lyon, paris")
	os.Chmod(c.PasswordFile, 0o644)
	says("warning cluster password_file: "+c.PasswordFile+" can be read", "chmod 640")
	os.Chmod(c.PasswordFile, 0o600)
	c.User = "narrow"
	says("problem cluster", "ermissions", `allow this account to publish and to subscribe to "moip.>"`)
	c.User = "stranger"
	says("problem cluster "+s.URL, "uthorization", "a gateway starts all the same")
	c.PasswordFile = folder + "/none"
	says("problem cluster", "/none: no such file", "a gateway does not start with it")
}

// So is that of the servers inside.
func TestClusterInside(t *testing.T) {
	t.Parallel()
	o := quiet(t)
	c := &o.Config.Cluster
	c.Listen, c.SecretFile = freeport.Addr(t), write(t, t.TempDir(), "secret", secret)
	says := says(t, o)
	says("ok cluster the server inside", "no gateway answers yet")
	joins(t, o.Config, "paris")
	says("ok cluster the server inside", "1 gateway answers: paris")
	other := quiet(t)
	other.Config.Cluster.Listen, other.Config.Cluster.Routes = freeport.Addr(t), []string{c.Listen}
	other.Config.Cluster.SecretFile = write(t, t.TempDir(), "secret", "not-"+secret)
	saysOf(t, other, "warning cluster the server inside", "no other gateway's server can be reached", "the same secret_file")
	other.Config.Cluster.SecretFile = c.SecretFile
	saysOf(t, other, "ok cluster the server inside", "1 gateway answers: paris")
}

func says(t *testing.T, o Options) func(want ...string) {
	return func(want ...string) {
		t.Helper()
		saysOf(t, o, want...)
	}
}

func saysOf(t *testing.T, o Options, want ...string) {
	t.Helper()
	text := ""
	for _, f := range Gateway(t.Context(), o).Findings {
		text += fmt.Sprintln(f.Level, f.Of, f.Found, f.Advice)
	}
	for _, want := range want {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, secret) {
		t.Errorf("a secret is told:\n%s", text)
	}
}

// joins has a gateway on the bus that a configuration names.
func joins(t *testing.T, cfg *config.Config, name string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	o := cfg.Bus(log)
	if cfg.Cluster.Listen != "" {
		server, err := cfg.BusServer(log)
		if err != nil {
			t.Fatal(err)
		}
		if o.Inside, err = natsbus.StartServer(server); err != nil {
			t.Fatal(err)
		}
	}
	b, err := natsbus.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	hub := cluster.New(cluster.Options{Bus: b, Name: name, Log: log, Self: func() cluster.Gateway { return cluster.Gateway{State: "running"} }})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		hub.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		b.Close()
	})
	await(t.Context(), b)
}

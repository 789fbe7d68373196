package test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moip/internal/control/admin"
)

// Two gateways with a NATS server inside each list each other, and try each service of the
// directory by one of them; a third with a name that is taken does not start; and one that is
// killed is shown as silent within some seconds, another tries its services, and it is
// forgotten when an operator says so.
func TestGateways(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var directory strings.Builder
	const services = 6
	for i := range services {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
		fmt.Fprintf(&directory, "[[service]]\ncode = \"S%d\"\nurl = \"tcp://%s\"\nprobe = \"10s\"\n", i, l.Addr())
	}
	if err := os.WriteFile(filepath.Join(dir, "services.toml"), []byte(directory.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	free := ports(t, 3+3)
	routes := strings.Join(free[:3], ",")
	flags := func(i int, name string) []string {
		return []string{"serve", "--tcp", "127.0.0.1:0", "--directory", "services.toml", "--node", name, "--cluster-listen", free[i], "--cluster-routes", routes, "--admin", free[3+i]}
	}
	paris := runsIn(t, dir, flags(0, "paris")...)
	lyon := runsIn(t, dir, flags(1, "lyon")...)
	client := admin.NewClient(free[3])
	list := func() (all admin.Gateways) {
		if err := client.Do(context.Background(), "GET", "/gateways", nil, &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	if !within(func() bool { all := list(); return len(all.Gateways) == 2 && all.Bus != nil && all.Bus.Up }) {
		t.Fatalf("they do not hear each other: %+v\n%s", list(), &paris.log)
	}
	all := list()
	if g := all.Gateways; g[0].Name != "lyon" || g[0].Silent || g[0].State != "running" || !g[1].Self || g[0].Config == "" || g[0].Version == "" {
		t.Errorf("%+v", all)
	}
	if g, err := start(dir, flags(2, "paris")); err == nil {
		g.kill()
		t.Error("a gateway starts whose name is taken")
	} else if !strings.Contains(g.log.String(), "a gateway called paris is running already") {
		t.Errorf("why a gateway does not start: %s", &g.log)
	}

	// All are tried, by one or the other, and each knows all.
	states := func(at string) (by []string) {
		var all admin.Services
		if err := admin.NewClient(at).Do(context.Background(), "GET", "/services", nil, &all); err != nil {
			t.Fatal(err)
		}
		for _, s := range all.Services {
			if s.State != "open" || s.Found.IsZero() {
				return nil
			}
			by = append(by, s.Code+" "+s.By)
		}
		return by
	}
	if !within(func() bool { return slices.Equal(states(free[3]), states(free[4])) && len(states(free[3])) == services }) {
		t.Fatalf("services are known as %v, and as %v", states(free[3]), states(free[4]))
	}

	killed := time.Now()
	lyon.kill()
	if !within(func() bool { return list().Gateways[0].Silent }) {
		t.Fatalf("who is killed is not silent: %+v", list())
	}
	if took := time.Since(killed); took > 18*time.Second {
		t.Errorf("that took %v", took)
	}
	if g := list().Gateways[0]; g.Name != "lyon" || g.Heard.After(killed.Add(time.Second)) {
		t.Errorf("%+v", g)
	}
	if !within(func() bool {
		return !slices.ContainsFunc(states(free[3]), func(s string) bool { return strings.HasSuffix(s, "lyon") })
	}) {
		t.Errorf("services are tried no more: %v", states(free[3]))
	}
	if err := client.Do(context.Background(), "DELETE", "/gateways/lyon", nil, nil); err != nil {
		t.Error(err)
	}
	if len(list().Gateways) != 1 {
		t.Errorf("%+v", list())
	}
}

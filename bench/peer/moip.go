package peer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"moip/bench/load"
)

// moip runs MoIP with all that it does by default, and what the operator of a big hub
// changes: many may call in a second, and type fast. Limits a household do not hold for
// the loopback.
func moip(p Peer, at Place) (*exec.Cmd, error) {
	admin, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	var c strings.Builder
	fmt.Fprintf(&c, "listen = [\"%v://%s/%s\"]\nadmin = %q\n", p.Caller, at.At, at.Query, admin)
	switch {
	case p.Inside: // it has no link
	case at.Link == "":
		fmt.Fprintln(&c, `link = "none"`)
	default:
		fmt.Fprintf(&c, "link = \"ws://%s\"\n", at.Link)
	}
	if !p.Inside {
		fmt.Fprintf(&c, "[portal]\nurl = \"%v://%s\"\n", p.Service, at.Service)
	}
	if p.Caller == load.WSS {
		if err := certify(at.Dir); err != nil {
			return nil, err
		}
		fmt.Fprintln(&c, "[tls]\ncert = [\"cert.pem\"]\nkey = [\"key.pem\"]")
	}
	fmt.Fprintln(&c, "[limits]\nmax_calls = 20000\nnew_calls = 1000000\nkeys = 1000000")
	return exec.Command(at.MoIP, "--config", "moip.toml"), os.WriteFile(filepath.Join(at.Dir, "moip.toml"), []byte(c.String()), 0o600)
}

package doctor

import (
	"context"
	"os"
	"runtime"

	"moip/internal/discreet"
	"moip/internal/policy/token"
)

// tokenChecks are those of the files of tokens.
func (o Options) tokenChecks() (checks []check) {
	c := o.Config
	for _, of := range []struct{ key, file string }{
		{"admin_token_file", c.AdminTokenFile}, {"admin_look_token_file", c.AdminLookTokenFile}, {"link_token_file", c.LinkTokenFile},
		{"cluster.secret_file", c.Cluster.SecretFile},
	} {
		if of.file != "" {
			checks = append(checks, check{"tokens", func(context.Context) []Finding { return []Finding{checkTokens(of.key, of.file)} }})
		}
	}
	return checks
}

func checkTokens(key, file string) Finding {
	const name = "tokens"
	all, err := token.Read(file)
	if err != nil {
		return problem(name, "write one there, as openssl rand -hex 24 makes them", "%s: %v", key, err)
	}
	info, err := os.Stat(file)
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0 {
		return warning(name, "chmod 640 "+file, "%s can be read or written by everybody on this machine (mode %04o)", file, info.Mode().Perm())
	}
	return good(name, "%s in %s", count(len(all), "token"), file)
}

// checkWays looks whether tokens can be read on their way.
func (o Options) checkWays() (found []Finding) {
	if address, _ := o.Config.AdminAddress(); o.Config.AdminInClear() {
		found = append(found, warning("operators", `write admin = "https://`+address+`", unless a VPN or a proxy with TLS is in between`,
			"%s is reached from elsewhere without TLS (admin_plain): tokens can be read on the way", address))
	}
	if o.Config.ClusterInClear() {
		found = append(found, warning("cluster", "write ca, and with listen cert, in [cluster], unless a VPN is in between",
			"what the gateways tell each other, and by what they are known, can be read on the way"))
	}
	if o.Config.LinkInClear() {
		found = append(found, warning("control link", "write wss:// and, for an authority of your own, link_ca",
			"%s has no TLS: its token can be read on the way", discreet.URL(o.Config.LinkURL())))
	}
	return found
}

package gateway

import (
	"fmt"

	"moip/internal/config"
	"moip/internal/control/admin/access"
	"moip/internal/policy/token"
)

// rulesOf returns who may ask for what, as cfg has it, with the tokens that are in its
// files now.
func (g *gateway) rulesOf(cfg *config.Config) (rules access.Rules, err error) {
	rules.Vouch = g.keys.VouchAdmin
	rules.Open, rules.Hosts, rules.Proxies = cfg.AdminOpen(), cfg.AdminHosts, cfg.Proxies.Options()
	if rules.Full, err = tokensOf("admin_token_file", cfg.AdminTokenFile); err != nil {
		return access.Rules{}, err
	}
	rules.Look, err = tokensOf("admin_look_token_file", cfg.AdminLookTokenFile)
	return rules, err
}

func tokensOf(key, file string) ([]token.Token, error) {
	if file == "" {
		return nil, nil
	}
	all, err := token.Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return all, nil
}

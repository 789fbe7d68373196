package config

import (
	"strings"
	"testing"
)

func TestRedirect(t *testing.T) {
	c, err := Parse("moip.toml", []byte("[redirect]\nallow = [\"directory\", \"*.example.org\"]\ndeny = [\"local\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	allow, deny := c.Redirect.Rules()
	if len(allow) != 2 || len(deny) != 1 || deny[0].String() != "local" {
		t.Errorf("the rules are %v, %v", allow, deny)
	}
	c.Portal.URL = "ws://localhost:8765"
	if !c.NeedsDirectory() {
		t.Error("the directory is not needed")
	}
	c.Redirect.Allow = c.Redirect.Allow[1:]
	if c.NeedsDirectory() {
		t.Error("the directory is needed")
	}
}

func TestRedirectIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`allow = ["127.1"]`:                             `moip.toml:2: redirect.allow: "127.1"`,
		`deny = ["directory"]`:                          `moip.toml:2: redirect.deny: directory is for redirect.allow`,
		`deny = ["ftp://*"]`:                            `moip.toml:2: redirect.deny: "ftp://*": the scheme is "ftp"`,
		`only = true`:                                   `moip.toml:2`,
		`allow = "example.org"`:                         `moip.toml:2`,
		`allow = [` + strings.Repeat(`"*",`, 257) + `]`: `moip.toml:2: redirect.allow: 257 rules`,
	} {
		if _, err := Parse("moip.toml", []byte("[redirect]\n"+text+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}

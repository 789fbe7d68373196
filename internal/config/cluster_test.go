package config

import (
	"strings"
	"testing"
)

// What is said of the hub and cannot be is told with the key, what was said, and what to
// say; a secret is not.
func TestClusterFaults(t *testing.T) {
	for text, want := range map[string]string{
		`node = "a.b"`:                      `cluster.node: "a.b" is no name for a gateway`,
		`prefix = "a..b"`:                   `cluster.prefix: "a..b" is none for subjects`,
		`prefix = "moip.>"`:                 `cluster.prefix: "moip.>" is none for subjects`,
		`url = ["http://a:1"]`:              `cluster.url: is not that of a NATS server (write nats://host:4222`,
		`url = ["nats://a,b:4222"]`:         `cluster.url: is not that of a NATS server`,
		`url = ["nats://me:hidden@a:4222"]`: `cluster.url: has a secret in it, which others could see (write user, and its password in password_file`,
		"url = [\"nats://a:4222\"]\nlisten = \"127.0.0.1:6222\"":                        `cluster.listen: there is a NATS to use already (leave out either url or listen)`,
		"url = [\"nats://a:4222\"]\nuser = \"me\"":                                      `cluster.user: needs a password`,
		"url = [\"nats://a:4222\"]\nuser = \"me\"\npassword_file = \"p\"\nnkey = \"n\"": `cluster.user: there is nkey already (leave out one)`,
		"url = [\"nats://a:4222\"]\nkey = \"k\"":                                        `cluster.key: has no certificate (name it: cert)`,
		"url = [\"nats://a:4222\"]\nroutes = [\"b:6222\"]":                              `cluster.routes: is for a NATS server inside`,
		`credentials = "c"`:                                    `cluster.credentials: is for a NATS that runs elsewhere (say where: url)`,
		`secret_file = "s"`:                                    `cluster.secret_file: is for a NATS server inside (say where it listens`,
		`listen = "6222"`:                                      `cluster.listen: "6222" is no address (write host:port`,
		`listen = ":6222"`:                                     `cluster.listen: ":6222" can be reached from elsewhere, and anybody could be a gateway (name a file with a token`,
		`listen = "192.0.2.1:6222"`:                            `can be reached from elsewhere`,
		"listen = \"127.0.0.1:6222\"\nroutes = [\"b:0\"]":      `cluster.routes: "b:0" is no address`,
		"listen = \"127.0.0.1:6222\"\nroutes = [\"x@b:6222\"]": `is no address`,
		"listen = \"127.0.0.1:6222\"\ncert = \"c\"":            `cluster.cert: gateways show each other certificates (name cert and ca, or neither)`,
	} {
		_, err := Parse("moip.toml", []byte("[cluster]\n"+text+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nis told as %v,\nnot as %s", text, err, want)
		} else if strings.Contains(err.Error(), "hidden") {
			t.Errorf("a secret is told: %v", err)
		}
	}
	for _, text := range []string{
		"", `prefix = "hubs.west"`, `url = ["nats://a:4222", "tls://[2001:db8::1]:4222/"]`, "listen = \"127.0.0.1:6222\"", "listen = \"[::1]:6222\"\nroutes = [\"localhost:6223\"]",
		"listen = \"0.0.0.0:6222\"\nsecret_file = \"s\"\ncert = \"c\"\nca = \"a\"", "url = [\"nats://a:4222\"]\ncredentials = \"c\"\nca = \"a\"",
	} {
		if _, err := Parse("moip.toml", []byte("[cluster]\n"+text+"\n")); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestClusterInClear(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                false,
		`url = ["nats://127.0.0.1:4222"]`: false, `url = ["tls://a:4222"]`: false, `url = ["nats://a:4222"]`: true,
		"url = [\"nats://a:4222\"]\nca = \"c\"": false, `listen = "127.0.0.1:1"`: false, "listen = \":1\"\nsecret_file = \"s\"": true,
		"listen = \":1\"\nsecret_file = \"s\"\ncert = \"c\"\nca = \"a\"": false,
	} {
		c, err := Parse("moip.toml", []byte("[cluster]\n"+text+"\n"))
		if err != nil {
			t.Fatal(text, err)
		}
		if c.ClusterInClear() != want {
			t.Errorf("%s: in clear is %v", text, !want)
		}
	}
}

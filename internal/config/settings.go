package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"moip/internal/discreet"
)

// Settings returns the values of all keys as a file has them, by their names, as in
// limits.idle, and of strings what package discreet shows.
func (c *Config) Settings() map[string]any {
	all := map[string]any{}
	each("", reflect.ValueOf(c).Elem(), func(key string, v reflect.Value) { all[key] = plain(v) })
	if c.Portal.Start != "" {
		all["portal.start"] = "(keys)" // a password may be among them
	}
	return all
}

// own are the keys in which gateways of one hub differ as their machines do: addresses,
// names and places of files.
var own = []string{
	"cluster.node", "cluster.listen", "cluster.routes", "cluster.url", "cluster.cert", "cluster.key", "cluster.spool",
	"cluster.credentials", "cluster.nkey", "cluster.user", "cluster.password_file", "cluster.token_file", "cluster.secret_file", "cluster.ca",
	"listen", "admin", "admin_hosts", "cache", "log", "records", "history.file", "bans.file", "shield.file", "recordings.folder",
	"tls.cert", "tls.key", "tls.acme", "tls.acme_folder",
}

// Digest returns a word that is the same for equal configurations, in all but what is each
// gateway's own. What is in the files that keys name is no part of it, nor what Settings hide.
func (c *Config) Digest() string {
	all := c.Settings()
	maps.DeleteFunc(all, func(key string, _ any) bool { return slices.Contains(own, key) })
	text, err := json.Marshal(all) // in the order of the keys
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}

// plain returns a value as text, a number, true or false, or a list of them.
func plain(v reflect.Value) any {
	switch value := v.Interface().(type) {
	case Level:
		return strings.ToLower(value.Level().String())
	case fmt.Stringer:
		return value.String()
	case []string:
		list := []string{}
		for _, s := range value {
			list = append(list, discreet.URL(s))
		}
		return list
	}
	if v.Kind() == reflect.String {
		return discreet.URL(v.String())
	}
	return v.Interface()
}

// With returns c with the values of next for those keys that may change. It tells which
// have changed, and which differ and have not, in the order of their names.
func (c *Config) With(next *Config, may func(key string) bool) (together *Config, changed, left []string) {
	copied := *c
	others := map[string]reflect.Value{}
	each("", reflect.ValueOf(next).Elem(), func(key string, v reflect.Value) { others[key] = v })
	each("", reflect.ValueOf(&copied).Elem(), func(key string, v reflect.Value) {
		switch other := others[key]; {
		case reflect.DeepEqual(v.Interface(), other.Interface()):
		case may(key):
			v.Set(other)
			changed = append(changed, key)
		default:
			left = append(left, key)
		}
	})
	slices.Sort(changed)
	slices.Sort(left)
	return &copied, changed, left
}

// each tells of each key in v, a structure, and of its value.
func each(prefix string, v reflect.Value, tell func(key string, v reflect.Value)) {
	for _, field := range reflect.VisibleFields(v.Type()) {
		name := field.Tag.Get("toml")
		if name == "" {
			continue
		}
		value := v.FieldByIndex(field.Index)
		if value.Kind() == reflect.Struct {
			each(prefix+name+".", value, tell)
		} else {
			tell(prefix+name, value)
		}
	}
}

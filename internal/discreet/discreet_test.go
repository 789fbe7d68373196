package discreet

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestURL(t *testing.T) {
	for url, want := range map[string]string{
		"ws://localhost:8765/":                      "ws://localhost:8765/",
		"ws://me:secret@localhost:8765/":            "ws://localhost:8765/",
		"wss://secret@localhost":                    "wss://localhost",
		"ws://me:se@cret@localhost/":                "ws://localhost/",
		"tcp:me:secret@localhost:4000":              "tcp:localhost:4000",
		"ws:me:secret@localhost:80:/a?b=secret":     "ws:localhost:80:/a?b=...",
		"ws://localhost:80/at@home?a=secret":        "ws://localhost:80/at@home?a=...",
		"ws://[::1]:80?secret@home":                 "ws://[::1]:80?...",
		"ws://h/?token=secret&x=&b=secret;secret":   "ws://h/?token=...&x=&b=...;...",
		"ws://h/?token=secret=?secret#secret":       "ws://h/?token=...#...",
		"https://me:secret@h/list.json#secret?x":    "https://h/list.json#...",
		"ws://mntl.joher.com:2018/?echo":            "ws://mntl.joher.com:2018/?echo",
		"serial:///dev/ttyUSB0?speed=1200&flow=x":   "serial:///dev/ttyUSB0?speed=1200&flow=x",
		"ws://:9001?record=all&proxy=on":            "ws://:9001?record=all&proxy=on",
		"replay:calls/call.cast?speed=2x":           "replay:calls/call.cast?speed=2x",
		"builtin:SALON":                             "builtin:SALON",
		"ws://h/?":                                  "ws://h/?",
		"ws://h/?&":                                 "ws://h/?&",
		"a file@home?":                              "a file@home?",
		"":                                          "",
		"127.0.0.1:8999":                            "127.0.0.1:8999",
		"wss://me:secret@h:9991/ws?echo&pin=secret": "wss://h:9991/ws?echo&pin=...",
	} {
		got := URL(url)
		if got != want || strings.Contains(got, "secret") {
			t.Errorf("%s is shown as %s, want %s", url, got, want)
		}
		if again := URL(got); again != got {
			t.Errorf("%s is shown as %s the second time", got, again)
		}
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		`dial ws://me:secret@h/a?b=secret: refused`:             `dial ws://h/a?b=...: refused`,
		`Get "https://h/x?token=secret": EOF`:                   `Get "https://h/x?token=...": EOF`,
		`GET /ws?token=secret&speed=77 HTTP/1.1`:                `GET /ws?token=...&speed=77 HTTP/1.1`,
		`PID=1,2,CONNECT,ws://me:secret@h/?a=secret,None,[]`:    `PID=1,2,CONNECT,ws://h/?a=...`,
		`Location: wss://me:secret@h/, or http://secret@i?a=b.`: `Location: wss://h/, or http://i?a=....`,
		`is it /there? it is, me@home: yes`:                     `is it /there? it is, me@home: yes`,
		`open /var/log/moip: no such file or directory`:         `open /var/log/moip: no such file or directory`,
	} {
		if got := Text(text); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}

// Of a URL that is made of parts, only what is no secret is shown, in text as alone.
func TestParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z0-9%@:._~!$'()*+,-]{0,8}SECRET[a-z0-9%@:._~!$'()*+,-]{0,8}`)
		scheme := rapid.SampledFrom([]string{"ws", "wss", "telnet", "tcp", "http", "nats"}).Draw(t, "scheme")
		host := rapid.SampledFrom([]string{"h", "h:80", "[::1]:80", "a.example"}).Draw(t, "host")
		shown, url := scheme+"://"+host, scheme+"://"
		if rapid.Bool().Draw(t, "login") {
			url += word.Draw(t, "name") + ":" + word.Draw(t, "password") + "@"
		}
		url += host
		if rapid.Bool().Draw(t, "path") {
			shown, url = shown+"/p", url+"/p"
		}
		between := "?"
		for range rapid.IntRange(0, 3).Draw(t, "values") {
			shown += between + "k=..."
			url += between + "k=" + word.Draw(t, "value")
			between = rapid.SampledFrom([]string{"&", ";"}).Draw(t, "between")
		}
		if got := URL(url); got != shown {
			t.Fatalf("%s is shown as %s, want %s", url, got, shown)
		}
		if got := Text("dial " + url + " fails"); strings.Contains(got, "SECRET") {
			t.Fatalf("%s is shown in %q", url, got)
		}
	})
}

package token

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const secret, other = "0123456789abcdef-of-one", "0123456789abcdef-of-two"

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead(t *testing.T) {
	all, err := Read(file(t, "# of the museum\n"+secret+"\r\n\n  "+other+"  "))
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	for text, want := range map[string]int{
		secret: 0, other: 1, "": -1, secret[:16]: -1, secret + "x": -1, strings.ToUpper(secret): -1, "# of the museum": -1,
	} {
		if got := Find(all, text); got != want {
			t.Errorf("%q is token %d, want %d", text, got, want)
		}
	}
	one, err := ReadOne(file(t, secret))
	if err != nil || one.Authorization() != "Bearer "+secret || one.Secret() != secret || one.IsZero() {
		t.Error(err)
	}
	if Find(nil, "") != -1 || !(Token{}).IsZero() {
		t.Error("none is found where there is none")
	}
}

// What cannot be a token is told by file and line, and not repeated.
func TestReadRefuses(t *testing.T) {
	for path, want := range map[string]string{
		file(t, ""):                              "has 0 tokens",
		file(t, "# nothing\n"):                   "has 0 tokens",
		file(t, "\nhunter2\n"):                   ":2: a token has 16 to 512 characters, and not 7",
		file(t, "hunter2 hunter2 hunter2"):       ":1: a token has no characters but",
		file(t, strings.Repeat("hunter2", 100)):  "and not 700",
		file(t, strings.Repeat(secret+"\n", 65)): "has 65 tokens",
		file(t, strings.Repeat("#", maxFile+1)):  "not a regular file of at most 64 KiB",
		os.DevNull:                               "not a regular file",
		t.TempDir():                              "not a regular file",
		filepath.Join(t.TempDir(), "none"):       "no such file",
	} {
		_, err := Read(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v, want %s", err, want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("told is %v", err)
		}
	}
}

// A token does not show, wherever it is.
func TestHidden(t *testing.T) {
	tok, err := Parse(secret)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Shown  Token
		hidden Token
		all    []Token
	}
	h := holder{tok, tok, []Token{tok}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p"} {
		fmt.Fprintf(&out, verb+"\n", tok)
		fmt.Fprintf(&out, verb+"\n", &tok)
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", &h)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "token", tok, "in", h)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "token", tok, "in", h)
	if err := json.NewEncoder(&out).Encode(h); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
		t.Errorf("it shows:\n%s", text)
	}
	if !strings.Contains(text, hidden) {
		t.Errorf("not even that it is one:\n%s", text)
	}
}

func TestBearer(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer " + secret: secret, "bearer  " + secret + " ": secret, "Bearer": "", "Basic " + secret: "none", "": "none", secret: "none",
	} {
		text, ok := Bearer(header)
		if !ok {
			text = "none"
		}
		if text != want {
			t.Errorf("%q has %q, want %q", header, text, want)
		}
	}
}

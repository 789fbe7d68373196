package terminal

import (
	"strings"
	"testing"
)

func TestScript(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"SALON{Envoi}", "SALON\x13A"},
		{"SALON<Envoi>", "SALON\x13A"},
		{"{connexion/fin}{Repetition}<CR>", "\x13I\x13C\r"},
		{"a{Attente}b{attente}{Attente}c", "a|b||c"},
		{"{Attente}a<Attente>", "|a"},
		{"{{}<<>}>é", "{<}>\x19\x42e"},
	} {
		parts, err := Script(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
		}
		var got []string
		for _, p := range parts {
			got = append(got, string(p))
		}
		if strings.Join(got, "|") != test.want {
			t.Errorf("%s: %q, want %q", test.text, got, test.want)
		}
	}
}

func TestScriptFaults(t *testing.T) {
	for text, want := range map[string]string{
		"SALON{Envoi":         `"{Envoi" has no end`,
		"a<b":                 `"<b" has no end`,
		"{}":                  "there is no name in {}",
		"{Envoyer}":           `there is no key "Envoyer"`,
		"{Envoi><Suite}":      `there is no key "Envoi><Suite"`,
		"\n":                  `there is no key for '\n'`,
		"{" + "x" + "字" + "}": `there is no key "x字"`,
	} {
		if _, err := Script(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzScript(f *testing.F) {
	for _, seed := range []string{"SALON{Envoi}", "<Suite>{Attente}x", "{{}<<>", "{", "<", "é{Fin}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parts, err := Script(text)
		if err != nil {
			return
		}
		if len(parts) > 1+strings.Count(strings.ToLower(text), "attente") {
			t.Errorf("%q has %d parts", text, len(parts))
		}
		if !strings.ContainsAny(text, "{<") && len(text) > 0 && len(parts) != 1 {
			t.Errorf("%q has %d parts", text, len(parts))
		}
	})
}

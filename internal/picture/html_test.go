package picture

import (
	"bytes"
	"encoding/base64"
	"html"
	"image/gif"
	"image/png"
	"regexp"
	"testing"

	"moip/internal/testkit/golden"
)

var embedded = regexp.MustCompile(`data:image/(png|gif);base64,([^"]+)`)

func TestHTML(t *testing.T) {
	s := screenOf(specimen())
	page, err := HTML(s, `<script>"page"</script>`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	golden.CheckText(t, "testdata/specimen.html", embedded.ReplaceAllString(string(page), "data:image/$1;base64,..."))
	for _, found := range embedded.FindAllStringSubmatch(string(page), -1) {
		data, err := base64.StdEncoding.DecodeString(html.UnescapeString(found[2]))
		if err != nil {
			t.Fatal(err)
		}
		decode := png.Decode
		if found[1] == "gif" {
			decode = gif.Decode
		}
		m, err := decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if at, same := equal(m, Image(s, Options{})); !same {
			t.Errorf("the %s differs at %v", found[1], at)
		}
	}
	page, err = HTML(screenOf("</pre><script>"), "A", Options{})
	if err != nil || bytes.Contains(page, []byte("image/gif")) {
		t.Errorf("what does not flash moves: %v\n%s", err, page)
	}
	if !bytes.Contains(page, []byte("Son texte suit")) || bytes.Contains(page, []byte("<script")) {
		t.Errorf("the text is not there, or more than that:\n%s", page)
	}
	page, err = HTML(screenOf("\x0E123"), "A", Options{})
	if err != nil || bytes.Contains(page, []byte("exte")) {
		t.Errorf("mosaics have a text: %v\n%s", err, page)
	}
}

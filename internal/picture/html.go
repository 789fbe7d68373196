package picture

import (
	"bytes"
	"encoding/base64"
	"html/template"
	"image/gif"
	"image/png"

	"moip/videotex"
)

// HTML returns a page of the web, in French, with the picture of the screen and
// its text, if there is any. It needs nothing else, runs no script, and keeps
// still for readers who have asked for less motion.
func HTML(s *videotex.Screen, title string, o Options) ([]byte, error) {
	m := Image(s, o)
	page := struct {
		Title, Text   string
		Width, Height int
		Still         template.URL
		Moving        template.Srcset
	}{Title: title, Text: spoken(s), Width: m.Rect.Dx(), Height: m.Rect.Dy()}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return nil, err
	}
	page.Still = template.URL(dataURL("image/png", b.Bytes()))
	if moving := Still(s, o); len(moving.Image) > 1 {
		b.Reset()
		if err := gif.EncodeAll(&b, moving); err != nil {
			return nil, err
		}
		page.Moving = template.Srcset(dataURL("image/gif", b.Bytes()))
	}
	b.Reset()
	err := webPage.Execute(&b, page)
	return b.Bytes(), err
}

// dataURL returns a URL that is the data itself.
func dataURL(kind string, data []byte) string {
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data)
}

var webPage = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="fr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>
body { margin: 0; background: #222; color: #eee; font: 1rem/1.5 sans-serif; }
figure { margin: 1rem auto; width: min(100%, 960px); }
img { display: block; width: 100%; height: auto; image-rendering: pixelated; }
figcaption { padding: 0.5rem 1rem; }
pre { white-space: pre-wrap; font: inherit; }
</style>
</head>
<body>
<main>
<figure>
<picture>
{{- with .Moving}}
<source media="(prefers-reduced-motion: no-preference)" srcset="{{.}}">
{{- end}}
<img src="{{.Still}}" width="{{.Width}}" height="{{.Height}}" alt="Écran de Minitel : {{.Title}}.{{if .Text}} Son texte suit.{{end}}">
</picture>
{{- with .Text}}
<figcaption>
<details>
<summary>Texte de l’écran</summary>
<pre>{{.}}</pre>
</details>
</figcaption>
{{- end}}
</figure>
</main>
</body>
</html>
`))

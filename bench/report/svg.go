package report

import (
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// An svg is a picture that is being drawn. Text stays text, in the fonts of whoever looks,
// and the colours are theirs too, light or dark.
type svg struct {
	body strings.Builder
}

// Colours on paper: ink ours, what stands beside it other, and lines to read by. The paper
// is drawn, for a page may be dark where its reader's machine is light.
const style = `text{font:13px system-ui,sans-serif;fill:#1f2328}
.title{font-size:15px;font-weight:600}.path{font-weight:600}.faint{font-size:11px;fill:#59636e}
.value{font-variant-numeric:tabular-nums}
.paper{fill:#fff}.grid{stroke:#d9dee3}.range{stroke:#1f2328;stroke-width:1.5}
.ours{fill:#0b6bcb}.other{fill:#9aa4af}
.hollow{fill:#fff;stroke-width:2}.hollow.ours{stroke:#0b6bcb;fill:#fff}.hollow.other{stroke:#9aa4af;fill:#fff}
.line{fill:none;stroke-width:1.5}.line.ours{stroke:#0b6bcb;stroke-width:2.5;fill:none}.line.other{stroke:#8a949e;fill:none}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9da7b3}
.paper{fill:#0d1117}.grid{stroke:#2a313a}.range{stroke:#e6edf3}
.ours{fill:#4aa3ff}.other{fill:#6b7580}
.hollow.ours{stroke:#4aa3ff;fill:#0d1117}.hollow.other{stroke:#6b7580;fill:#0d1117}
.line.ours{stroke:#4aa3ff;fill:none}.line.other{stroke:#8b96a1;fill:none}}
`

// text writes at a place, its start, middle or end there.
func (s *svg) text(x, y float64, class, anchor, text string) {
	fmt.Fprintf(&s.body, `<text x="%s" y="%s"`, at(x), at(y))
	if class != "" {
		fmt.Fprintf(&s.body, ` class="%s"`, class)
	}
	if anchor != "start" {
		fmt.Fprintf(&s.body, ` text-anchor="%s"`, anchor)
	}
	fmt.Fprintf(&s.body, ">%s</text>\n", escape(text))
}

func (s *svg) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(&s.body, `<path d="M%s %sL%s %s" class="%s"/>`+"\n", at(x1), at(y1), at(x2), at(y2), class)
}

// shape draws the area within points, x and y in turn.
func (s *svg) shape(class string, points ...float64) {
	fmt.Fprintf(&s.body, `<path d="M%sZ" class="%s"/>`+"\n", path(points), class)
}

// way draws a line through points.
func (s *svg) way(class, dashes string, points ...float64) {
	if dashes != "" {
		dashes = ` stroke-dasharray="` + dashes + `"`
	}
	fmt.Fprintf(&s.body, `<path d="M%s" class="%s"%s/>`+"\n", path(points), class, dashes)
}

func (s *svg) dot(x, y, radius float64, class string) {
	fmt.Fprintf(&s.body, `<circle cx="%s" cy="%s" r="%s" class="%s"/>`+"\n", at(x), at(y), at(radius), class)
}

// spread draws the line from the least to the most of what was measured.
func (s *svg) spread(from, to, y float64) {
	if to-from < 1 {
		return
	}
	s.line(from, y, to, y, "range")
	s.line(from, y-3, from, y+3, "range")
	s.line(to, y-3, to, y+3, "range")
}

// file returns the picture.
func (s *svg) file(width, height float64, title string) []byte {
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%[1]s" height="%[2]s" role="img">
<title>%s</title>
<style>%s</style>
<rect width="100%%" height="100%%" rx="6" class="paper"/>
%s</svg>
`, at(width), at(height), escape(title), style, s.body.String())
}

func path(points []float64) string {
	var b strings.Builder
	for i := 0; i+1 < len(points); i += 2 {
		if i > 0 {
			b.WriteByte('L')
		}
		b.WriteString(at(points[i]) + " " + at(points[i+1]))
	}
	return b.String()
}

// at is a length in tenths of a pixel.
func at(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text))
	return b.String()
}

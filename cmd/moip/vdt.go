package main

import (
	"bytes"
	"errors"
	"fmt"
	"image/gif"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"moip/internal/picture"
	"moip/internal/recording"
	"moip/videotex"
)

// vdt shows what pages look like.
type vdt struct {
	Files  []string `arg:"" optional:"" name:"file" help:"Pages, as a Minitel receives them, or recordings (.cast); - or none for standard input."`
	Output string   `short:"o" help:"Write to FILE, by its ending: .png (of many pages, too), .gif, .txt, .ansi, .html or .cells.json; an ending alone is standard output. Without it, the pages are shown here." placeholder:"FILE"`
	Speed  int      `help:"Show in a GIF how the page is drawn at so many bit/s." placeholder:"BIT/S"`
	Scale  int      `default:"1" help:"Pixels for a dot of the screen, 1 to 8." placeholder:"N"`
	Grey   bool     `help:"In greys, as on most Minitels."`
	Cursor bool     `help:"Show the cursor, if the page does."`
}

// endings are those of the files that can be written.
var endings = []string{".png", ".gif", ".txt", ".ansi", ".html", ".cells.json"}

// ending returns the one that the output has, or "".
func (v *vdt) ending() string {
	for _, ending := range endings {
		if strings.HasSuffix(strings.ToLower(v.Output), ending) {
			return ending
		}
	}
	return ""
}

// Validate is kong's: what it refuses is a matter of usage.
func (v *vdt) Validate() error {
	ending := v.ending()
	switch {
	case v.Output != "" && ending == "":
		return fmt.Errorf("-o %s: it ends in none of %s; one of these alone is standard output", v.Output, strings.Join(endings, ", "))
	case len(v.Files) > 1 && (ending == ".gif" || ending == ".html" || ending == ".cells.json"):
		return fmt.Errorf("-o %s: it can have one page, not %d; a .png, .txt or .ansi takes many", v.Output, len(v.Files))
	case v.Scale < 1 || v.Scale > 8:
		return fmt.Errorf("--scale: %d is not 1 to 8", v.Scale)
	case v.Speed != 0 && (v.Speed < 75 || v.Speed > 115200):
		return fmt.Errorf("--speed: %d is not 75 to 115200 bit/s", v.Speed)
	case v.Speed != 0 && ending != ".gif":
		return errors.New("--speed: only a GIF moves, as with -o page.gif")
	}
	return nil
}

func (v *vdt) Run(out io.Writer) error {
	pages, err := readPages(v.Files)
	if err != nil {
		return err
	}
	drawn, err := v.draw(pages, colored(out))
	if err != nil {
		return err
	}
	if v.Output == "" || len(v.Output) == len(v.ending()) {
		_, err = out.Write(drawn)
		return err
	}
	return os.WriteFile(v.Output, drawn, 0o666)
}

// colored reports whether out is a terminal that is to have colours.
func colored(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	about, err := f.Stat()
	return err == nil && about.Mode()&os.ModeCharDevice != 0
}

// draw returns what the output is to be. Where it has no ending, that is text,
// with or without colours.
func (v *vdt) draw(pages []page, colored bool) ([]byte, error) {
	o := picture.Options{Scale: v.Scale, Grey: v.Grey, Cursor: v.Cursor}
	p, s := pages[0], pages[0].screen()
	var b bytes.Buffer
	var err error
	switch ending := v.ending(); ending {
	case ".png":
		err = drawPNG(&b, pages, o)
	case ".gif":
		moving := picture.Still(s, o)
		if v.Speed > 0 {
			moving = picture.Film(p.stream, v.Speed, o)
		}
		err = gif.EncodeAll(&b, moving)
	case ".html":
		return picture.HTML(s, p.name, o)
	case ".cells.json":
		s.Indicate('F') // nobody is connected to a page in a file
		return s.JSON(), nil
	default:
		for _, p := range pages {
			if ending == ".ansi" || ending == "" && colored {
				b.WriteString(picture.ANSI(p.screen(), o))
			} else {
				b.WriteString(picture.Text(p.screen()))
			}
		}
	}
	return b.Bytes(), err
}

// drawPNG writes the picture of a page, or one of many.
func drawPNG(w io.Writer, pages []page, o picture.Options) error {
	if len(pages) == 1 {
		return png.Encode(w, picture.Image(pages[0].screen(), o))
	}
	var all []picture.Page
	for _, p := range pages {
		all = append(all, picture.Page{Caption: p.name, Screen: p.screen()})
	}
	sheet, err := picture.Sheet(all, o)
	if err != nil {
		return err
	}
	return png.Encode(w, sheet)
}

// A page is what a terminal is sent.
type page struct {
	name   string // of the file, without its folder and .vdt
	stream []byte
}

// screen returns a terminal's screen that has received the page.
func (p page) screen() *videotex.Screen {
	s := videotex.NewScreen()
	s.Write(p.stream)
	return s
}

func readPages(files []string) (pages []page, err error) {
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, file := range files {
		p, err := readPage(file)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	return pages, nil
}

// largestPage is how much of a file is taken for a page: over an hour at 9600 bit/s.
const largestPage = 4 << 20

// largestRecording is the same for one, which tells its bytes in more of them.
const largestRecording = 64 << 20

func readPage(file string) (page, error) {
	name, from := "page", os.Stdin
	if file != "-" {
		name = filepath.Base(file)
		if end := filepath.Ext(name); strings.EqualFold(end, ".vdt") || strings.EqualFold(end, ".cast") {
			name = strings.TrimSuffix(name, end)
		}
		f, err := os.Open(file)
		if err != nil {
			return page{}, err
		}
		defer f.Close()
		from = f
	}
	isRecording := strings.EqualFold(filepath.Ext(file), ".cast")
	limit := int64(largestPage)
	if isRecording {
		limit = largestRecording
	}
	stream, err := io.ReadAll(io.LimitReader(from, limit+1))
	switch {
	case errors.Is(err, syscall.EISDIR):
		err = fmt.Errorf("%s is a folder (name the pages in it)", file)
	case err == nil && int64(len(stream)) > limit:
		err = fmt.Errorf("%s: over %d MiB is no page", file, limit>>20)
	case err == nil && isRecording:
		stream, err = played(file, stream)
	}
	return page{name, stream}, err
}

// played returns all that a terminal is sent in a recording.
func played(file string, text []byte) (stream []byte, err error) {
	r, err := recording.NewReader(bytes.NewReader(text))
	for err == nil {
		var e recording.Event
		if e, err = r.Next(); e.Kind == recording.Output {
			stream = append(stream, e.Data...)
		}
	}
	if err != io.EOF {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return stream, nil
}

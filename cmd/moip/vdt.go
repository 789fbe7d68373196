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

	"moip/internal/picture"
	"moip/videotex"
)

// vdt shows what pages look like.
type vdt struct {
	Files  []string `arg:"" optional:"" name:"file" help:"Pages, as a Minitel receives them; - or none for standard input."`
	Output string   `short:"o" help:"Write to FILE, by its ending: .png, .gif, .txt, .ansi, .html or .cells.json. Without it, the page is shown here." placeholder:"FILE"`
	Speed  int      `help:"Show in a GIF how the page is drawn at so many bit/s." placeholder:"BAUD"`
	Scale  int      `default:"1" help:"Pixels for a dot of the screen, 1 to 8." placeholder:"N"`
	Grey   bool     `help:"In greys, as on most Minitels."`
	Cursor bool     `help:"Show the cursor, if the page does."`
}

// largestPage is how much of a file is taken for a page: over an hour at 9600 bit/s.
const largestPage = 4 << 20

func (v *vdt) Run(out io.Writer) error {
	if v.Scale < 1 || v.Scale > 8 {
		return fmt.Errorf("--scale: %d is not 1 to 8", v.Scale)
	}
	if v.Speed != 0 && (v.Speed < 75 || v.Speed > 115200) {
		return fmt.Errorf("--speed: %d is not 75 to 115200 bit/s", v.Speed)
	}
	if v.Speed != 0 && v.ending() != ".gif" {
		return errors.New("--speed: only a GIF moves (add -o page.gif)")
	}
	if v.Output != "" && v.ending() == "" {
		return fmt.Errorf("-o %s: the name ends in none of %s", v.Output, strings.Join(endings, ", "))
	}
	pages, err := readPages(v.Files)
	if err != nil {
		return err
	}
	if v.Output == "" {
		return v.show(out, pages)
	}
	drawn, err := v.draw(pages)
	if err != nil {
		return err
	}
	return os.WriteFile(v.Output, drawn, 0o666)
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

func (v *vdt) options() picture.Options {
	return picture.Options{Scale: v.Scale, Grey: v.Grey, Cursor: v.Cursor}
}

// show writes the pages on the terminal, or as text where out is none.
func (v *vdt) show(out io.Writer, pages []page) error {
	colors := isTerminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	for _, p := range pages {
		text := picture.Text(p.screen())
		if colors {
			text = picture.ANSI(p.screen(), v.options())
		}
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	return nil
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	about, err := f.Stat()
	return err == nil && about.Mode()&os.ModeCharDevice != 0
}

// draw returns what the output is to be.
func (v *vdt) draw(pages []page) ([]byte, error) {
	if len(pages) > 1 {
		return v.sheet(pages)
	}
	p, s := pages[0], pages[0].screen()
	var b bytes.Buffer
	var err error
	switch v.ending() {
	case ".png":
		err = png.Encode(&b, picture.Image(s, v.options()))
	case ".gif":
		moving := picture.Still(s, v.options())
		if v.Speed > 0 {
			moving = picture.Film(p.stream, v.Speed, v.options())
		}
		err = gif.EncodeAll(&b, moving)
	case ".txt":
		b.WriteString(picture.Text(s))
	case ".ansi":
		b.WriteString(picture.ANSI(s, v.options()))
	case ".html":
		return picture.HTML(s, p.name, v.options())
	case ".cells.json":
		s.Indicate('F') // nobody is connected to a page in a file
		return s.JSON(), nil
	}
	return b.Bytes(), err
}

// sheet returns the picture of many pages.
func (v *vdt) sheet(pages []page) ([]byte, error) {
	if v.ending() != ".png" {
		return nil, fmt.Errorf("-o %s: it can have one page, not %d (a .png takes many)", v.Output, len(pages))
	}
	var all []picture.Page
	for _, p := range pages {
		all = append(all, picture.Page{Caption: p.name, Screen: p.screen()})
	}
	sheet, err := picture.Sheet(all, v.options())
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = png.Encode(&b, sheet)
	return b.Bytes(), err
}

// A page is what a terminal is sent.
type page struct {
	name   string // of the file, without its folder and ending
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

func readPage(file string) (page, error) {
	name, from := "page", os.Stdin
	if file != "-" {
		name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		f, err := os.Open(file)
		if err != nil {
			return page{}, err
		}
		defer f.Close()
		from = f
	}
	stream, err := io.ReadAll(io.LimitReader(from, largestPage+1))
	if err == nil && len(stream) > largestPage {
		err = fmt.Errorf("%s: over %d MiB is no page", file, largestPage>>20)
	}
	return page{name, stream}, err
}

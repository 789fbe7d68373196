package videotex

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// look describes what s shows, a line for each run of cells that look alike:
// place, kind, ink/paper, attributes and text. What is blank is left out.
func look(s *Screen) string {
	var b strings.Builder
	row, column, on := s.Cursor()
	fmt.Fprintf(&b, "cursor %d,%d %v\n", row, column, on)
	for row := range 25 {
		cells := s.row(row)
		for x := 0; x < len(cells); {
			first := cells[x]
			at, text := x, ""
			for ; x < len(cells) && alike(cells[x], first); x++ {
				if c := cells[x]; kind(c) == "drcs " {
					text += string(rune(c.Code))
				} else {
					text += string(c.Rune())
				}
			}
			looks := fmt.Sprintf("%s%d/%d%s", kind(first), first.Ink, first.Paper, letters(first.Attr))
			if looks == "mosaic 7/0" || row == 0 && looks == "7/0" {
				if text = strings.TrimRight(text, " "); text == "" {
					continue
				}
			}
			fmt.Fprintf(&b, "%d,%d %s %q\n", row, at+1, looks, text)
		}
	}
	return b.String()
}

// alike reports whether two cells differ by their character only.
func alike(a, b Cell) bool {
	return kind(a) == kind(b) && a.Ink == b.Ink && a.Paper == b.Paper && a.Attr == b.Attr
}

func kind(c Cell) string {
	switch c.Set {
	case G1:
		return "mosaic "
	case Drcs0, Drcs1:
		return "drcs "
	case Delimiter:
		return "delimiter "
	}
	return ""
}

// letters has one letter for each attribute, in their order.
func letters(a Attr) string {
	var b strings.Builder
	for i, r := range "FIMUSWTRB+" {
		if a&(1<<i) != 0 {
			if b.Len() == 0 {
				b.WriteByte(' ')
			}
			b.WriteRune(r)
		}
	}
	return b.String()
}

func screenOf(stream string) *Screen {
	s := NewScreen()
	s.Write([]byte(stream))
	return s
}

// TestScreen has one line for each rule, with what shows apart from the cursor.
func TestScreen(t *testing.T) {
	for _, test := range []struct{ rule, stream, want string }{
		{"characters of G0", "^_`{|}~\x7F", `1,1 7/0 "↑_─▏|▕▔█"`},
		{"characters of G2", "\x19\x23\x19\x27\x19\x2C\x19\x2D\x19\x2E\x19\x2F\x19\x30\x19\x38\x19\x3D\x19\x6A\x19\x7B", `1,1 7/0 "£§←↑→↓°÷½Œß"`},
		{"SYN is SS2", "\x16\x7A", `1,1 7/0 "œ"`},
		{"what G2 does not have", "\x19\x21\x19\x70", `1,1 7/0 "__"`},
		{"accents", "\x19Aa\x19Be\x19Cu\x19Hi\x19Kc", `1,1 7/0 "àéûïç"`},
		{"accents the terminal does not have", "\x19BE\x19Bx\x19Ca", `1,1 7/0 "Exâ"`},
		{"bit 7 is no part of a code", "\xC1\xB1", `1,1 7/0 "A1"`},
		{"mosaics", "\x0E!*j5`\x5F\x7F", `1,1 mosaic 7/0 "🬀🬉▐▌🬞██"`},
		{"no G2 among mosaics", "\x0E\x19!", `1,1 mosaic 7/0 "🬀"`},
		{"separated mosaics", "\x0E\x1BZ!\x1BY!", `1,1 mosaic 7/0 S "🬀"; 1,2 mosaic 7/0 "🬀"`},

		{"ink, flash, inversion", "\x1BAA\x1BHB\x1B]C\x1BI\x1B\\D", `1,1 1/0 "A"; 1,2 1/0 F "B"; 1,3 1/0 FI "C"; 1,4 1/0 "D"`},
		{"paper waits for a space", "\x1BQA B", `1,1 7/0 "A"; 1,2 delimiter 1/1 I " "; 1,3 7/1 "B"`},
		{"a second space starts nothing", "\x1BQ  ", `1,1 delimiter 1/1 I " "; 1,2 7/1 " "`},
		{"the order again does", "\x1BQ \x1BQ ", `1,1 delimiter 1/1 I "  "`},
		{"an inverted delimiter has the colour of ink", "\x1B]\x1BA\x1BR ", `1,1 delimiter 1/2 I " "`},
		{"underline", "\x1BZ A\x1BY B", `1,1 delimiter 0/0 I " "; 1,2 7/0 U "A"; 1,3 delimiter 0/0 I " "; 1,4 7/0 "B"`},
		{"a zone ends with its row", "\x1FAg\x1BQ AB", `1,39 delimiter 1/1 I " "; 1,40 7/1 "A"; 2,1 7/0 "B"`},
		{"mosaics take paper at once, text after them too", "\x1BQ\x0E!\x0FA", `1,1 mosaic 7/1 "🬀"; 1,2 7/1 "A"`},
		{"mosaics leave no zone waiting", "\x1BQ\x0E!\x0F B", `1,1 mosaic 7/1 "🬀"; 1,2 7/1 " B"`},
		{"separation is no zone", "\x0E\x1BZ\x1BY\x0F A", `1,1 7/0 " A"`},
		{"mosaics end underline", "\x1BZ A\x0E!\x0FB", `1,1 delimiter 0/0 I " "; 1,2 7/0 U "A"; 1,3 mosaic 7/0 "🬀"; 1,4 7/0 "B"`},
		{"what is blank ends a zone", "\x1BQ A\x1FAEB", `1,1 delimiter 1/1 I " "; 1,2 7/1 "A"; 1,5 7/0 "B"`},
		{"text takes the zone it is written in", "\x1BQ ABC\x1FABx", `1,1 delimiter 1/1 I " "; 1,2 7/1 "xBC"`},
		{"over a delimiter, the zone on the left comes in", "\x1BQ A\x1BR B\x1FACx", `1,1 delimiter 1/1 I " "; 1,2 7/1 "AxB"`},
		{"US drops a zone that waits", "\x1BQ\x1FAA A", `1,1 7/0 " A"`},
		{"masking", "\x1BX A\x1B_ B", `1,1 delimiter 0/0 IM " "; 1,2 7/0 M "A"; 1,3 delimiter 0/0 I " "; 1,4 7/0 "B"`},
		{"masking goes on over mosaics", "\x1BX \x0E!", `1,1 delimiter 0/0 IM " "; 1,2 mosaic 7/0 M "🬀` + strings.Repeat(" ", 38) + `"`},
		{"SO and SI end size and inversion", "\x1B]\x1BNA\x0EA\x0FA", `1,1 7/0 IW "A"; 1,2 7/0 IWR "A"; 1,3 mosaic 7/0 "🬟"; 1,4 7/0 "A"`},
		{"so does SI among text", "\x1B]\x1BNA\x0FB", `1,1 7/0 IW "A"; 1,2 7/0 IWR "A"; 1,3 7/0 "B"`},
		{"among mosaics neither can be had", "\x0E\x1B]\x1BN\x0FA", `1,1 7/0 "A"`},
		{"but flash can", "\x0E\x1BH!\x0FA", `1,1 mosaic 7/0 F "🬀"; 1,2 7/0 F "A"`},

		{"double height grows upwards", "\n\x1BMA", `1,1 7/0 T "A"; 2,1 7/0 TB "A"`},
		{"double size", "\n\x1BOA", `1,1 7/0 WT "A"; 1,2 7/0 WTR "A"; 2,1 7/0 WTB "A"; 2,2 7/0 WTRB "A"`},
		{"not on row 1", "\x1BM\x1BOA", `1,1 7/0 "A"`},
		{"nor by an order given there", "\x1BM\nA", `2,1 7/0 "A"`},
		{"nor after a move to it", "\n\x1BO\x0BA", `1,1 7/0 "A"`},
		{"double width at column 40", "\n\x1FAh\x1BNA", `1,40 7/0 "A"`},
		{"double size at column 40", "\x1FBh\x1BOA", `1,40 7/0 T "A"; 2,40 7/0 TB "A"`},
		{"a right half stays, in the size of what is written there", "\x1BNA\x08\x1BL\x1BAB", `1,1 7/0 W "A"; 1,2 1/0 R "A"`},
		{"even under a mosaic", "\x1BNA\x08\x0E\x1BZ!", `1,1 7/0 W "A"; 1,2 7/0 R "A"`},
		{"an upper half alone", "\n\x1BMA\r\x1BLB", `1,1 7/0 T "A"; 2,1 7/0 "B"`},
		{"two over each other", "\n\x1BMA\n\rB", `1,1 7/0 T "A"; 2,1 7/0 TB "B"; 3,1 7/0 T "B"`},
		{"a tall delimiter", "\n\x1BQ\x1BM A", `1,1 delimiter 1/1 I " "; 1,2 7/1 T "A"; 2,1 delimiter 1/1 I " "; 2,2 7/1 TB "A"`},

		{"REP", "A\x12CB", `1,1 7/0 "AAAAB"`},
		{"REP of none", "A\x12@B", `1,1 7/0 "AB"`},
		{"REP with other attributes and set", "!\x1BA\x0E\x12A", `1,1 7/0 "!"; 1,2 mosaic 1/0 "🬀"`},
		{"REP of a letter with its accent", "\x19Be\x12B", `1,1 7/0 "ééé"`},
		{"REP of such among mosaics", "\x19Be\x0E\x12A\x0F\x19BE\x0E\x12A", `1,1 7/0 "ééEE"`},
		{"REP of a delimiter repeats a space", "\x1BQ \x12A", `1,1 delimiter 1/1 I " "; 1,2 7/1 " "`},
		{"REP of what is gone", "A\x0C\x12A", `1,1 7/0 "A"`},
		{"REP of nothing", "\x12E", ``},
		{"SUB", "\x1A\x0E\x1A", `1,1 7/0 "█"; 1,2 mosaic 7/0 "█"`},
		{"CAN", "\x1FAd\x1BAA\x18", `1,36 1/0 "A    "`},
		{"CAN among mosaics", "\x1FAf\x1BQ\x0E\x18", `1,38 mosaic 7/1 "   "`},
		{"CAN starts no zone", "\x1FAg\x1BQ\x18A B", `1,39 7/0 "A"; 1,40 delimiter 1/1 I " "; 2,1 7/0 "B"`},

		{"at the end of the page", "\x1FXhAB", `1,1 7/0 "B"; 24,40 7/0 "A"`},
		{"at the end of the page, double height", "\x1FXh\x1BMAB", `1,1 7/0 T "B"; 2,1 7/0 TB "B"; 23,40 7/0 T "A"; 24,40 7/0 TB "A"`},
		{"at the end of a row, double height", "\x1FBh\x1BMAB", `1,40 7/0 T "A"; 2,40 7/0 TB "A"; 3,1 7/0 T "B"; 4,1 7/0 TB "B"`},
		{"scrolling up", "\x1B:iC\x1FBAA\x1FXA\nB", `1,1 7/0 "A"; 24,1 7/0 "B"`},
		{"scrolling down", "\x1B:iC\x1FAAA\x0B\rB", `1,1 7/0 "B"; 2,1 7/0 "A"`},
		{"scrolling two rows", "\x1B:iC\x1FXh\x1BMAB", `21,40 7/0 T "A"; 22,40 7/0 TB "A"; 23,1 7/0 T "B"; 24,1 7/0 TB "B"`},
		{"no scrolling any more", "\x1B:iC\x1B:jC\x1FXA\nB", `1,1 7/0 "B"`},
		{"back over the start of the page", "\x1FAA\x08A", `24,40 7/0 "A"`},
		{"obsolete US", "\x1F03A", `3,1 7/0 "A"`},
		{"US to nowhere", "A\x1FZZB", `1,1 7/0 "AB"`},
		{"US resets all", "\x1BA\x1BH\x1BN\x0E\x1FBAA", `2,1 7/0 "A"`},
		{"so does RS", "\x1BA\x0E\x1EA", `1,1 7/0 "A"`},

		{"CSI moves", "\x1B[3B\x1B[CA\x1B[9A\x1B[DB\x1B[2;3HC", `1,2 7/0 "B"; 2,3 7/0 "C"; 4,2 7/0 "A"`},
		{"CSI to nowhere", "\x1B[25;1HA\x1B[1;41HB", `1,1 7/0 "AB"`},
		{"CSI K", "ABCD\x1B[2D\x1B[1K", `1,4 7/0 "D"`},
		{"CSI J", "A\nB\nC\x1B[A\x1B[J", `1,1 7/0 "A"; 2,2 7/0 "B"`},
		{"CSI 2 K", "A\nB\x1B[2K", `1,1 7/0 "A"`},
		{"CSI 1 J", "A\nBC\nD\x1B[A\x1B[3D\x1B[1J", `2,3 7/0 "C"; 3,4 7/0 "D"`},
		{"CSI 2 J", "A\nB\x1B[2JC", `2,3 7/0 "C"`},
		{"CSI J leaves row 00", "\x1F@Aa\nB\x1B[2J", `0,1 7/0 "a"`},
		{"CSI P", "ABCD\r\x1B[2P", `1,1 7/0 "CD"`},
		{"CSI @", "AB\r\x1B[@", `1,2 7/0 "AB"`},
		{"CSI L and M", "A\n\rB\x1B[LX\n\n\x1B[99MY", `1,1 7/0 "A"; 2,1 7/0 "X"; 3,1 7/0 "B"; 4,1 7/0 "Y"`},
		{"insertion", "AB\r\x1B[4hX\x1B[4lY", `1,1 7/0 "XYB"`},
		{"no insertion on row 00", "\x1B[4h\x1F@Bb\x1F@Aa\n", `0,1 7/0 "ab"`},
		{"CSI of another kind", "\x1B[?4hA\x1B[4!hB\x1B[4;;;5fC", `1,1 7/0 "ABC"`},

		{"row 00", "\x1FBB\x1BA\x0E!\x1F@Ab\x0A!", `0,1 7/0 "b"; 2,2 mosaic 1/0 "🬀🬀"`},
		{"row 00 as PyMoIP goes there", "A\x1F00b\nB", `0,1 7/0 "b"; 1,1 7/0 "AB"`},
		{"row 00 twice", "A\x1F@Ab\x1F@Bc\nB", `0,1 7/0 "bc"; 1,1 7/0 "AB"`},
		{"a zone waits for the return", "\x1BQ\x1F@Ab \nA ", `0,1 7/0 "b"; 1,1 7/0 "A"; 1,2 delimiter 1/1 I " "`},
		{"row 00 and moves", "\x1F@B\x0B\x08\x08\x1B[Bb\x1F@h\x09cd\n", `0,1 7/0 "b` + strings.Repeat(" ", 38) + `d"`},
		{"row 00 stays when the page is cleared", "\x1F@Ab\x0CA", `0,1 7/0 "b"; 1,1 7/0 "A"`},
		{"zones run on over row 00", "\x1F@b\x1BQ A\n", `0,34 delimiter 1/1 I " "; 0,35 7/1 "A     "`},

		{"redefined text", "\x1B(\x20B\x21A \x7F\x19Be\x19\x23\x1B(@A", `1,1 drcs 7/0 "!A"; 1,3 7/0 " █"; 1,5 drcs 7/0 "e"; 1,6 7/0 "£A"`},
		{"redefined mosaics", "\x1B)\x20C\x1BQ\x0EA\x1B)cA\x0FA", `1,1 drcs 7/1 "A"; 1,2 mosaic 7/1 "🬟"; 1,3 7/1 "A"`},
		{"redefined mosaics are never separated", "\x1B)\x20C\x0E\x1BZA\x20", `1,1 drcs 7/0 "A"; 1,2 mosaic 7/0 S " "`},
		{"none on row 00", "\x1B(\x20B\x1B)\x20C\x1F@AA\x0E!\nA", `0,1 7/0 "A"; 0,2 mosaic 7/0 "🬀"; 1,1 drcs 7/0 "A"`},
		{"80 columns and back", "\x1F@Aa\n\x1BAA\x1B:2}B\x1B:2~C", `1,1 7/0 "C"`},
		{"Téléinformatique and back", "A\x1B:1}B\x1B:2~\x1B[?{C", `1,1 7/0 "C"`},
		{"back by reset", "A\x1B:2}B\x1B9\x7FC", `1,1 7/0 "C"`},
		{"what of a load survives 80 columns", "\x1F\x23A0\x60\x1FAA\x1B(\x20B\x1B:2}B\x1B:2~A\x1B(\x20BA", `1,1 7/0 "A"; 1,2 drcs 7/0 "A"`},
		{"masking waits for a space, also after mosaics", "\x1BX\x0E!\x0FA B", `1,1 mosaic 7/0 "🬀"; 1,2 7/0 "A"; 1,3 delimiter 0/0 IM " "; 1,4 7/0 M "B"; 1,5 mosaic 7/0 M "` + strings.Repeat(" ", 36) + `"`},
		{"reset", "A\x1BA\x1BQ\x1B]\x1B9\x7FB C", `1,1 7/0 "AB C"`},
		{"reset on row 00", "\x1FBB\x1F@Aa\x1B9\x7Fb", `0,1 7/0 "a"; 2,2 7/0 "b"`},
		{"back from nowhere", "A\x1B[?{\x1B:2~C", `1,1 7/0 "C"`},
	} {
		_, got, _ := strings.Cut(look(screenOf(test.stream)), "\n")
		if got := strings.ReplaceAll(strings.TrimSpace(got), "\n", "; "); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.rule, got, test.want)
		}
	}
}

// TestEncodedText checks that all Encode has a form for shows as what it is.
func TestEncodedText(t *testing.T) {
	for r := range accents {
		if got := screenOf(string(Encode(string(r)))).Cell(1, 1).Rune(); got != r {
			t.Errorf("%c shows as %c", r, got)
		}
	}
}

func TestScreenCursor(t *testing.T) {
	for _, test := range []struct {
		stream      string
		row, column int
		on          bool
	}{
		{"", 1, 1, false},
		{"AB\x11", 1, 3, true},
		{"\x11AB\x14\r", 1, 1, false},
		{"\x1FAh\x09", 2, 1, false},
		{"\x1FXA\n", 1, 1, false},
		{"\x1FCC\x0B", 2, 3, false},
		{"\x1FBA\x08", 1, 40, false},
		{"\x1F@D", 0, 4, false},
		{"\x1FEE\x1F@D\n", 5, 5, false},
		{"\x1FEE\x1F@D\x1E", 1, 1, false},
		{"\x1FEE\x1B[L", 5, 1, false},
		{"\x1FEE\x1B:2}", 1, 1, true},
		{"\x1FEE\x11\x1B9\x7F", 5, 5, false},
		{"\x1B:2}\x1B[5;5H\x1B9\x7F", 1, 1, false},
		{"\x1B:2}\x14", 1, 1, true},
		{"\x1B:2}\x1B[2;80HAB", 2, 80, true},
		{"\x1B:2}\x1B[1;80H\n\x0B\x0C\r", 4, 1, true},
		{"\x1B:2}\x08\x09\x09", 1, 17, true},
		{"\x1B:2}\x1B[1;79H\x09", 1, 80, true},
		{"\x1B:2}\x1FCC\x1F\x23A", 1, 1, true},
		{"\x1B:2}\x1B[9;9H\x1F@\x7Fab\x0C\x1E\x1FAA\x1B[5D", 0, 65, true},
		{"\x1B:2}\x1B[9;9H\x1F@Aab\n", 9, 9, true},
		{"\x1B:2}\x1B[3;3H\x1BD\x1BD\x1BE\x1BM", 5, 1, true},
		{"\x1B:2}\x1B[3;3H\x1B7\x1B[H\x1B8", 3, 3, true},
		{"\x1B:2}\x1B[3;3H\x1B8", 1, 1, true},
		{"\x1B:2}\x1B[25;1H\x1B[1;81H\x1B[99B\x1B[99C", 24, 80, true},
	} {
		if row, column, on := screenOf(test.stream).Cursor(); row != test.row || column != test.column || on != test.on {
			t.Errorf("%q: cursor %d,%d %v", test.stream, row, column, on)
		}
	}
}

func TestScreenReplies(t *testing.T) {
	for _, test := range []struct{ stream, want string }{
		{"\x1B9{", "\x01Cu<\x04"},
		{"\x1FE\x1B9{PA\x1Ba", "\x01Cu<\x04\x1FEQ"}, // amid another sequence
		{"\x1F@E\x1Ba", "\x1F@E"},
		{"\x05", ""},
		{"\x1B9p\x1B9r\x1B9t\x1B9v", "\x1B:qZ\x1B:s@\x1B:ud\x1B:wC"},
		{"\x1B:iC\x1B:iE\x1B:jC\x1B:jD", "\x1B:sB\x1B:sJ\x1B:sH\x1B:sH"},
		{"\x1B;iYA\x1B;iYC\x1B:rY\x1B;jYA", "\x1B;sYA\x1B;sYE\x1B;sYE\x1B;sYD"},
		{"\x1B:iD\x1B9\x7F\x1B9r\x1B:jD\x1B:iF", "\x1B:sD\x13^\x1B:sD\x1B:s@\x1B:s@"},
		{"\x1B;aXQ\x1B;`XR\x1B:bX\x1B;`TR", "\x1B;cXG\x1B;cXC\x1B;cXC"},
		{"\x1B:bP\x1B:bQ\x1B:bR\x1B:bS\x1B:bT", "\x1B;cPA\x1B;cQF\x1B;cRM\x1B;cSL"},
		{"\x1B;`XP\x1B;aZP", "\x1B;cXD\x1B;cZN"}, // the screen blocked; no such route
		{"\x1B:eZ\x1B:dZ", "\x1B:wB\x1B:wC"},
		{"\x1B:dR\x1B:iC\x1B;iYA\x1B;`XR\x1B9r\x1B9v\x1B:dS\x1B:eR\x1B:jC", "\x1B:sB\x1B:wG\x1B:wC\x1B:s@"},
		{"\x1B:dR\x1B:iD\x1B:iC\x1B:jD", "\x1B:sD\x1B:sB"}, // the correction of errors is acknowledged always
		{"\x1B:|j\x1B:|l", "\x13\\\x13\\"},
		{"\x1B:rX\x1B:rZ\x1B;jXA\x1B:kd", ""},          // a Minitel 1B has none
		{"\x1B:f\x03\x1B9{\x1B9{", "\x13W\x01Cu<\x04"}, // the first ENQROM is not one
		{"\x1B:f\x02\x1B\x00\x00\x00{\x1B9{", "\x13W\x01Cu<\x04"},
		{"\x1B:f\x01\x1Ba\x1Ba", "\x13W\x1FAA"}, // nor is the first request whose ESC has passed
		{"\x1B:2}\x1B9r\x1B:rY\x1B[2;80H\x1Ba\x1B:jC\x1B:2~\x1B9r\x1B:rY", "\x13p\x1B:sK\x1B;sYA\x1FB\x10\x1B:sI\x13q\x1B:s@\x1B;sY@"},
		{"\x1B:1}\x1B9p\x1B:rY\x1Ba", "\x1B[?z"},
		{"\x1B:iE\x1B:1}\x1B[?{\x1B9r", "\x1B:sH\x1B[?z\x13^\x1B:s@"},
		{"\x1B:1}\x1B9{\x1B[?{\x1B[?{", "\x1B[?z\x13^"},
		{"\x1B:iC\x1B9\x7F\x1B9r", "\x1B:sB\x13^\x1B:s@"},
		{"\x1B:AA\x1B9\x00\x1B;\x00\x00\x00", ""},
	} {
		if got := screenOf(test.stream).Replies(); string(got) != test.want {
			t.Errorf("%q: answers %q, want %q", test.stream, got, test.want)
		}
	}

	s := NewScreen()
	s.Identify('B', 'z', '6')
	s.Write([]byte("\x1B9\x7F\x1B9{"))
	if got := s.Replies(); string(got) != "\x13^\x01Bz6\x04" {
		t.Errorf("answers %q", got)
	}
	s.Write([]byte("\x05\x1B:rX\x1B;jXA\x1B:rX\x1B:rZ\x1B:iF"))
	if got := s.Replies(); string(got) != "\x01\x04\x1B;sXA\x1B;sX@\x1B;sX@\x1B;sZ@" {
		t.Errorf("a Minitel 12 answers %q", got)
	}
	s.Write(bytes.Repeat([]byte("\x1B9{"), 1000))
	if got := s.Replies(); len(got) > maxReplies || len(got) < maxReplies-4 || !bytes.HasSuffix(got, []byte("Bz6\x04")) {
		t.Errorf("%d bytes of answers", len(got))
	}
	if got := s.Replies(); len(got) > 0 {
		t.Errorf("answers again %q", got)
	}
}

func TestGlyph(t *testing.T) {
	const (
		text     = "\x1F\x23\x20\x20\x20\x42\x49"
		mosaics  = "\x1F\x23\x20\x20\x20\x43\x49"
		diagonal = "\x60\x44\x40\x60\x44\x40\x60\x44\x40\x60\x46\x40\x50\x40" // 8 rows of 8, and 2 more
		done     = "\x1FAA"
	)
	diagonalGlyph := Glyph{0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01, 0x80, 0x40}
	for _, test := range []struct {
		what, stream string
		set          Set
		code         byte
		want         Glyph
	}{
		{"one", text + "\x1F\x23A0" + diagonal + "0" + done, Drcs0, 'A', diagonalGlyph},
		{"of the other set", mosaics + "\x1F\x23A0" + diagonal + "0" + done, Drcs1, 'A', diagonalGlyph},
		{"not of this one", mosaics + "\x1F\x23A0" + diagonal + "0" + done, Drcs0, 'A', Glyph{}},
		{"without header", "\x1F\x23A0" + diagonal + "0" + done, Drcs0, 'A', diagonalGlyph},
		{"without end", "\x1F\x23A0" + diagonal + done, Drcs0, 'A', diagonalGlyph},
		{"the next", "\x1F\x23A0" + "\x7F0" + diagonal + done, Drcs0, 'B', diagonalGlyph},
		{"short", "\x1F\x23A0" + "\x7F\x7F0" + diagonal + done, Drcs0, 'A', Glyph{0xFF, 0xF0}},
		{"long", "\x1F\x23A0" + diagonal + "\x7F\x7F" + done, Drcs0, 'A', diagonalGlyph},
		{"again", "\x1F\x23A0" + diagonal + "\x1F\x23A0\x60" + done, Drcs0, 'A', Glyph{0x80}},
		{"end of the set", "\x1F\x23~0" + "\x600" + "\x70" + done, Drcs0, '~', Glyph{0x80}},
		{"NUL and PRO amid", "\x1F\x23A0\x60\x00\x44\x1B9{\x40" + done, Drcs0, 'A', Glyph{0x80, 0x40}},
		{"far beyond the end of the set", "\x1F\x23~0\x60" + strings.Repeat("0", 0x100-'~'+'A') + "\x70" + done, Drcs0, 'A', Glyph{}},
		{"no character", "\x1F\x23\x200" + diagonal + done, Drcs0, ' ', Glyph{}},
		{"no redefinable set", "\x1F\x23A0" + diagonal + done, G0, 'A', Glyph{}},
	} {
		s := screenOf(test.stream + "X")
		if got := s.Glyph(test.set, test.code); got != test.want {
			t.Errorf("%s: % X, want % X", test.what, got, test.want)
		}
		if got := s.Cell(1, 1); got.Code != 'X' {
			t.Errorf("%s: no text after it", test.what)
		}
	}
}

// TestISO is TestScreen for 80 columns.
func TestISO(t *testing.T) {
	for _, test := range []struct{ rule, stream, want string }{
		{"text", "A b", `1,1 7/0 "A b"`},
		{"the American set", "#@[\\]^_`{|}~\x7F", `1,1 7/0 "#@[\\]↑_'{|}~█"`},
		{"the French set", "\x0E#@[\\]^_`{|}~\x0F#", `1,1 7/0 "£à°ç§↑_'éùè\"#"`},
		{"no wrap", "\x1B[1;79HABCD", `1,79 7/0 "AD"`},
		{"attributes", "\x1B[1mA\x1B[4;5mB\x1B[7mC\x1B[22;24mD\x1B[25mE\x1B[27mF\x1B[7m\x1B[mG", `1,1 7/0 + "A"; 1,2 7/0 FU+ "B"; 1,3 7/0 FIU+ "C"; 1,4 7/0 FI "D"; 1,5 7/0 I "E"; 1,6 7/0 "FG"`},
		{"two attributes at most", "\x1B[1;4;7mA\x1B[0;5mB\x1B[1;mC\x1B[?7mD", `1,1 7/0 U+ "A"; 1,2 7/0 F "B"; 1,3 7/0 "CD"`},
		{"no colours, no sizes", "\x1BA\x1BQ \x1BOA\x1B[31mB", `1,1 7/0 " AB"`},
		{"CAN and SUB", "\x18\x1A\x1B[\x18A", `1,1 7/0 "███A"`},
		{"no REP, no SS2, no SS3", "A\x12C\x19Be\x16z\x1DX", `1,1 7/0 "ACBezX"`},
		{"nor anything else of Vidéotex", "\x1B5A\x1B%\x40\x1B#\x20_\x1B(\x20B\x07\x1E\x05B", `1,1 7/0 "AB"`},
		{"it scrolls", "A\x1B[24;3HB\nC", `23,3 7/0 "B"; 24,4 7/0 "C"`},
		{"and back", "A\x1BM\rB", `1,1 7/0 "B"; 2,1 7/0 "A"`},
		{"unless it is told not to", "\x1B:jC\x1B[24;1HA\nB\x1BMC", `1,2 7/0 "B"; 24,1 7/0 "A"; 24,3 7/0 "C"`},
		{"insertion", "AB\r\x1B[4hX\x1B[4lY\x1B[1;80HZ\x1B[H\x1B[4h..", `1,1 7/0 "..XYB"`},
		{"CSI @ and P", "ABC\r\x1B[2@\x1B[1;80HZ\x1B[2;1HABC\r\x1B[P", `1,3 7/0 "ABC"; 1,80 7/0 "Z"; 2,1 7/0 "BC"`},
		{"CSI L, M, J, K", "A\x1BEB\x1BEC\x1BED\x1B[2A\x1B[L\x1B[2B\x1B[M\x1B[5;9HE\x1B[KF\x1B[1K", `1,1 7/0 "A"; 3,1 7/0 "B"; 4,1 7/0 "D"`},
		{"ESC 7 and 8", "\x1B[4m\x0E\x1B7\x1B[m\x0F\x1B[5H@\x1B8@", `1,1 7/0 U "à"; 5,1 7/0 "@"`},
		{"ESC c", "\x1F@Aa\nA\x0E\x1B[4m\x1B7\x1BcB\x1B8@", `1,1 7/0 "@"`},
		{"row 00", "\x0E\x1B[4m@\x1F@A\x19Be#\x12C\x1BA\x1BQ\x1BO\x1B]\x0E A\x1A\x0B\x0F\n@", `0,1 7/0 "é#### A█"; 1,1 7/0 U "àà"`},
		{"row 00, its end", "\x1F@\x7FA" + strings.Repeat("\x09", 30) + "BCD\x08E\n", `0,1 7/0 "` + strings.Repeat(" ", 62) + `A               ED"`},
		{"row 00, erased", "\x1F@A" + strings.Repeat("a", 81) + "\x1F@B\x18", `0,1 7/0 "a"`},
		{"no rows but 00 by US", "\x1FEEA\x1F05B\x1F00c\nD", `0,1 7/0 "c"; 1,1 7/0 "ABD"`},
		{"Téléinformatique has no orders", "\x1B9{\x13A", `1,1 7/0 "{A"`},
	} {
		standard := "\x1B:2}"
		if strings.HasPrefix(test.rule, "Télé") {
			standard = "\x1B:1}"
		}
		_, got, _ := strings.Cut(look(screenOf(standard+test.stream)), "\n")
		if got := strings.ReplaceAll(strings.TrimSpace(got), "\n", "; "); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.rule, got, test.want)
		}
	}
}

// TestParity sends bytes of right and wrong parity, in and between sequences.
func TestParity(t *testing.T) {
	even := func(s string) string {
		p := []byte(s)
		for i, b := range p {
			p[i] = b | byte(bits.OnesCount8(b)%2)<<7
		}
		return string(p)
	}
	for _, test := range []struct{ stream, want, answer string }{
		{even("A\x1BABC"), `1,1 7/0 "A"; 1,2 1/0 "BC"`, ""},
		{even("A") + "\xC2" + "C" + even("D"), `1,1 7/0 "A██D"`, "\x1A\x1A"},
		{even("\x1F") + "C" + even("CA"), `1,1 7/0 "█CA"`, "\x1A"},
		{even("\x1BA\x19B") + "\xE5" + even("e"), `1,1 1/0 "█e"`, "\x1A"},
		{even("\x1B:f") + "\x02" + even("\x1B9{"), `1,1 7/0 "█"`, "\x1A\x01Cu<\x04"},
		{even("\x0E\x1BQ") + "\x80", `1,1 mosaic 7/1 "█"`, "\x1A"},
		{even("\x1B:2}AB") + "C", `1,1 7/0 "AB█"`, "\x13p\x1A"},
	} {
		s := NewScreen()
		s.CheckParity(true)
		s.Write([]byte(test.stream))
		_, got, _ := strings.Cut(look(s), "\n")
		got = strings.ReplaceAll(strings.TrimSpace(got), "\n", "; ")
		if answer := string(s.Replies()); got != test.want || answer != test.answer {
			t.Errorf("%q:\n got %s, %q\nwant %s, %q", test.stream, got, answer, test.want, test.answer)
		}
	}
}

// TestIndicate checks that the terminal's letter stays, and leaves no trace.
func TestIndicate(t *testing.T) {
	for stream, want := range map[string]string{
		"":                       `0,39 7/0 I "F"`,
		"\x1F@A\x18\x0C":         `0,39 7/0 I "F"`,
		"\x1F@A\x1BQ \x1F@gabcd": `0,1 delimiter 1/1 I " "; 0,2 7/1 "` + strings.Repeat(" ", 37) + `"; 0,39 7/1 I "F"; 0,40 7/1 "d"`,
		"\x1B:2}":                `0,77 7/0 "F"`,
	} {
		s := NewScreen()
		s.Indicate('F')
		s.Write([]byte(stream))
		_, got, _ := strings.Cut(look(s), "\n")
		got = strings.ReplaceAll(strings.TrimSpace(got), "\n", "; ")
		if got = strings.TrimSpace(strings.ReplaceAll(got, `0,1 7/0 "`+strings.Repeat(" ", 76)+"F", `0,77 7/0 "F`)); got != want {
			t.Errorf("%q:\n got %s\nwant %s", stream, got, want)
		}
		s.Indicate(0)
		if s.State() != screenOf(stream).State() {
			t.Errorf("%q: a trace is left", stream)
		}
	}
}

func TestString(t *testing.T) {
	const stream = "\x1BXA B\x1B_ C\n\n\r\x1BODE\x1F@Ahaut"
	s := screenOf(stream)
	want := func(first string) string {
		lines := []string{"haut", first, "", "D E"}
		lines = append(lines, make([]string, 22)...)[:25]
		for i := range lines {
			lines[i] += strings.Repeat(" ", 40-utf8.RuneCountInString(lines[i])) + "\n"
		}
		return strings.Join(lines, "")
	}
	if got := s.String(); got != want("A   C") || s.Revealed() {
		t.Errorf("\n%s", got)
	}
	s.Write([]byte("\x1B\x23\x20\x5F"))
	if got := s.String(); got != want("A B C") || !s.Revealed() {
		t.Errorf("revealed:\n%s", got)
	}
	if got := screenOf(mixte + "\x1B[24;79HABC\x1F@\x7Fzero\n").String(); got != strings.Repeat(" ", 62)+"zero"+strings.Repeat(" ", 14)+"\n"+
		strings.Repeat(strings.Repeat(" ", 80)+"\n", 23)+strings.Repeat(" ", 78)+"AC\n" {
		t.Errorf("80 columns:\n%s", got)
	}
	s.Write([]byte("\x1B\x23\x20\x58"))
	if got := s.String(); got != want("A   C") || s.Revealed() {
		t.Errorf("masked again:\n%s", got)
	}
}

// TestState checks that an article leaves no trace but on row 00, and that
// anything else does.
func TestState(t *testing.T) {
	const stream = "\x1FCC\x1BA\x1BH\x1B]\x1BM\x1BRabc"
	before := screenOf(stream).State()
	for _, more := range []string{"\x1F@AAppel\n", "\x1F00Appel\x18\n", "\x1F@A", "\x05", "\x1B9{"} {
		if screenOf(stream+more).State() != before {
			t.Errorf("%q leaves a trace", more)
		}
	}
	if screenOf(mixte+"\x1B7").State() == screenOf(mixte+"A\x1B7\r\x1B[K").State() {
		t.Error("ESC 7 leaves no trace")
	}
	for _, more := range []string{" ", mixte, "\x1BQ", "\x0E", "\x11", "\x1B:iC", "\x1B[4h", "\x1B\x23\x20\x5F", "\x1B(\x20B", "\x1F\x23A0\x60\x1FCF", "\x1F@A\x1E"} {
		if screenOf(stream+more).State() == before {
			t.Errorf("%q leaves no trace", more)
		}
	}
}

func TestScreenAllocates(t *testing.T) {
	p, err := os.ReadFile("testdata/accueil.vdt")
	if err != nil {
		t.Fatal(err)
	}
	s := NewScreen()
	if n := testing.AllocsPerRun(10, func() { s.Write(p); s.Replies() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzScreen(f *testing.F) {
	pages, _ := filepath.Glob("testdata/*.vdt")
	for _, page := range pages {
		p, err := os.ReadFile(page)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
	}
	f.Add([]byte("\x1F\x23\x41\x30\x7F\x1F@AA\n\x1FAA\x1B:2}\x1F@A\x1B:2~\x1B:1}\x1B[?{"))
	f.Add([]byte("\x1B:2}\x1B[24;79HABC\x1B[4hD\x1B[99@\x1B[99P\x1BM\x1B7\x1F@\x7Fé\x0C\n\x1B8\x0E{\x1B[1;99m\x18\x0B\x1Bc\x1B9\x7F"))
	f.Add([]byte("\x1B:iC\x1FXg\x1BO\x1B[4hABC\x12\x7F\x0B\x1B[99@\x1B[99P\x1B[99L\x1B[99M\x1B:f\x7F\x1B"))
	f.Fuzz(func(t *testing.T, p []byte) {
		whole, parts := NewScreen(), NewScreen()
		whole.Write(p)
		for i := range p {
			parts.Write(p[i : i+1])
			checkScreen(t, parts)
		}
		if whole.State() != parts.State() || !bytes.Equal(whole.JSON(), parts.JSON()) {
			t.Error("the whole differs from its parts")
		}
		lines := strings.Split(whole.String(), "\n")
		if len(lines) != 26 || utf8.RuneCountInString(lines[0]) != whole.Columns() {
			t.Errorf("%d lines of %d", len(lines), utf8.RuneCountInString(lines[0]))
		}
		if !json.Valid(whole.JSON()) {
			t.Errorf("invalid JSON: %s", whole.JSON())
		}
	})
}

// checkScreen checks what holds for any screen.
func checkScreen(t *testing.T, s *Screen) {
	row, column, _ := s.Cursor()
	if row < 0 || row > 24 || column < 1 || column > s.Columns() {
		t.Fatalf("cursor %d,%d", row, column)
	}
	if s.parser.Row0() != (row == 0) {
		t.Fatalf("row %d, which the parser does not know", row)
	}
	if s.parser.Mode() == Videotex != (s.Columns() == 40) {
		t.Fatalf("%d columns in mode %d", s.Columns(), s.parser.Mode())
	}
	for column, c := range s.row(row) {
		from, to := [...]byte{G0: 0x20, G2: 0, G1: 0, Drcs0: 0x21, Drcs1: 0x21, Delimiter: 0}, [...]byte{G0: 0x7F, G2: 0x1F, G1: 0x3F, Drcs0: 0x7E, Drcs1: 0x7E, Delimiter: 0}
		if c.Set > Delimiter || c.Code < from[c.Set] || c.Code > to[c.Set] || c.Ink > 7 || c.Paper > 7 {
			t.Fatalf("%d,%d: %+v", row, column+1, c)
		}
	}
}

func BenchmarkScreenText(b *testing.B) {
	benchmarkScreen(b, strings.Repeat("Le Minitel affiche 25 rangees de 40 caracteres. ", 80))
}

func BenchmarkScreen80Columns(b *testing.B) {
	s := screenOf(mixte)
	benchmark(b, s, strings.Repeat("Le Minitel affiche aussi 25 rangees de 80 caracteres de texte.\r\n", 60))
}

func BenchmarkScreenPage(b *testing.B) {
	p, err := os.ReadFile("testdata/accueil.vdt")
	if err != nil {
		b.Fatal(err)
	}
	benchmarkScreen(b, string(p))
}

func benchmarkScreen(b *testing.B, stream string) { benchmark(b, NewScreen(), stream) }

func benchmark(b *testing.B, s *Screen, stream string) {
	p := []byte(stream)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		s.Write(p)
	}
}

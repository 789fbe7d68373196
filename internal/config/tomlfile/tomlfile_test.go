package tomlfile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type shared struct {
	URL string `toml:"url"`
}

type room struct {
	Code string `toml:"code"`
	shared
	Keys  []string `toml:"keys"`
	Owner even     `toml:"owner"`
}

type house struct {
	Name   string   `toml:"name"`
	Doors  int      `toml:"doors"`
	Colors []string `toml:"colors"`
	Owner  even     `toml:"owner"`
	Street street   `toml:"street"`
	Garden struct {
		Trees int  `toml:"trees"`
		Gate  even `toml:"gate"`
	} `toml:"garden"`
	Rooms []room         `toml:"room"`
	Sold  bool           `toml:"sold"`
	Pets  map[string]pet `toml:"pet"`
}

type pet struct {
	Legs  int  `toml:"legs"`
	Owner even `toml:"owner"`
	Chip  chip `toml:"chip"`
}

// chip is a struct that reads text: a number in a file is none of Go's.
type chip struct{ even }

// even is a number that people write as the double of another: 2*5, or 0.
type even int

func (e *even) UnmarshalText(text []byte) error {
	half, isDouble := strings.CutPrefix(string(text), "2*")
	n, err := strconv.Atoi(half)
	if err != nil || !isDouble && n != 0 {
		return fmt.Errorf("%q is odd", text)
	}
	*e = even(2 * n)
	return nil
}

// street is a name, or a number.
type street string

func (s *street) UnmarshalText(text []byte) error {
	*s = street(text)
	return nil
}

func TestDecode(t *testing.T) {
	var want house
	want.Name, want.Doors, want.Colors, want.Owner = "Moulin", 1000, []string{"red", "blé"}, 10
	want.Garden.Trees, want.Garden.Gate = 255, 2
	want.Rooms = []room{{Code: "A", shared: shared{"ws://a"}}, {Code: "B", shared: shared{"ws://b"}}}

	for name, text := range map[string]string{
		"tables": `
			name = "Moulin"
			doors = 1_000
			colors = [ "red", # the door
				'blé' ]
			owner = "2*5"
			[garden]
			trees = 0xFF
			gate = "2*1"
			[[room]]
			code = "A"
			url = "ws://a"
			[[room]]
			url = "ws://b"
			code = "B"`,
		"inline": `room = [{code = "A", url = "ws://a"}, {code = "B", url = "ws://b"}]
			garden = {trees = 255, gate = "2*1"}
			owner = "2*5"
			name = """Moulin"""
			doors = 0o1750
			colors = ["red", "bl\u00e9"]`,
		"dotted, with CRLF": "garden.trees = 255\r\ngarden.gate = '2*1'\r\n" +
			"name = 'Moulin'\r\ndoors = +1000\r\nowner = \"2*5\"\r\ncolors = ['red', 'blé']\r\n" +
			"[[room]]\r\ncode = 'A'\r\nurl = 'ws://a'\r\n[[ room ]]\r\ncode = 'B'\r\n\"url\" = 'ws://b'\r\n",
		"with a byte order mark": "\uFEFFname = 'Moulin'\ndoors = 1000\ncolors = ['red', 'blé']\nowner = '2*5'\n" +
			"garden = {trees = 255, gate = '2*1'}\nroom = [{code = 'A', url = 'ws://a'}, {code = 'B', url = 'ws://b'}]",
		"with capitals": "Name = 'Moulin'\nDOORS = 1000\nColors = ['red', 'blé']\nOwner = '2*5'\n" +
			"Garden = {Trees = 255, GATE = '2*1'}\n[[Room]]\ncode = 'A'\nURL = 'ws://a'\n[[Room]]\ncode = 'B'\nurl = 'ws://b'",
	} {
		got := house{Name: "default", Colors: []string{"black", "white", "grey"}}
		f, err := Decode("house.toml", []byte(text), &got)
		if err != nil || f.Err() != nil {
			t.Errorf("%s: %v", name, errors.Join(err, f.Err()))
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(room{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestDecodeKeepsDefaults(t *testing.T) {
	got := house{Name: "default", Doors: 3, Colors: []string{"black"}}
	if _, err := Decode("house.toml", []byte("doors = 4\ncolors = []\n"), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(house{Name: "default", Doors: 4, Colors: []string{}}, got, cmp.AllowUnexported(room{})); diff != "" {
		t.Error(diff)
	}
}

// Numbers for a type that reads text are read as in quotes.
func TestDecodeBareNumber(t *testing.T) {
	var got house
	if _, err := Decode("house.toml", []byte("owner = 0\nstreet = 5\n"), &got); err != nil || got.Owner != 0 || got.Street != "5" {
		t.Errorf("%v, %q, %v", got.Owner, got.Street, err)
	}
}

func TestDecodeNames(t *testing.T) {
	text := "[pet.'Old Rex']\nlegs = 3\n[pet]\nTom = {owner = '2*1', chip = '2*2'}\n[pet.'a.b[0]']\n"
	var got house
	if f, err := Decode("house.toml", []byte(text), &got); err != nil || f.Err() != nil {
		t.Fatal(err, f.Err())
	}
	want := map[string]pet{"Old Rex": {Legs: 3}, "Tom": {Owner: 2, Chip: chip{4}}, "a.b[0]": {}}
	if diff := cmp.Diff(want, got.Pets, cmp.AllowUnexported(chip{})); diff != "" {
		t.Error(diff)
	}
}

func TestHas(t *testing.T) {
	f := decode(t, `
Name = ''
garden.trees = 3
room = [{}, {code = 'A', OWNER = 0}]
[pet.Rex]
legs = 3
[pet]
Tom = {Chip = 0}
`)
	for key, want := range map[string]bool{
		"name": true, "garden": true, "garden.trees": true, "room": true, "room[1]": true,
		"room[1].code": true, "room[1].owner": true, "pet": true, "pet.Rex": true, "pet.rex.Legs": true, "pet.Tom.chip": true,
		"owner": false, "garden.gate": false, "room[0].code": false, "room[1].url": false, "room[2]": false,
		"pet.Rex.chip": false, "pet.Tom.legs": false, "pet.Kit": false, "": false,
	} {
		if f.Has(key) != want {
			t.Errorf("%s: %v", key, !want)
		}
	}
}

// What ends decoding.
func TestDecodeErrors(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"syntax", "name = \"x\"\ndoors 3\n", "2: column 7: expected '=' after key"},
		{"value without quotes", "name = Moulin\n", "1: column 8: unexpected character U+004D 'M' at start of value (write text in quotes)"},
		{"value without quotes, like a number", "[garden]\n\ttrees = 10m # high", "2: column 12: strings must be quoted (write text in quotes)"},
		{"value without quotes, like a word", "name = none\r\n", `1: column 8: expected keyword "nan" (write text in quotes)`},
		{"value in half quotes", "name = Moulin'\n", "1: column 8: unexpected character U+004D 'M' at start of value (write text in quotes)"},
		{"key twice", "name = 'a'\nname = 'b'\n", "2: name: key name is already defined"},
		{"strange key twice", "\"a\\nb\" = 1\n\"a\\nb\" = 1\n", "2: a?b: key a?b is already defined"},
		{"table twice", "[garden]\n[garden]\n", "2: garden: table garden already exists"},
		{"number too large for TOML", "doors = 99999999999999999999\n", "1: doors: decimal number is too large to fit in a 64-bit signed integer"},

		{"string wanted", "name = 3\n", "1: name: must be a string (write it in quotes)"},
		{"string wanted, with capitals", "Name = 3\n", "1: Name: must be a string (write it in quotes)"},
		{"number wanted", "doors = 'three'\n", "1: doors: must be a whole number (write digits, without quotes)"},
		{"whole number wanted", "doors = 3.5\n", "1: doors: must be a whole number (write digits, without quotes)"},
		{"list wanted", "colors = 'red'\n", `1: colors: must be a list of strings (write ["..."])`},
		{"number in a list", "colors = [\n'red',\n3]\n", `3: colors: must be a list of strings (write ["..."])`},
		{"list in a list", "name = 'x'\ncolors = [\n'red',\n[]]\n", `2: colors: must be a list of strings (write ["..."])`},
		{"list in a list in a table of a list, which has no line", "[[room]]\n[[room]]\nkeys = [[]]\n", `room.keys: must be a list of strings (write ["..."])`},
		{"table wanted", "garden = true\n", "1: garden: must be a table (write [garden], and its keys below)"},
		{"tables wanted", "room = 1979-05-27\n", "1: room: must be a list of tables (write [[room]], and its keys below)"},
		{"one bracket", "\n[room]\ncode = 'A'\n", "2: room: must be a list of tables (write [[room]], and its keys below)"},
		{"two brackets", "[[garden]]\ntrees = 3\n", "1: garden: must be a table (write [garden], and its keys below)"},
		{"value in a table of a list", "[[room]]\n[[room]]\ncode = 3\n", "3: room.code: must be a string (write it in quotes)"},
		{"value in an inline table", "garden = {trees = 'x'}\n", "1: garden.trees: must be a whole number (write digits, without quotes)"},
		{"value in inline tables", "room = [\n{code = 'A'},\n{code = 4}]\n", "3: room.code: must be a string (write it in quotes)"},
		{"table for a string", "[name]\nx = 1\n", "1: name: must be a string (write it in quotes)"},
		{"dotted into a string", "name.x = 1\n", "1: name.x: must be a string (write it in quotes)"},
		{"table below a string", "[[room]]\n[room.code.x]\n", "2: room.code.x: must be a string (write it in quotes)"},
		{"table for a text", "[owner]\n", "1: owner: must be a string (write it in quotes)"},
		{"list for a text", "owner = ['2*1']\n", "1: owner: must be a string (write it in quotes)"},
		{"date for a text", "owner = 1979-05-27\n", `1: owner: "1979-05-27" is odd`},

		{"text", "owner = 'abc'\n", `1: owner: "abc" is odd`},
		{"text in a table", "[garden]\ngate = 'abc'\n", `2: garden.gate: "abc" is odd`},
		{"number", "[garden]\ngate = 123\n", `2: garden.gate: "123" is odd`},
		{"numbers", "owner = true\n[garden]\ngate = 1.5\n", `1: owner: "true" is odd` + "\nhouse.toml:3: garden.gate: \"1.5\" is odd"},
		{"bare, in an inline table", "garden = {\ngate = true}\n", `2: garden.gate: "true" is odd`},
		{"in an inline table", "garden = {\ngate = 'abc'}\n", `2: garden.gate: "abc" is odd`},
		{"bare, in inline tables", "room = [{owner = 0},\n{owner = 1}]\n", `2: room.owner: "1" is odd`},

		{"true or false wanted", "sold = 'yes'\n", "1: sold: must be true or false (without quotes)"},
		{"tables with names wanted", "pet = 3\n", "1: pet: must be a table of tables (write [pet.NAME], and its keys below)"},
		{"no list of tables with names wanted", "[[pet]]\nlegs = 3\n", "1: pet: must be a table of tables (write [pet.NAME], and its keys below)"},
		{"table with a name wanted", "[pet]\nRex = 3\n", "2: pet.Rex: must be a table (write [pet.rex], and its keys below)"},
		{"value in a table with a name", "[pet.'Old Rex']\nlegs = 'four'\n", "2: pet.Old Rex.legs: must be a whole number (write digits, without quotes)"},
		{"text in a table with a name", "[pet.Rex]\nowner = 'abc'\n", `2: pet.Rex.owner: "abc" is odd`},
		{"bare text in a table with a name", "pet.Rex.owner = 3\n", `1: pet.rex.owner: "3" is odd`},
		{"bare text for a struct", "[pet.rex]\nchip = 3\n", `2: pet.rex.chip: "3" is odd`},
		{"list for a struct that reads text", "[pet.rex]\nchip = [3]\n", "2: pet.rex.chip: must be a string (write it in quotes)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var h house
			f, err := Decode("house.toml", []byte(test.text), &h)
			want := "house.toml:" + test.want
			if !strings.Contains("0123456789", test.want[:1]) {
				want = "house.toml: " + test.want
			}
			if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" || f != nil {
				t.Error(diff)
			}
		})
	}
}

func TestUnknownKeys(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"letter missing", "dors = 3\n", "1: dors: unknown key (did you mean doors?)"},
		{"letter too many", "[garden]\ntreees = 3\n", "2: garden.treees: unknown key (did you mean garden.trees?)"},
		{"another letter, at the end", "[[room]]\nurk = ''\n", "2: room.urk: unknown key (did you mean room.url?)"},
		{"another letter, at the beginning", "fame = ''\n", "1: fame: unknown key (did you mean name?)"},
		{"two letters", "[garden]\ntrese = 3\n", "2: garden.trese: unknown key"},
		{"table, reported once", "[gardn]\ntrees = 3\npond = 4\n", "1: gardn: unknown key (did you mean garden?)"},
		{"of another table", "[garden]\nowner = 'ab'\n", "2: garden.owner: unknown key"},
		{"strange", "[garden]\n\"a b\\n\\u001B\" = 3\n", "2: garden.a b??: unknown key"},
		{"in an inline table", "garden = {\npond = 3}\n", "2: garden.pond: unknown key"},
		{"in inline tables", "room = [{code = 'A'},\n{cod = 'B'}]\n", "2: room.cod: unknown key (did you mean room.code?)"},
		{"in a table with a name", "[pet.Rex]\nleg = 3\n", "2: pet.rex.leg: unknown key (did you mean pet.rex.legs?)"},
		{"table of tables with names", "[pets.Rex]\nlegs = 3\n[pets.Tom]\n", "1: pets: unknown key (did you mean pet?)\nhouse.toml:3: pets: unknown key (did you mean pet?)"},
		{"several", "a = 1\nname = 'x'\n[b]\n[[room]]\nc = 1\n", "1: a: unknown key\nhouse.toml:3: b: unknown key\nhouse.toml:5: room.c: unknown key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var h house
			f, err := Decode("house.toml", []byte(test.text), &h)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("house.toml:"+test.want, fmt.Sprint(f.Err())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Faults stand at their key or, where the file lacks it, at its table.
func TestFault(t *testing.T) {
	var h house
	f, err := Decode("house.toml", []byte(`name = 'x'
dors = 1
colors = [
	'red']
garden.trees = 3
[[room]]
[[Room]]
"url" = 'x'
`), &h)
	if err != nil {
		t.Fatal(err)
	}
	f.Fault("owner", "is missing")
	f.Fault("name", "is short")
	f.Fault("colors", "are too few")
	f.Fault("garden.trees", "are %d", 3)
	f.Fault("room[0].code", "is missing")
	f.Fault("room[1].code", "is missing")
	f.Fault("room[1].url", "is no address")
	want := `house.toml:2: dors: unknown key (did you mean doors?)
house.toml: owner: is missing
house.toml:1: name: is short
house.toml:3: colors: are too few
house.toml:5: garden.trees: are 3
house.toml:6: room.code: is missing
house.toml:7: room.code: is missing
house.toml:8: room.url: is no address`
	if diff := cmp.Diff(want, fmt.Sprint(f.Err())); diff != "" {
		t.Error(diff)
	}
}

func TestFaultInInlineTables(t *testing.T) {
	f := decode(t, "\nroom = [{code = 'A'},\n{code = 'B'}]\ngarden = {\ntrees = 3}\n")
	f.Fault("room[1].url", "is missing")
	f.Fault("room[1].code", "is bad")
	f.Fault("garden.trees", "are few")
	if diff := cmp.Diff("house.toml:3: room.url: is missing\nhouse.toml:3: room.code: is bad\nhouse.toml:5: garden.trees: are few", fmt.Sprint(f.Err())); diff != "" {
		t.Error(diff)
	}
}

func TestFaultInLists(t *testing.T) {
	var l struct {
		A []struct {
			B []struct {
				C int `toml:"c"`
			} `toml:"b"`
		} `toml:"a"`
	}
	f, err := Decode("lists.toml", []byte("[[a]]\n[[a.b]]\n[[a.b]]\nc = 1\n[[a]]\n[[a.b]]\nc = 2\n"), &l)
	if err != nil {
		t.Fatal(err)
	}
	f.Fault("a[0].b[0].c", "?")
	f.Fault("a[0].b[1].c", "?")
	f.Fault("a[1].b[0].c", "?")
	f.Fault("a[1].b", "?")
	want := "lists.toml:2: a.b.c: ?\nlists.toml:4: a.b.c: ?\nlists.toml:7: a.b.c: ?\nlists.toml:6: a.b: ?"
	if diff := cmp.Diff(want, fmt.Sprint(f.Err())); diff != "" {
		t.Error(diff)
	}
}

func TestFaultsAreBounded(t *testing.T) {
	for n, want := range map[int]int{9: 9, 10: 10, 11: 11, 500: 11} {
		unknown := decode(t, strings.Repeat("\n", 3)+manyKeys(n))
		known := decode(t, "")
		for range n {
			known.Fault("name", "is short")
		}
		for _, f := range []*File{unknown, known} {
			lines := strings.Split(f.Err().Error(), "\n")
			if len(lines) != want {
				t.Errorf("%d faults: %d lines", n, len(lines))
			}
			if last := lines[len(lines)-1]; n > 10 && last != "house.toml: there are more faults than these 10" {
				t.Errorf("%d faults end with %q", n, last)
			}
		}
	}
}

func manyKeys(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "unknown%d = 1\n", i)
	}
	return text.String()
}

func decode(t *testing.T, text string) *File {
	t.Helper()
	f, err := Decode("house.toml", []byte(text), &house{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPath(t *testing.T) {
	for _, test := range []struct{ file, path, want string }{
		{"house.toml", "", ""},
		{"house.toml", "rooms.toml", "rooms.toml"},
		{"/etc/moip/house.toml", "rooms.toml", "/etc/moip/rooms.toml"},
		{"etc/house.toml", "../rooms.toml", "rooms.toml"},
		{"/etc/moip/house.toml", "/rooms.toml", "/rooms.toml"},
	} {
		if got := (&File{name: test.file}).Path(test.path); got != test.want {
			t.Errorf("%s in %s: %q, want %q", test.path, test.file, got, test.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("name = 'x'\ndoors = 3\ncolors = ['a', 1]\n[garden]\ngate = 3\n[[room]]\ncode = 1\n")
	f.Add("room = [{code = 'A'}, {url = [[1]]}]\n[garden.trees]\nx.y.z = 1\n")
	f.Add("[[room]]\n[room.code]\n\"a\\nb\" = 1\n")
	f.Add("a = \n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Decode("house.toml", []byte(text), &house{})
		if (file == nil) != (err != nil) {
			t.Errorf("%v and %v", file, err)
		}
		if file != nil {
			file.Fault("room[0].code", "is missing")
			err = file.Err()
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.HasPrefix(line, "house.toml:") {
				t.Errorf("%q does not begin with the file", line)
			}
		}
	})
}

package tomlfile

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Decode reads the TOML document data, of the file called name, into the struct
// that v points to. Keys that the document lacks leave their fields as they are.
// A map from strings to structs holds tables that the document names.
//
// Unknown keys are faults of the File. If the document is not TOML, or a value
// is not of its field's type, there is an error as that of Err, and no File.
func Decode(name string, data []byte, v any) (*File, error) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF")) // as some editors begin a file
	f := &File{name: name, data: data, types: map[string]reflect.Type{}, offsets: map[string]int{}, lists: map[string]int{}}
	f.learn("", reflect.TypeOf(v).Elem())
	f.walk()
	if err := f.Err(); err != nil {
		return nil, err
	}
	if err := toml.Unmarshal(data, v); err != nil {
		refusal, ok := errors.AsType[*toml.DecodeError](err)
		if !ok {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		f.refused(refusal)
		return nil, f.Err()
	}
	f.faults = f.unknown
	return f, nil
}

// learn notes the type t of key, and those of the keys below it.
func (f *File) learn(key string, t reflect.Type) {
	f.types[key] = t
	switch t.Kind() {
	case reflect.Map:
		f.learn(join(key, "*"), t.Elem())
		return
	case reflect.Slice:
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for _, field := range reflect.VisibleFields(t) {
		if name := field.Tag.Get("toml"); name != "" {
			f.learn(join(key, name), field.Type)
		}
	}
}

// typeOf returns the type of key, nil if it is unknown.
func (f *File) typeOf(key string) reflect.Type { return f.types[f.shape(key)] }

// shape returns key as types has it: without indices, and with * for a name that
// is the document's.
func (f *File) shape(key string) string {
	key = plain(key)
	if f.types[key] != nil {
		return key
	}
	shape := ""
	for part := range strings.SplitSeq(key, ".") {
		if any := join(shape, "*"); f.types[any] != nil {
			shape = any
		} else {
			shape = join(shape, part)
		}
	}
	return shape
}

func join(table, name string) string { return strings.TrimPrefix(table+"."+name, ".") }

// suspect notes that no field has the key name of table, with the one that may be
// meant.
func (f *File) suspect(table, name string, offset int) {
	if len(f.unknown) > maxFaults {
		return
	}
	text := "unknown key"
	for _, known := range slices.Sorted(maps.Keys(f.types)) {
		if known != "" && parent(known) == f.shape(table) && near(strings.ToLower(name), base(known)) {
			text = fmt.Sprintf("unknown key (did you mean %s?)", join(plain(table), base(known)))
		}
	}
	f.unknown = append(f.unknown, f.fault(f.lineAt(offset), join(plain(table), name), text))
}

// near reports whether a letter more, a letter less or another letter makes b of a.
func near(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	return a[i:] == b[min(i+1, len(b)):] || i < len(a) && a[i+1:] == b[i+1:]
}

// unquoted is a line up to a fault in a value that lacks quotes.
var unquoted = regexp.MustCompile(`=\s*\w*$`)

// refused reports the error that ended decoding.
func (f *File) refused(e *toml.DecodeError) {
	line, column := e.Position()
	key, text := strings.Join(e.Key(), "."), strings.TrimPrefix(e.Error(), "toml: ")
	if inner := f.keyAt(line, column); strings.HasPrefix(inner, strings.ToLower(key)+".") {
		key = inner // go-toml does not tell those of an inline table
	}
	if e.Key() == nil { // it is not TOML
		key = fmt.Sprintf("column %d", column)
		if unquoted.Match(bytes.Split(f.data, []byte("\n"))[line-1][:column-1]) {
			text += " (write text in quotes)"
		}
	} else if strings.HasPrefix(text, "cannot ") { // decode a type of TOML into one of Go
		known := strings.ToLower(key)
		text = "must be " + f.want(known)
		if line == 1 && column == 1 { // go-toml does not know where a list in a list is
			line = 0
			if offset, ok := f.offsets[known]; ok {
				line = f.lineAt(offset)
			}
		}
	}
	f.report(line, key, text)
}

// keyAt returns the last key that begins before a place, without indices.
func (f *File) keyAt(line, column int) (key string) {
	end, last := column, -1
	for _, text := range bytes.SplitAfter(f.data, []byte("\n"))[:line-1] {
		end += len(text)
	}
	for k, offset := range f.offsets {
		if last < offset && offset < end {
			key, last = k, offset
		}
	}
	return plain(key)
}

// want says what the value of key must be, and how to write it.
func (f *File) want(key string) string {
	t := f.typeOf(key)
	switch {
	case t == nil: // table.key, where table is none
		return f.want(parent(key))
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return "a string (write it in quotes)"
	case t.Kind() == reflect.Struct:
		return fmt.Sprintf("a table (write [%s], and its keys below)", key)
	case t.Kind() == reflect.Map:
		return fmt.Sprintf("a table of tables (write [%s.NAME], and its keys below)", key)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return fmt.Sprintf("a list of tables (write [[%s]], and its keys below)", key)
	case t.Kind() == reflect.Slice:
		return `a list of strings (write ["..."])`
	case t.Kind() == reflect.Bool:
		return "true or false (without quotes)"
	case t == reflect.TypeFor[int]():
		return "a whole number (write digits, without quotes)"
	}
	return "a string (write it in quotes)"
}

// walk notes where the keys are, and reports what decoding overlooks. It ends at
// what decoding will refuse. As for go-toml, capitals in keys do not matter.
func (f *File) walk() {
	var p unstable.Parser
	p.Reset(f.data)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.KeyValue:
			key, _ := f.place(table, e.Key())
			f.look(key, e.Value())
		case unstable.ArrayTable:
			list, offset := f.place("", e.Key())
			table = fmt.Sprintf("%s[%d]", list, f.lists[list])
			f.lists[list]++
			f.offsets[table] = offset
		default:
			table, _ = f.place("", e.Key())
			// [list] for [[list]] would be the only table of the list.
			if t := f.typeOf(table); t != nil && t.Kind() == reflect.Slice {
				f.Fault(table, "must be %s", f.want(table))
			}
		}
	}
}

// apart takes from a name what sets keys apart.
var apart = strings.NewReplacer(".", "?", "[", "?")

// place returns the key of parts in table, and where it is. It ends at an unknown
// key: nobody asks for what is below.
func (f *File) place(table string, parts unstable.Iterator) (key string, offset int) {
	key = table
	for f.typeOf(key) != nil && parts.Next() {
		if n := f.lists[key]; n > 0 {
			key = fmt.Sprintf("%s[%d]", key, n-1)
		}
		table, name := key, apart.Replace(string(parts.Node().Data))
		key = join(table, strings.ToLower(name))
		offset = int(parts.Node().Raw.Offset)
		f.note(key, offset)
		if f.typeOf(key) == nil {
			f.suspect(table, name, offset)
		}
	}
	return key, offset
}

// note notes where key is, unless that is known.
func (f *File) note(key string, offset int) {
	if _, ok := f.offsets[key]; !ok {
		f.offsets[key] = offset
	}
}

// look looks for keys, and for bare values, in the value of key.
func (f *File) look(key string, value *unstable.Node) {
	t := f.typeOf(key)
	switch {
	case t == nil:
	case value.Kind == unstable.InlineTable:
		f.note(key, int(value.Raw.Offset)) // which it is already, but in a list
		for pairs := value.Children(); pairs.Next(); {
			inner, _ := f.place(key, pairs.Node().Key())
			f.look(inner, pairs.Node().Value())
		}
	case value.Kind == unstable.Array && t.Kind() == reflect.Slice:
		n := 0
		for tables := value.Children(); tables.Next(); n++ {
			f.look(fmt.Sprintf("%s[%d]", key, n), tables.Node())
		}
	case value.Kind != unstable.Array && value.Kind != unstable.String:
		f.checkBare(key, t, value.Data)
	}
}

// checkBare reports a value without quotes that its type t does not take in
// quotes. Decoding puts numbers into types that are numbers without asking them,
// and does not say where others were when they were asked.
func (f *File) checkBare(key string, t reflect.Type, value []byte) {
	if text, ok := reflect.New(t).Interface().(encoding.TextUnmarshaler); ok {
		if err := text.UnmarshalText(value); err != nil {
			f.Fault(key, "%v", err)
		}
	}
}

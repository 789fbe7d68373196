package tomlfile

import (
	"bytes"
	"encoding"
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
//
// Unknown keys are faults of the File. If the document is not TOML, or a value
// is not of its field's type, there is an error as that of Err, and no File.
func Decode(name string, data []byte, v any) (*File, error) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF")) // as some editors begin a file
	f := &File{name: name, data: data, types: map[string]reflect.Type{}, offsets: map[string]int{}}
	f.learn("", reflect.TypeOf(v).Elem())
	f.walk()
	if err := f.Err(); err != nil {
		return nil, err
	}
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(v)
	switch err := err.(type) {
	case nil:
	case *toml.StrictMissingError:
		for _, e := range err.Errors[:min(len(err.Errors), maxFaults+1)] {
			f.unknown(&e)
		}
	case *toml.DecodeError:
		f.refused(err)
		return nil, f.Err()
	default:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// learn notes the type t of key, and those of the keys below it.
func (f *File) learn(key string, t reflect.Type) {
	f.types[key] = t
	if t.Kind() == reflect.Slice {
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

func join(table, name string) string { return strings.TrimPrefix(table+"."+name, ".") }

// unknown reports a key that no field has, with the one that may be meant.
func (f *File) unknown(e *toml.DecodeError) {
	line, _ := e.Position()
	key, text := strings.Join(e.Key(), "."), "unknown key"
	for _, known := range slices.Sorted(maps.Keys(f.types))[1:] { // the first is the document
		if near(key, known) {
			text = fmt.Sprintf("unknown key (did you mean %s?)", known)
		}
	}
	f.report(line, key, text)
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
	if e.Key() == nil { // it is not TOML
		key = fmt.Sprintf("column %d", column)
		if unquoted.Match(bytes.Split(f.data, []byte("\n"))[line-1][:column-1]) {
			text += " (write text in quotes)"
		}
	} else if strings.HasPrefix(text, "cannot ") { // decode a type of TOML into one of Go
		known := strings.ToLower(key)
		text = "must be " + f.want(known)
		if line == 1 && column == 1 { // go-toml does not know where a list in a list is
			line = f.line(known)
		}
	}
	f.report(line, key, text)
}

// want says what the value of key must be, and how to write it.
func (f *File) want(key string) string {
	t, ok := f.types[key]
	switch {
	case !ok: // table.key, where table is none
		return f.want(parent(key))
	case t.Kind() == reflect.Struct:
		return fmt.Sprintf("a table (write [%s], and its keys below)", key)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return fmt.Sprintf("a list of tables (write [[%s]], and its keys below)", key)
	case t.Kind() == reflect.Slice:
		return `a list of strings (write ["..."])`
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
	tables := map[string]int{} // how many there are in each list
	table := ""
	for p.NextExpression() {
		e, key, offset := p.Expression(), "", 0
		if e.Kind == unstable.KeyValue {
			key = table
		}
		for parts := e.Key(); parts.Next(); {
			if n := tables[key]; n > 0 {
				key = fmt.Sprintf("%s[%d]", key, n-1)
			}
			key = join(key, strings.ToLower(string(parts.Node().Data)))
			offset = int(parts.Node().Raw.Offset)
			if f.types[plain(key)] == nil {
				break // nobody asks for what is below an unknown key
			}
		}
		if e.Kind == unstable.ArrayTable {
			tables[key]++
			key = fmt.Sprintf("%s[%d]", key, tables[key]-1)
		}
		f.offsets[key] = offset
		if e.Kind == unstable.KeyValue {
			f.checkBare(key, e.Value())
			continue
		}
		table = key
		// [list] for [[list]] would be the only table of the list.
		if t := f.types[plain(key)]; e.Kind == unstable.Table && t != nil && t.Kind() == reflect.Slice {
			f.Fault(key, "must be %s", f.want(key))
		}
	}
}

// checkBare reports a value without quotes that its type does not take in
// quotes. Decoding puts numbers into types that are numbers without asking them,
// and does not say where others were when they were asked.
func (f *File) checkBare(key string, value *unstable.Node) {
	t := f.types[plain(key)]
	if t == nil || value.Kind == unstable.String || len(value.Data) == 0 { // as lists and tables have none
		return
	}
	if text, ok := reflect.New(t).Interface().(encoding.TextUnmarshaler); ok {
		if err := text.UnmarshalText(value.Data); err != nil {
			f.Fault(key, "%v", err)
		}
	}
}

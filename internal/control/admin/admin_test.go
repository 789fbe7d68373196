package admin

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"moip/internal/history"
	"moip/internal/memory"
	"moip/internal/policy/limit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An operation is what openapi.json tells of one.
type operation struct {
	Security  []map[string][]string
	Responses map[string]json.RawMessage
}

// check expects that it is told who may ask, and what is said to the others.
func (op operation) check(t *testing.T, method, path string) {
	refusals := []string{"401", "403", "421", "429"}
	var security []map[string][]string
	if path == "/login" && method != "GET" { // for whoever is not known yet, or no more
		security = []map[string][]string{}
		if method == "DELETE" {
			refusals = []string{"403", "421"}
		}
	} else {
		role := []string{needs(method, path).String()}
		security = []map[string][]string{{"token": role}, {"session": role}, {"certificate": {}}, {}}
	}
	if !reflect.DeepEqual(op.Security, security) {
		t.Errorf("who may %s %s is told wrong: %v", method, path, op.Security)
	}
	for _, status := range refusals {
		if op.Responses[status] == nil {
			t.Errorf("%s %s may be answered %s, of which it is not told", method, path, status)
		}
	}
}

// openapi.json tells of each operation, and of nothing else; and of what they are told
// and tell, each field.
func TestOpenAPI(t *testing.T) {
	var doc struct {
		Paths      map[string]map[string]operation
		Components struct {
			Schemas map[string]struct {
				Properties map[string]json.RawMessage
				Required   []string
			}
		}
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			method = strings.ToUpper(method)
			told[method+" "+path] = true
			op.check(t, method, path)
		}
	}
	for _, own := range []string{"GET /events", "GET /calls/{id}/screen/live", "GET /trace", "GET /metrics", "POST /login", "DELETE /login"} {
		if !told[own] {
			t.Errorf("%s is not told of", own)
		}
		delete(told, own) // it has a handler of its own, and a test
	}
	for pattern := range (desk{}).operations() {
		pattern = strings.Replace(pattern, "...}", "}", 1) // of which OpenAPI has no notion
		if !told[pattern] {
			t.Errorf("%s is not told of", pattern)
		}
		delete(told, pattern)
	}
	for pattern := range told {
		t.Errorf("%s is told of, and is not there", pattern)
	}
	for _, v := range []any{
		Calls{}, Call{}, Message{}, Told{}, Redirection{}, Recording{}, Error{}, Event{}, Services{}, Service{}, Link{}, Level{},
		Token{}, Login{}, Frame{}, TraceLine{}, State{}, Certificate{}, Settings{}, Reloaded{}, Draining{}, Upgraded{},
		Gateways{}, Gateway{}, Bus{},
		Limits{}, HubUsage{}, memory.Usage{}, limit.Rules{}, Share{}, Refused{}, Shield{}, Household{},
		Bans{}, Ban{}, BanOrder{}, Banned{}, BanImport{}, Imported{},
		History{}, Record{}, history.Visit{}, Totals{}, Missing{}, history.ServiceTotal{},
	} {
		kind := reflect.TypeOf(v)
		schema, known := doc.Components.Schemas[kind.Name()]
		if !known {
			t.Errorf("%s is not told of", kind.Name())
		}
		fields := 0
		for _, field := range reflect.VisibleFields(kind) {
			if field.Anonymous {
				continue // its fields are told of as if they were the kind's own
			}
			name, option, _ := strings.Cut(field.Tag.Get("json"), ",")
			if _, known := schema.Properties[name]; !known {
				t.Errorf("%s of %s is not told of", name, kind.Name())
			}
			if slices.Contains(schema.Required, name) != (option == "") {
				t.Errorf("whether %s has %s always is told wrong", kind.Name(), name)
			}
			fields++
		}
		if fields != len(schema.Properties) {
			t.Errorf("%s has fields that are not there", kind.Name())
		}
		delete(doc.Components.Schemas, kind.Name())
	}
	if len(doc.Components.Schemas) > 0 {
		t.Errorf("of more is told: %v", doc.Components.Schemas)
	}
}

package doctor

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"moip/internal/bus/natstest"
	"moip/internal/config"
)

func TestStream(t *testing.T) {
	t.Parallel()
	bare, server := natstest.New(t, ""), natstest.New(t, natstest.JetStream)
	sees := func(at *natstest.Server, want, do string) {
		t.Helper()
		c, err := config.Parse("moip.toml", []byte("[cluster]\nnode = \"paris\"\nrecords = \"CALLS\"\nurl = [\""+at.URL+"\"]"))
		if err != nil {
			t.Fatal(err)
		}
		all := Options{Config: c}.checkStream(t.Context())
		if len(all) != 1 || !strings.Contains(all[0].Found, want) || !strings.Contains(all[0].Advice, do) {
			t.Errorf("%+v, without %q", all, want)
		}
	}
	sees(bare, "-js", "mend that")
	sees(server, "not there yet", "start the gateway")
	conn, err := nats.Connect(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CALLS", Subjects: []string{"moip.record.*"}}); err != nil {
		t.Fatal(err)
	}
	sees(server, "the stream CALLS takes them", "")
}

package cluster_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"moip/internal/bus"
	"moip/internal/control/cluster"
)

// Who has said that it leaves is not taken for there again by what it has said before: an
// answer to who is new comes another way, and may be heard later.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x bus.Exchange
		p := x.Join()
		inbox := ""
		p.Subscribe("roll", "", func(m bus.Message) { inbox = m.Reply })
		a := join(&x, "a")
		defer a.stop()
		synctest.Wait()
		for i := range 100 {
			say := func(subject, state string) {
				data, err := json.Marshal(cluster.Gateway{Name: "b", Instance: fmt.Sprint("b", i), State: state})
				if err != nil {
					t.Fatal(err)
				}
				p.Publish(bus.Message{Subject: subject, Data: data})
			}
			say(inbox, "stopping")
			say("beat.b", cluster.Gone)
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		if all := a.Gateways(); len(all) != 1 {
			t.Errorf("of 100 that are gone, %d are still known", len(all)-1)
		}
	})
}

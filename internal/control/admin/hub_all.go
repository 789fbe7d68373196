package admin

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"moip/internal/control/cluster"
	"moip/internal/history"
)

// everywhere are the operations that are done by all gateways of the hub.
func (d desk) everywhere() map[string]handler {
	return map[string]handler{
		"GET /calls":          d.listAll,
		"POST /calls/message": d.messageEverybody,
		"GET /history":        d.historyOfAll,
		"GET /history/totals": d.totalsOfAll,
	}
}

func (d desk) listAll(r *http.Request) (any, error) {
	a, err := d.round(r)
	if err != nil {
		return nil, err
	}
	all := Calls{Calls: []Call{}}
	err = gather(a, d.list, gatherTime, func(gateway string, told Calls) {
		for i := range told.Calls {
			told.Calls[i].Gateway = gateway
		}
		if len(all.Calls) == 0 && told.Calls != nil {
			all.Calls = told.Calls // all there are, as a rule
		} else {
			all.Calls = append(all.Calls, told.Calls...)
		}
	})
	if len(a.others) > 0 {
		slices.SortFunc(all.Calls, func(x, y Call) int {
			return cmp.Or(x.Began.Compare(y.Began), cmp.Compare(x.Gateway, y.Gateway), cmp.Compare(x.ID, y.ID))
		})
	}
	all.Asked = a.Asked
	return all, err
}

func (d desk) messageEverybody(r *http.Request) (any, error) {
	a, err := d.round(r)
	if err != nil {
		return nil, err
	}
	all := Told{}
	err = gather(a, d.messageAll, gatherTime, func(_ string, told Told) { all.Told += told.Told })
	all.Asked = a.Asked
	return all, err
}

// newestOnly leaves who goes on of each name in a round: one that is about to leave has its
// records in the same place as who is there in its stead.
func (a *round) newestOnly() {
	last := ""
	a.others = slices.DeleteFunc(a.others, func(g cluster.Seen) bool {
		again := g.Name == last || a.self && g.Name == a.Hub.Name()
		last = g.Name
		return again && g.State != "running"
	})
}

func (d desk) historyOfAll(r *http.Request) (any, error) {
	a, err := d.round(r)
	if err != nil {
		return nil, err
	}
	a.newestOnly()
	q, err := historyQuery(a.r.URL.Query(), time.Now())
	if err != nil {
		return nil, err
	}
	all, more := History{Records: []Record{}}, false
	err = gather(a, d.history, searchTime, func(gateway string, told History) {
		for i := range told.Records {
			told.Records[i].Gateway = gateway
		}
		all.Records = append(all.Records, told.Records...)
		more = more || told.Next != 0
	})
	cut := false
	all.Records, cut = newest(all.Records, q.Limit)
	if n := len(all.Records); n > 0 && (cut || more) {
		all.Next = all.Records[n-1].ID
	}
	all.Asked = a.Asked
	return all, err
}

// newest returns the newest records of several gateways, and whether there are more. As
// what is behind them is asked for by a moment, they end between two: there may be fewer
// than wanted, or more if so many calls began at the same microsecond.
func newest(all []Record, wanted int) ([]Record, bool) {
	slices.SortFunc(all, func(x, y Record) int {
		return cmp.Or(cmp.Compare(y.ID, x.ID), cmp.Compare(x.Gateway, y.Gateway))
	})
	if len(all) <= wanted {
		return all, false
	}
	n := wanted
	for n > 0 && all[n-1].ID == all[wanted].ID {
		n--
	}
	if n == 0 {
		for n < len(all) && all[n].ID == all[0].ID {
			n++
		}
	}
	return all[:n], n < len(all)
}

func (d desk) totalsOfAll(r *http.Request) (any, error) {
	a, err := d.round(r)
	if err != nil {
		return nil, err
	}
	a.newestOnly()
	var all Totals
	sums := map[[2]string]history.ServiceTotal{}
	err = gather(a, d.historyTotals, searchTime, func(_ string, t Totals) {
		all.Calls += t.Calls
		all.Seconds += t.Seconds
		all.In += t.In
		all.Out += t.Out
		for _, s := range t.Services {
			key := [2]string{strings.ToUpper(s.Service), s.Currency}
			sum := sums[key]
			sums[key] = history.ServiceTotal{
				Service: cmp.Or(sum.Service, s.Service), Visits: sum.Visits + s.Visits, Seconds: sum.Seconds + s.Seconds,
				Cost: sum.Cost + s.Cost, Currency: s.Currency,
			}
		}
	})
	all.Services = []history.ServiceTotal{}
	for _, s := range sums {
		all.Services = append(all.Services, s)
	}
	slices.SortFunc(all.Services, func(x, y history.ServiceTotal) int {
		return cmp.Or(cmp.Compare(x.Service, y.Service), cmp.Compare(x.Currency, y.Currency))
	})
	all.Asked = a.Asked
	return all, err
}

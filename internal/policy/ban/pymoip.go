package ban

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"moip/internal/policy"
)

// pymoipTime is for how long PyMoIP bans: BANNED_DAYS and BANNED_SECONDS.
const pymoipTime = 100*24*time.Hour + 20*time.Second

// An Exempt is a network that is never banned, with what it was called.
type Exempt struct {
	Network string `json:"network"`
	Label   string `json:"label"`
}

// ReadPyMoIP reads a file of PyMoIP's: its banned.json, whose dates are of the time
// zone where it ran, or its neverbanned.json. Bans hold for as long as they would
// there, those that have run out included.
func ReadPyMoIP(data []byte, zone *time.Location) (bans []Ban, never []Exempt, err error) {
	var entries map[string]string
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, nil, fmt.Errorf("this is neither PyMoIP's banned.json nor its neverbanned.json: %w", err)
	}
	for _, address := range slices.Sorted(maps.Keys(entries)) {
		network, err := policy.ParseNetwork(address)
		if err != nil {
			return nil, nil, err
		}
		since, err := time.ParseInLocation("2006-01-02T15:04:05", entries[address], zone)
		if err != nil {
			never = append(never, Exempt{Name(network), entries[address]})
			continue
		}
		bans = append(bans, Ban{
			Network: network, Reason: "PyMoIP", By: ByImport, Since: since.UTC(), Until: since.Add(pymoipTime).UTC(),
		})
	}
	if len(bans) > 0 && len(never) > 0 {
		return nil, nil, fmt.Errorf("%.60q of %s is no date as in 2021-08-11T18:40:53.797380", never[0].Label, never[0].Network)
	}
	return bans, never, nil
}

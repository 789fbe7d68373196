package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// house says which of our packages each package may import: the arrows of
// doc/architecture.md. The command may import all.
var house = map[string]string{
	"videotex":                         "",
	"minitel":                          "videotex",
	"internal/session":                 "internal/stack videotex",
	"internal/telnet":                  "",
	"internal/transport":               "internal/session internal/tcpsocket internal/telnet",
	"internal/downstream":              "internal/prise internal/proxied internal/pulse internal/serial internal/session internal/stack internal/tcpsocket internal/telnet internal/transport videotex",
	"internal/prise":                   "internal/serial internal/session videotex",
	"internal/prise/minitest":          "internal/serial videotex",
	"internal/serial":                  "",
	"internal/handover":                "internal/pulse",
	"internal/pulse":                   "internal/tcpsocket",
	"internal/tcpsocket":               "",
	"internal/upstream":                "internal/certificate internal/discreet internal/policy internal/proxied internal/pulse internal/session internal/telnet internal/transport",
	"internal/switchboard":             "internal/policy internal/session videotex",
	"internal/history":                 "internal/clock internal/ledger internal/session internal/tariff videotex",
	"internal/trace":                   "internal/discreet internal/policy internal/session internal/telnet internal/transport videotex",
	"internal/control/admin":           "internal/control/admin/access internal/control/cluster internal/control/cluster/news internal/control/cluster/tunnel internal/history internal/memory internal/picture internal/policy internal/policy/ban internal/policy/limit internal/policy/outbound internal/policy/shield internal/policy/token internal/session internal/switchboard internal/trace videotex",
	"internal/control/admin/access":    "internal/policy internal/policy/token internal/proxied",
	"internal/control/admin/console":   "internal/emulator internal/webpage",
	"internal/control/cluster":         "internal/bus",
	"internal/bus":                     "",
	"internal/bus/bustest":             "internal/bus",
	"internal/bus/natsbus":             "internal/bus internal/certificate internal/policy/token internal/smallfile",
	"internal/control/pymoip":          "internal/certificate internal/discreet internal/policy internal/policy/token internal/session",
	"internal/certificate":             "internal/smallfile",
	"internal/certificate/catest":      "internal/testkit/freeport",
	"internal/policy":                  "",
	"internal/policy/ban":              "internal/policy",
	"internal/proxied":                 "internal/policy",
	"internal/config":                  "internal/bus internal/bus/natsbus internal/certificate internal/config/tomlfile internal/discreet internal/downstream internal/policy internal/policy/ban internal/policy/outbound internal/policy/shield internal/policy/token internal/proxied internal/recording internal/session internal/upstream videotex",
	"internal/policy/token":            "internal/smallfile",
	"internal/policy/outbound":         "internal/policy internal/session",
	"internal/policy/limit":            "internal/policy",
	"internal/policy/shield":           "internal/policy internal/policy/ban internal/session",
	"internal/config/tomlfile":         "internal/smallfile",
	"internal/tariff":                  "",
	"internal/ledger":                  "internal/session internal/tariff",
	"internal/directory":               "internal/config internal/config/tomlfile internal/directory/probe internal/directory/yellowpages internal/discreet internal/recording internal/session internal/smallfile internal/tariff internal/upstream videotex",
	"internal/control/cluster/survey":  "internal/bus internal/control/cluster internal/directory/probe",
	"internal/directory/probe":         "internal/session",
	"internal/directory/yellowpages":   "internal/discreet internal/tariff",
	"internal/portal":                  "internal/directory internal/ledger internal/seat internal/session internal/tariff minitel videotex",
	"internal/services":                "internal/seat internal/session minitel videotex",
	"internal/seat":                    "internal/session minitel",
	"internal/gateway":                 "internal/bus internal/bus/natsbus internal/certificate internal/config internal/control/admin internal/control/admin/access internal/control/admin/console internal/control/cluster internal/control/cluster/news internal/control/cluster/portals internal/control/cluster/shared internal/control/cluster/ship internal/control/cluster/spool internal/control/cluster/survey internal/control/cluster/tunnel internal/control/pymoip internal/directory internal/directory/probe internal/discreet internal/downstream internal/emulator internal/handover internal/history internal/ledger internal/memory internal/policy internal/policy/ban internal/policy/limit internal/policy/outbound internal/policy/shield internal/policy/token internal/portal internal/proxied internal/pulse internal/recording internal/services internal/session internal/smallfile internal/switchboard internal/trace internal/upstream",
	"internal/picture":                 "videotex",
	"internal/terminal":                "internal/recording internal/session videotex",
	"internal/recording":               "internal/clock internal/session videotex",
	"internal/emulator":                "internal/picture internal/webpage",
	"internal/webpage":                 "",
	"internal/clock":                   "",
	"internal/manual":                  "",
	"internal/memory":                  "",
	"internal/completion":              "",
	"internal/discreet":                "",
	"internal/testkit/freeport":        "",
	"internal/stack":                   "",
	"internal/smallfile":               "",
	"internal/testkit/golden":          "videotex",
	"internal/testkit/logtest":         "",
	"internal/testkit/soon":            "",
	"internal/testkit/notifytest":      "",
	"internal/testkit/browsertest":     "",
	"internal/doctor":                  "internal/bus internal/bus/natsbus internal/certificate internal/config internal/control/admin internal/control/cluster internal/control/cluster/ship internal/control/pymoip internal/directory internal/directory/probe internal/directory/yellowpages internal/discreet internal/downstream internal/picture internal/policy/ban internal/policy/limit internal/policy/token internal/recording internal/serial internal/session internal/smallfile internal/telnet internal/upstream videotex",
	"internal/control/cluster/shared":  "internal/bus internal/control/cluster internal/policy internal/policy/ban internal/policy/limit internal/policy/shield",
	"internal/control/cluster/tunnel":  "internal/bus",
	"internal/control/cluster/news":    "internal/bus internal/control/cluster internal/control/cluster/spool internal/session",
	"internal/control/cluster/spool":   "",
	"internal/bus/natstest":            "internal/testkit/freeport",
	"internal/control/cluster/portals": "internal/bus internal/control/pymoip internal/session internal/switchboard videotex",
	"internal/control/cluster/ship":    "internal/bus internal/history",
}

func TestHouse(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "moip/internal/...", "moip/minitel/...", "moip/videotex/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	rooms := 0
	for line := range strings.Lines(string(out)) {
		name, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		room := strings.TrimPrefix(name, "moip/")
		may, known := house[room]
		if !known {
			t.Errorf("%s is not in the plan of the house", room)
			continue
		}
		rooms++
		for _, used := range strings.Fields(imports) {
			ours, ok := strings.CutPrefix(used, "moip/")
			if ok && !slices.Contains(strings.Fields(may), ours) {
				t.Errorf("%s may not import %s", room, ours)
			}
		}
	}
	if rooms != len(house) {
		t.Errorf("%d rooms of %d are there", rooms, len(house))
	}
}

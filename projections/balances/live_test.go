package balances_test

import (
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"github.com/allied-ledger/allied/events/money"
	"github.com/allied-ledger/allied/projections/balances"
	"github.com/allied-ledger/allied/projections/engine"
	"github.com/google/uuid"
)

// liveRow is a row of these words: donor, beneficiary, category, instrument, stage, basis, asset.
func liveRow(reached, standing, unknown int64, words ...string) engine.Row {
	var row engine.Row
	for _, w := range words {
		row = append(row, engine.TextOf(w))
	}
	return append(row, engine.AmountOf(money.New(reached)), engine.AmountOf(money.New(standing)), engine.IntOf(unknown))
}

func TestLiveKeys(t *testing.T) {
	for want, words := range map[string][]string{
		"NOR.UKR.grant.allocated.EUR=2F2=40tracker.MIL.ARMOUR.TANK":             {"NOR", "UKR", "MIL.ARMOUR.TANK", "grant", "allocated", "tracker", "EUR/2@tracker"},
		"EU-INST.UKR.in_kind.over=3Aallocated.each=2F6=3A155=20mm.MIL.AMMO":     {"EU-INST", "UKR", "MIL.AMMO", "in_kind", "over:allocated", "", "each/6:155 mm"},
		"NOR.UKR.grant.committed.=40tracker.MIL.AMMO":                           {"NOR", "UKR", "MIL.AMMO", "grant", "committed", "tracker", ""},
		"NOR.UKR.grant.committed.=40.MIL.AMMO":                                  {"NOR", "UKR", "MIL.AMMO", "grant", "committed", "", ""},
		"=.=.=.=.=40.=":                                                         {"", "", "", "", "", "", ""},
		"_.UKR.unknown.origin.piece=2F6=3A=D0=A2-72.=.MIL.=":                    {"_", "UKR", ".MIL.", "unknown", "origin", "", "piece/6:Т-72"},
		"=2A.=3E.=3D.=2E.each=2F6=3Aa=2Eb.MIL":                                  {"*", ">", "MIL", "=", ".", "", "each/6:a.b"},
		"USA.UKR.in_kind.handed_over.USD=2F2=40replacement.MIL.AIRDEF.UNMAPPED": {"USA", "UKR", "MIL.AIRDEF.UNMAPPED", "in_kind", "handed_over", "replacement", "USD/2@replacement"},
	} {
		if got := balances.LiveKey(liveRow(0, 0, 0, words...)); got != want {
			t.Errorf("%q has the key %s, not %s", words, got, want)
		}
	}
}

func TestLiveValues(t *testing.T) {
	at := engine.Checkpoint{LogID: uuid.UUID{15: 1}, Position: 200108, Ordinal: 308}
	for want, row := range map[string]engine.Row{
		`{"log_id":"00000000-0000-0000-0000-000000000001","position":200108,"ordinal":308,"donor":"NOR","beneficiary":"UKR",` +
			`"category":"MIL.AIRDEF","instrument":"grant","stage":"allocated","basis":"tracker","asset":"EUR/2@tracker",` +
			`"reached":"45000000000000000.50","standing":"-0.05","unknown":0}`: liveRow(4500000000000000050, -5, 0, "NOR", "UKR", "MIL.AIRDEF", "grant", "allocated", "tracker", "EUR/2@tracker"),
		`{"log_id":"00000000-0000-0000-0000-000000000001","position":200108,"ordinal":308,"donor":"NOR","beneficiary":"UKR",` +
			`"category":"MIL.AIRDEF","instrument":"grant","stage":"allocated","basis":"tracker","asset":null,` +
			`"reached":null,"standing":null,"unknown":3}`: liveRow(0, 0, 3, "NOR", "UKR", "MIL.AIRDEF", "grant", "allocated", "tracker", ""),
	} {
		got, err := balances.LiveValue(row, at)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// keyForm is what a JetStream bucket takes, by its own words: tokens that are not empty.
var keyForm = regexp.MustCompile(`^[-_=a-zA-Z0-9]+(\.[-_=a-zA-Z0-9]+)*$`)

// FuzzLiveKey reads every key back: what can be read back is never the key of another row.
func FuzzLiveKey(f *testing.F) {
	f.Add("NOR", "UKR", "MIL.AMMO", "grant", "allocated", "tracker", "EUR/2@tracker")
	f.Add("", "", "", "", "", "", "")
	f.Add("a.b", "=", "..", "=41", "*", "@", "")
	f.Add("Ü", "\xff", "MIL..", ">", " ", "", "each/6:Т-72.=40")
	f.Fuzz(func(t *testing.T, donor, beneficiary, category, instrument, stage, basis, held string) {
		if held != "" {
			basis = ""                                          // the asset names it
			if held = strings.TrimLeft(held, "@"); held == "" { // no asset begins so
				return
			}
		}
		row := liveRow(0, 0, 0, donor, beneficiary, category, instrument, stage, basis, held)
		key := balances.LiveKey(row)
		if !keyForm.MatchString(key) {
			t.Fatalf("%q is no key of a bucket", key)
		}
		tokens := strings.Split(key, ".")
		for i := range tokens {
			tokens[i] = unescape(t, tokens[i])
		}
		words := []string{tokens[0], tokens[1], strings.Join(tokens[5:], "."), tokens[2], tokens[3], "", tokens[4]}
		if b, ok := strings.CutPrefix(tokens[4], "@"); ok {
			words[5], words[6] = b, ""
		}
		for i, w := range words {
			if row[i].Text() != w { // the row's words, of which invalid UTF-8 is replaced
				t.Fatalf("%q is read back as %q", row, words)
			}
		}
	})
}

func unescape(t *testing.T, token string) string {
	if token == "=" {
		return ""
	}
	first, rest, _ := strings.Cut(token, "=")
	word := first
	for rest != "" {
		b, err := hex.DecodeString(rest[:2])
		if err != nil {
			t.Fatalf("token %q: %v", token, err)
		}
		first, rest2, _ := strings.Cut(rest[2:], "=")
		word += string(b) + first
		rest = rest2
	}
	return word
}

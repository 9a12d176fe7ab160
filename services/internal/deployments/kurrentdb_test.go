package deployments

import (
	"testing"

	"github.com/allied-ledger/allied/events/es"
	"go.yaml.in/yaml/v4"
)

func TestKurrentDBKeepsWhatItIsGiven(t *testing.T) {
	var conf map[string]any
	if err := yaml.Unmarshal([]byte(read(t, "kurrentdb", "kurrentdb.conf")), &conf); err != nil {
		t.Fatal(err)
	}
	// Releases before 25.1 refuse to start with more than a log record may have.
	const appendBytesMax = 16<<20 - 10_000
	if got, _ := conf["MaxAppendSize"].(int); got < es.AppendBytesMax*3/2 || got > appendBytesMax {
		t.Errorf("MaxAppendSize is %v; an append has up to %d bytes of records, and %d is the most that every server takes", conf["MaxAppendSize"], es.AppendBytesMax, appendBytesMax)
	}
	for _, safe := range []string{"UnsafeDisableFlushToDisk", "MemDb", "SkipDbVerify", "StartStandardProjections", "EnableAtomPubOverHttp"} {
		if conf[safe] != false {
			t.Errorf("%s is %v, want false", safe, conf[safe])
		}
	}
	for _, plugin := range []string{"AutoScavenge", "SecondaryIndexing"} {
		if section, _ := conf[plugin].(map[string]any); section["Enabled"] != false {
			t.Errorf("%s is %v, want Enabled: false", plugin, conf[plugin])
		}
	}
	if conf["RunProjections"] != "None" {
		t.Errorf("RunProjections is %v", conf["RunProjections"])
	}
	host, _ := conf["NodeIp"].(string)
	checkLoopback(t, "NodeIp", host) // without TLS and users
	if p := mustProject(t).Services["kurrentdb"]; len(p.Ports) > 0 {
		t.Error("the compose file publishes KurrentDB, which asks nobody who comes")
	}
}

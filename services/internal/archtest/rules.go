// Package archtest judges the tree by the rules of the house: who may import whom, and what the pure core may touch.
package archtest

import "strings"

// Module is the common prefix of the import paths of the house's modules.
const Module = "github.com/allied-ledger/allied/"

// layers are the modules in the one direction that imports run: each may import itself and those before it.
var layers = []string{"proto", "events", "projections", "services"}

// A role is what a directory is for; it decides what the directory's files may import.
type role string

const (
	schema     role = "schema"     // generated from proto
	value      role = "value"      // an immutable value of the domain
	contract   role = "contract"   // what deciders, logs and folds agree on
	testkit    role = "testkit"    // what only tests use; every package called …test is one
	suite      role = "suite"      // what every log must pass
	rule       role = "rule"       // what several deciders judge by
	aggregate  role = "aggregate"  // one decider
	posting    role = "posting"    // events to postings
	codec      role = "codec"      // events to bytes
	adapter    role = "adapter"    // a log on one technology
	projection role = "projection" // folds, their engine and their sinks
	service    role = "service"    // shells, and the binary
)

// roles names the role of each directory; the longest matching entry counts. Below events a directory must be named here, so that who
// adds one decides what it may touch.
var roles = map[string]role{
	"proto/gen/allied": schema,

	"events/asset":    value,
	"events/category": value,
	"events/currency": value,
	"events/dates":    value,
	"events/donor":    value,
	"events/drawn":    value,
	"events/ident":    value,
	"events/money":    value,
	"events/subject":  value,
	"events/term":     value,

	"events/stated": rule,

	"events/imports":  aggregate,
	"events/payment":  aggregate,
	"events/pledge":   aggregate,
	"events/shipment": aggregate,

	"events/internal/shareddata": testkit,

	"events/es":         contract,
	"events/es/given":   testkit,
	"events/es/logtest": suite,
	"events/posting":    posting,
	"events/wire":       codec,

	"events/filelog":    adapter,
	"events/kurrentlog": adapter,
	"events/memlog":     adapter,

	"projections": projection,
	"services":    service,
}

// imports names, for each role that is held tighter than its layer, which directories of the house its files may import beside their own folder. A role stands
// for all of its directories, a path for itself and what is below. All others are held by the layers alone, and by denied.
var imports = map[role][]string{
	value:     {string(value), "proto/gen/allied/event"},
	contract:  {"proto/gen/allied/event", "proto/gen/allied/log"},
	suite:     {string(contract)},
	rule:      {string(value), string(contract), "proto/gen/allied/event"},
	aggregate: {string(value), string(contract), string(rule), "proto/gen/allied/event"},
	posting:   {string(value), string(contract), "proto/gen/allied/event"},
	codec:     {string(value), string(contract), "proto/gen/allied/event", "proto/gen/allied/log"},
	adapter:   {string(contract)},
}

// denied names what a role may not import although its layer could.
var denied = map[role][]role{
	projection: {adapter, testkit, suite},
	service:    {testkit, suite},
}

// technologies names the only directories that may know a technology, so that it can be replaced in one place.
var technologies = map[string][]string{
	"connectrpc.com/":                 {"proto/gen/allied/api", "services/gateway"},
	"github.com/EventStore/":          {"events/kurrentlog"},
	"github.com/cockroachdb/apd/":     {"events/money", "services/rates", "services/importing"},
	"github.com/cockroachdb/pebble/":  {"events/filelog"},
	"github.com/jackc/pgx/":           {"projections/sink/postgres"},
	"github.com/jedib0t/go-pretty/":   {"services/cmd/allied"},
	"github.com/parquet-go/":          {"services/exporting"},
	"github.com/nats-io/nats-server/": {"services/internal/embednats"},
	"github.com/nats-io/nats.go":      {"services"},
	"github.com/schollz/progressbar/": {"services/cmd/allied"},
	"github.com/spf13/":               {"services/cmd/allied"},
	"github.com/xuri/excelize/":       {"services/importing", "services/exporting"},
	"google.golang.org/grpc":          {"events/kurrentlog"},
	"modernc.org/sqlite":              {"projections/sink/sqlite"},
}

// pure reports whether a role's files have no hidden inputs: no clock, no I/O, no context, no chance, no goroutine and no float.
func (r role) pure() bool {
	switch r {
	case value, rule, aggregate, posting, codec:
		return true
	}
	return false
}

// impure are the standard packages that bring hidden inputs; each stands for itself and what is below it.
var impure = []string{
	"context", "crypto/rand", "database/sql", "expvar", "flag", "io/ioutil", "log", "math/rand", "net", "os", "path/filepath", "plugin",
	"runtime", "syscall", "testing", "unsafe",
}

// pureLibraries are the only libraries that pure packages import; each stands for itself and what is below it.
var pureLibraries = []string{
	"github.com/cockroachdb/apd/v3", "github.com/google/uuid", "google.golang.org/protobuf",
}

// impureCalls are the functions of permitted packages that read a clock, draw by chance or lose digits.
var impureCalls = map[string][]string{
	"time": {"After", "AfterFunc", "LoadLocation", "Local", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"},
	"github.com/google/uuid": {
		"New", "NewDCEGroup", "NewDCEPerson", "NewDCESecurity", "NewRandom", "NewRandomFromReader", "NewString", "NewUUID", "NewV6",
		"NewV7", "NewV7FromReader",
	},
	"strconv": {"AppendFloat", "FormatFloat", "ParseFloat"},
}

// libraryCalls are the functions that no package but main may call: only main exits, and loggers are injected.
var libraryCalls = map[string][]string{
	"os":              {"Exit"},
	"go.uber.org/zap": {"L", "ReplaceGlobals", "S"},
}

// sleepCalls are refused everywhere, tests included: they wait for a fact or for a context instead.
var sleepCalls = map[string][]string{"time": {"Sleep"}}

// emptyNames say nothing about a package's one job.
var emptyNames = []string{"base", "common", "core", "helper", "helpers", "lib", "misc", "models", "shared", "types", "util", "utils"}

// testLibraries belong to tests, and to packages whose name says that they serve tests.
var testLibraries = []string{"github.com/compose-spec/", "pgregory.net/rapid", "testing"}

// topLevel is what the root of the tree may hold beside dot files.
var topLevel = []string{
	"LICENSE", "Makefile", "README.md", "deployments", "docs", "events", "go.work", "go.work.sum", "projections", "proto", "services",
	"allied-data", "bin", // made by make run, ignored by git
}

// roleOf gives the role of a directory below the root, "" when it has none.
func roleOf(dir string) role {
	if r, ok := roles[dir]; ok {
		return r
	}
	if strings.HasSuffix(dir, "test") {
		return testkit
	}
	for d := dir; d != "" && d != "."; d = parent(d) {
		if r, ok := roles[d]; ok {
			return r
		}
		if parent(d) == "events" {
			return ""
		}
	}
	return ""
}

func parent(dir string) string {
	if i := strings.LastIndexByte(dir, '/'); i >= 0 {
		return dir[:i]
	}
	return ""
}

// below reports whether path is root or below it, by whole elements unless root ends in a slash.
func below(path, root string) bool {
	return path == root || strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/")
}

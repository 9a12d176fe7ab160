package deployments

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/allied-ledger/allied/services/internal/processtest"
)

const (
	whole    = "allied.service"
	template = "allied@.service"
)

// setting is the last value of a setting in a unit or an environment file.
func setting(text, key string) string {
	var value string
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), key+"="); ok {
			value = v
		}
	}
	return value
}

// instance is the command line of the template for one role, with the environment files that are delivered.
func instance(t *testing.T, role string) commandLine {
	t.Helper()
	env := read(t, "systemd", "env", "allied.env")
	if own, err := os.ReadFile(filepath.Join(folder, "systemd", "env", role+".env")); err == nil {
		env += string(own)
	}
	var out commandLine
	for _, word := range strings.Fields(strings.ReplaceAll(setting(read(t, "systemd", template), "ExecStart"), "%i", role))[1:] {
		if name, bare := strings.CutPrefix(word, "$ALLIED_"); bare { // as words, and none where it is not set
			out = append(out, strings.Fields(setting(env, "ALLIED_"+name))...)
			continue
		}
		out = append(out, regexp.MustCompile(`\$\{(\w+)\}`).ReplaceAllStringFunc(word, func(v string) string { return setting(env, v[2:len(v)-1]) }))
	}
	return out
}

func TestUnitsRunEveryRole(t *testing.T) {
	for _, role := range boot.AllRoles() {
		t.Run(role, func(t *testing.T) { checkCommandLine(t, instance(t, role)) })
	}
	entries, err := os.ReadDir(filepath.Join(folder, "systemd", "env"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), ".env"); name != "allied" && !slices.Contains(boot.AllRoles(), name) {
			t.Errorf("%s: there is no such role", e.Name())
		}
	}
}

// TestTheUnitOfAllRolesServes starts the ledger with the unit's command line, and stops it with the unit's signal.
func TestTheUnitOfAllRolesServes(t *testing.T) {
	line := commandLine(strings.Fields(setting(read(t, "systemd", whole), "ExecStart"))[1:])
	for _, flag := range []string{"data", "port", "listen"} {
		if line.flag(flag) == "" {
			t.Errorf("%s leaves --%s to its default, which may change", whole, flag)
		}
	}
	if err := boot.CheckHTTPListen(line.flag("listen"), false); err != nil {
		t.Error(err)
	}
	p := processtest.Start(t, binary, line.here(places{})...)
	awaitHTTP(t, p.HTTP+"/readyz")
	p.Stop()
}

func TestUnitsAreVerified(t *testing.T) {
	dir := t.TempDir()
	write := func(text string, elements ...string) string {
		path := filepath.Join(append([]string{dir}, elements...)...)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, unit := range []string{whole, template} {
		write(strings.ReplaceAll(read(t, "systemd", unit), "/usr/bin/allied", binary), unit) // else the missing program is all that is found
	}
	write(read(t, "systemd", "views-postgres.conf"), "allied@views.service.d", "postgres.conf")
	for _, unit := range []string{whole, "allied@recorder.service", "allied@views.service"} {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", filepath.Join(dir, unit)).CombinedOutput()
		if err != nil || strings.Contains(string(out), dir) || strings.Contains(string(out), "allied") { // else it is about the machine's own units
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}

// TestUnitsExposeLittle holds the units to what systemd itself says of how much a service may do: 0 is nothing, 10 everything.
func TestUnitsExposeLittle(t *testing.T) {
	for unit, exposureMax := range map[string]string{whole: "15", template: "20"} { // tenths
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold="+exposureMax, filepath.Join(folder, "systemd", unit)).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
		t.Logf("%s", regexp.MustCompile(`Overall.*`).Find(out))
	}
}

func TestUnitsStopAndRestart(t *testing.T) {
	for _, unit := range []string{whole, template} {
		text := read(t, "systemd", unit)
		if wait, err := time.ParseDuration(setting(text, "TimeoutStopSec")); err != nil || wait <= drainWaitMax {
			t.Errorf("%s: TimeoutStopSec is %s (%v), and what is under way may take %s", unit, wait, err, drainWaitMax)
		}
		// A restart after these would change what a person must see: exit codes of usage, damage and what is not allowed.
		if got := setting(text, "RestartPreventExitStatus"); got != "2 3 5" || setting(text, "Restart") != "on-failure" {
			t.Errorf("%s: RestartPreventExitStatus is %q, Restart %q", unit, got, setting(text, "Restart"))
		}
		if got := setting(text, "KillSignal"); got != "SIGTERM" {
			t.Errorf("%s: KillSignal is %s", unit, got)
		}
	}
	if password := read(t, "systemd", "views-postgres.conf"); setting(password, "LoadCredential") == "" {
		t.Error("the password of PostgreSQL is not a credential")
	}
}

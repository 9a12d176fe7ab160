package deployments

import (
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allied-ledger/allied/services/internal/boot"
	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// project is the compose file with its configuration beside it, as `docker compose` reads it: by the schema, so that a misspelt key is refused.
func project(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(folder, "compose", "compose.yaml")}, cli.WithEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

func mustProject(t *testing.T) *types.Project {
	t.Helper()
	p, err := project(t, "ALLIED_TAG=1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ours are the services of a project that run `allied`.
func ours(p *types.Project) map[string]types.ServiceConfig {
	out := map[string]types.ServiceConfig{}
	for name, s := range p.Services {
		if s.Build != nil {
			out[name] = s
		}
	}
	return out
}

func TestComposeAsksForWhatItNeeds(t *testing.T) {
	if _, err := project(t); err == nil || !strings.Contains(err.Error(), "ALLIED_TAG") {
		t.Errorf("without a tag: %v", err)
	}
}

func TestComposeRunsEveryRole(t *testing.T) {
	var roles []string
	for name, s := range ours(mustProject(t)) {
		t.Run(name, func(t *testing.T) { checkCommandLine(t, commandLine(s.Command)) })
		roles = append(roles, commandLine(s.Command).roles()...)
	}
	slices.Sort(roles)
	if want := slices.Sorted(slices.Values(boot.AllRoles())); !slices.Equal(roles, want) {
		t.Errorf("roles %v run, want %v", roles, want)
	}
}

// A command line that is wrong must not pass for one whose servers are away.
func TestACommandLineThatIsWrongIsSeen(t *testing.T) {
	for _, wrong := range []commandLine{
		{"serve", "--role=pledges", "--nats=nats://nats:4222", "--listen=none"},
		{"serve", "--roles=pledge", "--nats=nats://nats:4222", "--listen=none"},
		{"serve", "--roles=pledges", "--listen=none"},
		{"server", "--roles=pledges", "--nats=nats://nats:4222", "--listen=none"},
	} {
		cmd := exec.CommandContext(t.Context(), binary, wrong.here(nowhere)...)
		cmd.Dir = t.TempDir()
		if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), nobody) {
			t.Errorf("%s: %v\n%s", wrong, err, out)
		}
	}
}

func TestComposeReachesNobodyElse(t *testing.T) {
	p := mustProject(t)
	for name, s := range p.Services {
		for _, port := range s.Ports {
			checkLoopback(t, name, port.HostIP)
		}
		if s.NetworkMode != "" || s.Privileged {
			t.Errorf("%s: has network mode %q, privileged %t; want neither", name, s.NetworkMode, s.Privileged)
		}
		for network := range s.Networks {
			if !p.Networks[network].Internal && name != "api" {
				t.Errorf("%s is on the network %s, which is not internal; only the API may be", name, network)
			}
		}
	}
	for network, want := range map[string][]string{"store": {"kurrentdb", "recorder"}, "read": {"postgres", "views"}} {
		var got []string
		for name, s := range p.Services {
			if _, on := s.Networks[network]; on {
				got = append(got, name)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%v are on the network %s, want %v", got, network, want)
		}
	}
	for name, s := range ours(p) {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.User != "65532:65532" {
			t.Errorf("%s is not locked in: read_only %t, cap_drop %v, security_opt %v, user %q", name, s.ReadOnly, s.CapDrop, s.SecurityOpt, s.User)
		}
	}
}

func TestComposeKeepsRunning(t *testing.T) {
	for name, s := range mustProject(t).Services {
		if s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) < 2 || s.HealthCheck.Test[0] != "CMD" {
			t.Errorf("%s has no health check without a shell", name)
		}
		if s.Restart != types.RestartPolicyUnlessStopped {
			t.Errorf("%s: restart is %q", name, s.Restart)
		}
		if s.Deploy == nil || s.Deploy.Resources.Limits == nil || s.Deploy.Resources.Limits.MemoryBytes == 0 || s.Deploy.Resources.Limits.NanoCPUs == 0 {
			t.Errorf("%s has no limits", name)
		}
		if s.Logging == nil || s.Logging.Options["max-size"] == "" {
			t.Errorf("%s: the log has no bound", name)
		}
		if s.Build != nil && (s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) <= drainWaitMax) {
			t.Errorf("%s is killed before it has finished", name)
		}
		for on, need := range s.DependsOn {
			if need.Condition != types.ServiceConditionHealthy {
				t.Errorf("%s starts once %s is %s", name, on, need.Condition)
			}
		}
	}
}

// released is a tag with a full version, which does not move with the next one.
var released = regexp.MustCompile(`:v?\d+\.\d+(\.\d+)?(-[a-z]+)?$`)

func TestImagesArePinned(t *testing.T) {
	for name, s := range mustProject(t).Services {
		if s.Build == nil && !released.MatchString(s.Image) {
			t.Errorf("%s: image %s may be another one tomorrow", name, s.Image)
		}
	}
	from := regexp.MustCompile(`(?m)^FROM (\S+)`)
	for _, m := range from.FindAllStringSubmatch(read(t, "compose", "Dockerfile"), -1) {
		if m[1] != "scratch" && !released.MatchString(m[1]) {
			t.Errorf("Dockerfile: image %s may be another one tomorrow", m[1])
		}
		if tag, ok := strings.CutPrefix(m[1], "golang:"); ok {
			if got := "go" + strings.TrimSuffix(tag, "-alpine"); version.Compare(got, version.Lang(runtime.Version())) < 0 {
				t.Errorf("Dockerfile builds with %s, the tests run with %s", got, runtime.Version())
			}
		}
	}
}

// TestTheImageIsBuiltFromItsContext builds as the Dockerfile does, from what its ignore file lets in.
func TestTheImageIsBuiltFromItsContext(t *testing.T) {
	root, context := filepath.Join(folder, ".."), t.TempDir()
	for _, line := range strings.Split(read(t, "compose", "Dockerfile.dockerignore"), "\n") {
		name, in := strings.CutPrefix(line, "!")
		if !in {
			continue
		}
		absolute, err := filepath.Abs(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(absolute, filepath.Join(context, name)); err != nil {
			t.Fatal(err)
		}
	}
	run := regexp.MustCompile(`(?m)^RUN CGO_ENABLED=0 go (build .*) -o /allied (\S+)$`).FindStringSubmatch(read(t, "compose", "Dockerfile"))
	if run == nil {
		t.Fatal("the Dockerfile does not build a static binary at /allied")
	}
	out := filepath.Join(context, "allied")
	cmd := exec.CommandContext(t.Context(), "go", append(strings.Fields(run[1]), "-o", out, run[2])...)
	cmd.Dir, cmd.Env = context, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=")
	if printed, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	if printed, err := exec.CommandContext(t.Context(), out, "version").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, printed)
	}
}

// TestNoSecretIsCommitted asks that each secret is a file in the folder that git ignores, and that no value here is one.
func TestNoSecretIsCommitted(t *testing.T) {
	ignored := strings.Fields(read(t, "compose", ".gitignore"))
	if !slices.Contains(ignored, "/secrets/") || !slices.Contains(ignored, "/.env") {
		t.Errorf("git ignores %v alone", ignored)
	}
	secrets, err := filepath.Abs(filepath.Join(folder, "compose", "secrets"))
	if err != nil {
		t.Fatal(err)
	}
	p := mustProject(t)
	for name, s := range p.Secrets {
		if filepath.Dir(s.File) != secrets || s.Content != "" || s.Environment != "" {
			t.Errorf("secret %s is not a file in %s: %+v", name, secrets, s)
		}
	}
	for name, s := range p.Services {
		for key, value := range s.Environment {
			if strings.Contains(key, "PASS") && !strings.HasSuffix(key, "FILE") {
				t.Errorf("%s: %s is given in the compose file, as %q; make it a secret", name, key, *value)
			}
		}
		for _, arg := range s.Command {
			if strings.Contains(arg, ":") && strings.Contains(arg, "@") && regexp.MustCompile(`//[^/@]*:[^/@]*@`).MatchString(arg) {
				t.Errorf("%s: %s holds a password", name, arg)
			}
		}
	}
}

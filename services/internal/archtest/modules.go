package archtest

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// module is what `go mod edit -json` tells of a go.mod file.
type module struct {
	Module  struct{ Path string }
	Go      string
	Require []struct{ Path, Version string }
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
}

// Modules returns the breaches of the four go.mod files below root: one Go version, shared dependencies at one version (or the build
// without the workspace compiles everything again), and a replace to the neighbour for every module of the house.
func Modules(root string) ([]Breach, error) {
	mods := map[string]module{}
	for _, layer := range layers {
		m, err := readModule(filepath.Join(root, layer, "go.mod"))
		if err != nil {
			return nil, err
		}
		mods[layer] = m
	}
	return judgeModules(mods), nil
}

func judgeModules(mods map[string]module) []Breach {
	var found []Breach
	breach := func(layer, rule, format string, args ...any) {
		found = append(found, Breach{Path: layer + "/go.mod", Line: 1, Rule: rule, Detail: fmt.Sprintf(format, args...)})
	}
	type requirement struct{ layer, version string }
	first := map[string]requirement{}
	for _, layer := range layers {
		m := mods[layer]
		if want := Module + layer; m.Module.Path != want {
			breach(layer, "module", "is called %s, not %s", m.Module.Path, want)
		}
		if m.Go != mods[layers[0]].Go {
			breach(layer, "module", "asks for go %s, %s for go %s", m.Go, layers[0], mods[layers[0]].Go)
		}
		for _, r := range m.Require {
			if f, ok := first[r.Path]; !ok {
				first[r.Path] = requirement{layer, r.Version}
			} else if f.version != r.Version {
				breach(layer, "version", "requires %s %s, %s requires %s; run make tidy", r.Path, r.Version, f.layer, f.version)
			}
			if dir, ours := strings.CutPrefix(r.Path, Module); ours && !replaced(m, r.Path, "../"+dir) {
				breach(layer, "module", "requires %s without replace => ../%s", r.Path, dir)
			}
		}
	}
	return found
}

func replaced(m module, from, to string) bool {
	for _, r := range m.Replace {
		if r.Old.Path == from && path.Clean(r.New.Path) == to {
			return true
		}
	}
	return false
}

func readModule(file string) (module, error) {
	out, err := exec.Command("go", "mod", "edit", "-json", file).Output()
	if err != nil {
		return module{}, fmt.Errorf("read %s: %w", file, err)
	}
	var m module
	if err := json.Unmarshal(out, &m); err != nil {
		return module{}, fmt.Errorf("read %s: %w", file, err)
	}
	return m, nil
}

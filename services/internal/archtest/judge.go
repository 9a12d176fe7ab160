package archtest

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// A Breach is one place that breaks one rule.
type Breach struct {
	Path   string
	Line   int
	Rule   string // layer, role, technology, pure, library, sleep, name, place
	Detail string // what was found, and what is allowed
}

func (b Breach) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", b.Path, b.Line, b.Rule, b.Detail)
}

// Judge returns every breach of the rules, in the order of files and lines. Generated files are held by their layer alone. Files of
// tests may import what they like of their own layer and before it.
func Judge(files []File) []Breach {
	var found []Breach
	for _, f := range files {
		j := judge{file: f, role: roleOf(f.Dir)}
		j.place()
		j.layer()
		if !f.Generated {
			j.calls("sleep", sleepCalls, "wait for the fact, or for a context")
		}
		if !f.Generated && !f.Test {
			j.name()
			j.roleImports()
			j.technology()
			j.testLibraries()
			j.library()
			j.pure()
		}
		found = append(found, j.found...)
	}
	slices.SortFunc(found, func(a, b Breach) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule))
	})
	return found
}

// judge collects the breaches of one file.
type judge struct {
	file  File
	role  role
	found []Breach
}

func (j *judge) breach(pos token.Pos, rule, format string, args ...any) {
	j.found = append(j.found, Breach{j.file.Path, j.file.line(pos), rule, fmt.Sprintf(format, args...)})
}

// place asks that a directory below events has a role.
func (j *judge) place() {
	if j.role == "" && below(j.file.Dir, "events") {
		j.breach(j.file.Syntax.Package, "place", "%s has no role; name it in services/internal/archtest/rules.go", j.file.Dir)
	}
}

// layer asks that imports run proto ← events ← projections ← services, and that nothing imports a development tool.
func (j *judge) layer() {
	own := layerOf(j.file.Dir)
	for _, imp := range j.file.imports() {
		dir, ours := strings.CutPrefix(imp.path, Module)
		switch {
		case !ours:
		case below(dir, "proto/tools"):
			j.breach(imp.pos, "layer", "imports the development tool %s", dir)
		case layerOf(dir) > own:
			j.breach(imp.pos, "layer", "%s imports %s; imports run %s", layers[own], dir, strings.Join(layers, " ← "))
		}
	}
}

func layerOf(dir string) int {
	top, _, _ := strings.Cut(dir, "/")
	return slices.Index(layers, top)
}

// roleImports asks that a file imports only what its role may, or nothing that its role is denied.
func (j *judge) roleImports() {
	allowed, strict := imports[j.role]
	for _, imp := range j.file.imports() {
		dir, ours := strings.CutPrefix(imp.path, Module)
		if !ours {
			continue
		}
		to := roleOf(dir)
		if strict && dir != j.file.Dir && !allows(allowed, dir, to) {
			j.breach(imp.pos, "role", "%s (%s) imports %s; it may import %s", j.file.Dir, j.role, dir, strings.Join(allowed, ", "))
		}
		if slices.Contains(denied[j.role], to) && !servesTests(j.file.Dir) {
			j.breach(imp.pos, "role", "%s (%s) imports %s, which only tests and the boot path may", j.file.Dir, j.role, dir)
		}
	}
}

// allows reports whether a list of roles and folders covers a directory. A role covers its directories one by one, so that one aggregate
// never covers another.
func allows(allowed []string, dir string, to role) bool {
	return slices.ContainsFunc(allowed, func(a string) bool { return a == string(to) || below(dir, a) })
}

// technology asks that a library which is one technology's is known in its own folder only.
func (j *judge) technology() {
	if servesTests(j.file.Dir) {
		return
	}
	for _, imp := range j.file.imports() {
		for library, dirs := range technologies {
			known := slices.ContainsFunc(dirs, func(d string) bool { return below(j.file.Dir, d) })
			if below(imp.path, library) && !known {
				j.breach(imp.pos, "technology", "imports %s, which belongs to %s", imp.path, strings.Join(dirs, ", "))
			}
		}
	}
}

func (j *judge) testLibraries() {
	if servesTests(j.file.Dir) {
		return
	}
	for _, imp := range j.file.imports() {
		if slices.ContainsFunc(testLibraries, func(l string) bool { return below(imp.path, l) }) {
			j.breach(imp.pos, "library", "imports %s outside tests", imp.path)
		}
	}
}

// servesTests reports whether only tests use a directory.
func servesTests(dir string) bool { r := roleOf(dir); return r == testkit || r == suite }

// library asks that only main exits, that loggers are injected and that nothing works before main.
func (j *judge) library() {
	for _, imp := range j.file.imports() {
		if imp.path == "log" || imp.path == "log/slog" {
			j.breach(imp.pos, "library", "imports %s; a *zap.Logger is injected", imp.path)
		}
	}
	if j.file.Syntax.Name.Name != "main" {
		j.calls("library", libraryCalls, "return the error, or take the logger as a parameter")
	}
	for _, decl := range j.file.Syntax.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			j.breach(fn.Pos(), "library", "init works before main; make a constructor")
		}
	}
}

// pure asks that the core has no hidden inputs.
func (j *judge) pure() {
	if !j.role.pure() {
		return
	}
	for _, imp := range j.file.imports() {
		covers := func(p string) bool { return below(imp.path, p) }
		standard := !strings.Contains(strings.Split(imp.path, "/")[0], ".")
		switch {
		case slices.ContainsFunc(impure, covers):
			j.breach(imp.pos, "pure", "the core imports %s; clock, I/O, context and chance arrive in the command", imp.path)
		case !standard && !strings.HasPrefix(imp.path, Module) && !slices.ContainsFunc(pureLibraries, covers):
			j.breach(imp.pos, "pure", "the core imports %s; it may import %s", imp.path, strings.Join(pureLibraries, ", "))
		}
	}
	j.calls("pure", impureCalls, "the core reads no clock, no chance and no float")
	ast.Inspect(j.file.Syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			j.breach(n.Pos(), "pure", "the core starts a goroutine")
		case *ast.Ident:
			if n.Name == "float64" || n.Name == "float32" {
				j.breach(n.Pos(), "pure", "the core uses %s; amounts are exact", n.Name)
			}
		}
		return true
	})
}

// calls reports every use of the named functions.
func (j *judge) calls(rule string, banned map[string][]string, remedy string) {
	names := map[string]string{} // the name in this file, and its path
	for _, imp := range j.file.imports() {
		if _, ok := banned[imp.path]; ok && imp.name != "" {
			names[imp.name] = imp.path
		}
	}
	if len(names) == 0 {
		return
	}
	ast.Inspect(j.file.Syntax, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && slices.Contains(banned[names[pkg.Name]], sel.Sel.Name) {
			j.breach(sel.Pos(), rule, "uses %s.%s; %s", pkg.Name, sel.Sel.Name, remedy)
		}
		return true
	})
}

// name asks that a package is called by a noun of the domain or the technology.
func (j *judge) name() {
	if slices.Contains(emptyNames, j.file.Syntax.Name.Name) {
		j.breach(j.file.Syntax.Name.Pos(), "name", "package %s says nothing about its one job", j.file.Syntax.Name.Name)
	}
}

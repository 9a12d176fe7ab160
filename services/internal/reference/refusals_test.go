package reference

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// ellipsis stands for text that is not known before the program runs.
const ellipsis = "…"

// reader reads the codes that a tree of packages answers with. It goes by names: it knows no types.
type reader struct {
	set    *token.FileSet
	consts map[string]string // the text of constants, by package and name
	found  []found
	unseen []string
}

// scope is where a function's names are looked up: its own constants, then its package's.
type scope struct {
	dir   string
	names map[string]ast.Expr
}

// pack is one package.
type pack struct {
	dir   string
	funcs []*ast.FuncDecl
	calls map[string][]call // to its own functions, by name
}

type call struct {
	in   *ast.FuncDecl
	expr *ast.CallExpr
}

func refusals(t *testing.T, root string) (all []found, unseen []string) {
	t.Helper()
	r := &reader{set: token.NewFileSet(), consts: map[string]string{}}
	packs := r.parse(t, root)
	for _, p := range packs {
		for _, f := range p.funcs {
			r.read(p, f)
		}
	}
	return r.found, r.unseen
}

// parse reads all packages but generated code, tests and what serves tests.
func (r *reader) parse(t *testing.T, root string) []*pack {
	t.Helper()
	byDir := map[string]*pack{}
	var packs []*pack
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		base := path.Base(name)
		if err != nil || d.IsDir() && (base == "testdata" || base == "gen" || strings.HasSuffix(base, "test") || strings.HasPrefix(base, ".") && base != ".") {
			if err == nil {
				err = fs.SkipDir
			}
			return err
		}
		if d.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(r.set, path.Join(root, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		p := byDir[dir]
		if p == nil {
			p = &pack{dir: dir, calls: map[string][]call{}}
			byDir[dir], packs = p, append(packs, p)
		}
		r.add(p, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packs
}

func (r *reader) add(p *pack, file *ast.File) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			for name, value := range constants(d) {
				if text, ok := r.text(scope{dir: p.dir}, value); ok {
					r.consts[file.Name.Name+"."+name] = text
					r.consts[p.dir+"."+name] = text
				}
			}
			if d.Tok == token.VAR { // read as a function that nobody calls
				p.funcs = append(p.funcs, &ast.FuncDecl{Name: ast.NewIdent("_"), Type: &ast.FuncType{Params: &ast.FieldList{}}, Body: &ast.BlockStmt{List: []ast.Stmt{&ast.DeclStmt{Decl: d}}}})
			}
		case *ast.FuncDecl:
			if d.Body == nil {
				continue
			}
			p.funcs = append(p.funcs, d)
			ast.Inspect(d, func(n ast.Node) bool {
				if c, ok := n.(*ast.CallExpr); ok {
					if id, ok := c.Fun.(*ast.Ident); ok {
						p.calls[id.Name] = append(p.calls[id.Name], call{d, c})
					}
				}
				return true
			})
		}
	}
}

func constants(d *ast.GenDecl) map[string]ast.Expr {
	out := map[string]ast.Expr{}
	for _, s := range d.Specs {
		if v, ok := s.(*ast.ValueSpec); ok && d.Tok == token.CONST {
			for i, name := range v.Names {
				if i < len(v.Values) {
					out[name.Name] = v.Values[i]
				}
			}
		}
	}
	return out
}

// read finds the answers that a function makes.
func (r *reader) read(p *pack, f *ast.FuncDecl) {
	if f.Recv != nil && f.Name.Name == "Code" && len(f.Body.List) == 1 {
		r.told(p, f)
		return
	}
	after := map[ast.Stmt]ast.Stmt{} // the statement that follows one
	ast.Inspect(f.Body, func(n ast.Node) bool {
		var list []ast.Stmt
		switch n := n.(type) {
		case *ast.BlockStmt:
			list = n.List
		case *ast.CaseClause:
			list = n.Body
		case *ast.CompositeLit:
			if parts := answerParts(n); parts != nil {
				r.made(p, f, n.Pos(), parts, 0)
			}
		case *ast.AssignStmt:
			if parts := assigned(n); parts["Code"] != nil {
				if next, ok := after[n].(*ast.AssignStmt); ok && parts["Remedy"] == nil {
					parts["Remedy"] = assigned(next)["Remedy"]
				}
				r.made(p, f, n.Pos(), parts, 0)
			}
		}
		for i := 1; i < len(list); i++ {
			after[list[i-1]] = list[i]
		}
		return true
	})
}

// assigned are the fields that a statement gives values.
func assigned(n *ast.AssignStmt) map[string]ast.Expr {
	parts := map[string]ast.Expr{}
	for i, left := range n.Lhs {
		if sel, ok := left.(*ast.SelectorExpr); ok && len(n.Lhs) == len(n.Rhs) {
			parts[sel.Sel.Name] = n.Rhs[i]
		}
	}
	return parts
}

// told reads an error that knows its code: a method Code, and beside it Remedy.
func (r *reader) told(p *pack, f *ast.FuncDecl) {
	ret, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok {
		return
	}
	text, ok := r.text(r.scope(p, f), ret.Results[0])
	if !ok {
		r.unseen = append(r.unseen, r.set.Position(f.Pos()).String())
		return
	}
	out := found{dir: p.dir, outcome: "busy", code: text}
	for _, g := range p.funcs {
		if g.Recv != nil && g.Name.Name == "Remedy" && receiver(g) == receiver(f) {
			if ret, ok := g.Body.List[len(g.Body.List)-1].(*ast.ReturnStmt); ok {
				out.remedy, _ = r.text(r.scope(p, g), ret.Results[0])
			}
		}
	}
	r.found = append(r.found, out)
}

func receiver(f *ast.FuncDecl) string { return fmt.Sprint(typeName(f.Recv.List[0].Type)) }

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.StarExpr:
		return typeName(e.X)
	}
	return ""
}

// answerParts are the fields of a literal that is an answer with a code; nil for another.
func answerParts(lit *ast.CompositeLit) map[string]ast.Expr {
	parts := map[string]ast.Expr{}
	for i, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok {
				parts[key.Name] = kv.Value
			}
		} else if typeName(lit.Type) == "problem" && i < 3 {
			parts[[]string{"Code", "Reason", "Remedy"}[i]] = e
		}
	}
	switch {
	case parts["Code"] != nil && (parts["Reason"] != nil || parts["Remedy"] != nil || parts["Outcome"] != nil):
		return parts
	case typeName(lit.Type) == "Refusal" && parts["Code"] == nil && len(parts) > 0:
		parts["Code"] = lit // which is no text
		return parts
	}
	return nil
}

// callersMax bounds how many functions hand a code on to each other.
const callersMax = 4

// made reads one answer. Where its code or reason is the function's parameter, what each caller in the package gives is read instead.
func (r *reader) made(p *pack, f *ast.FuncDecl, at token.Pos, parts map[string]ast.Expr, depth int) {
	callers := p.calls[f.Name.Name]
	if (isParam(f, parts["Code"]) || isParam(f, parts["Reason"])) && len(callers) > 0 && depth < callersMax {
		for _, c := range callers {
			r.made(p, c.in, c.expr.Pos(), r.given(p, f, c, parts), depth+1)
		}
		return
	}
	s := r.scope(p, f)
	for _, code := range choices(parts["Code"]) {
		text, ok := r.text(s, code)
		if passedOn(code) || ok && text == "" {
			continue
		}
		if b, isSum := code.(*ast.BinaryExpr); !ok && isSum {
			if head, known := r.text(s, b.X); known && isWord(b.Y) {
				text, ok = head+"<rung>", true
			}
		}
		if !ok {
			r.unseen = append(r.unseen, r.set.Position(at).String())
			continue
		}
		out := found{dir: p.dir, outcome: r.outcome(s, parts), code: text}
		out.field, _ = r.text(s, parts["Field"])
		out.remedy, _ = r.text(s, parts["Remedy"])
		if out.reason, _ = r.text(s, parts["Reason"]); parts["Message"] != nil {
			out.reason, _ = r.text(s, parts["Message"])
		}
		if out.outcome != "conflict" { // which the service judges again, and nobody is told
			r.found = append(r.found, out)
		}
	}
}

// outcome is what a literal says, as a word; a refusal says none.
func (r *reader) outcome(s scope, parts map[string]ast.Expr) string {
	e := parts["Outcome"]
	if e == nil {
		e = parts["Status"]
	}
	if e == nil {
		return "refused"
	}
	if sel, ok := e.(*ast.SelectorExpr); ok {
		if _, status, ok := strings.Cut(sel.Sel.Name, "_STATUS_"); ok {
			return strings.ToLower(status)
		}
	}
	text, _ := r.text(s, e)
	return text
}

func params(f *ast.FuncDecl) []string {
	var out []string
	for _, field := range f.Type.Params.List {
		for _, name := range field.Names {
			out = append(out, name.Name)
		}
	}
	return out
}

func isParam(f *ast.FuncDecl, e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	if !ok {
		return false
	}
	for _, name := range params(f) {
		if name == id.Name {
			return true
		}
	}
	return false
}

// given puts a call's arguments in the place of the parameters that the parts of an answer are, or are made of.
func (r *reader) given(p *pack, f *ast.FuncDecl, c call, parts map[string]ast.Expr) map[string]ast.Expr {
	own, caller, out := r.scope(p, f), r.scope(p, c.in), map[string]ast.Expr{}
	arguments := map[string]ast.Expr{}
	for i, name := range params(f) {
		if i >= len(c.expr.Args) {
			continue
		}
		arguments[name] = c.expr.Args[i]
		if text, ok := r.text(caller, c.expr.Args[i]); ok {
			own.names[name] = &ast.BasicLit{Kind: token.STRING, Value: strconv.Quote(text)}
		}
	}
	for part, e := range parts {
		id, ok := e.(*ast.Ident)
		if argument := arguments[nameOf(id, ok)]; argument != nil {
			out[part] = argument
			continue
		}
		out[part] = e
		if part == "Field" || part == "Reason" || part == "Remedy" {
			text, _ := r.text(own, e)
			out[part] = &ast.BasicLit{Kind: token.STRING, Value: strconv.Quote(text)}
		}
	}
	return out
}

func nameOf(id *ast.Ident, ok bool) string {
	if !ok {
		return ""
	}
	return id.Name
}

// choices are the values that a call such as first(a, b) chooses between; else the expression alone.
func choices(e ast.Expr) []ast.Expr {
	if c, ok := e.(*ast.CallExpr); ok && (typeName(c.Fun) == "first" || typeName(c.Fun) == "Or") {
		return c.Args
	}
	return []ast.Expr{e}
}

// passedOn tells whether a code is another answer's, read where that is made.
func passedOn(e ast.Expr) bool {
	if c, ok := e.(*ast.CallExpr); ok && len(c.Args) == 0 {
		e = c.Fun
	}
	sel, ok := e.(*ast.SelectorExpr)
	return ok && (strings.EqualFold(sel.Sel.Name, "code") || sel.Sel.Name == "GetCode")
}

func isWord(e ast.Expr) bool {
	c, ok := e.(*ast.CallExpr)
	return ok && typeName(c.Fun) == "Word"
}

func (r *reader) scope(p *pack, f *ast.FuncDecl) scope {
	s := scope{dir: p.dir, names: map[string]ast.Expr{}}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if d, ok := n.(*ast.GenDecl); ok {
			for name, value := range constants(d) {
				s.names[name] = value
			}
		}
		return true
	})
	return s
}

// verb is what a format leaves to be filled in.
var verb = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)

// text is an expression's text, with an ellipsis for what is not constant; ok where all is.
func (r *reader) text(s scope, e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case nil:
		return "", true
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return text, true
		}
		return e.Value, true
	case *ast.Ident:
		if value, ok := s.names[e.Name]; ok {
			return r.text(scope{dir: s.dir}, value)
		}
		if text, ok := r.consts[s.dir+"."+e.Name]; ok {
			return text, true
		}
	case *ast.SelectorExpr:
		if text, ok := r.consts[typeName(e.X)+"."+e.Sel.Name]; ok {
			return text, true
		}
	case *ast.BinaryExpr:
		x, okX := r.text(s, e.X)
		y, okY := r.text(s, e.Y)
		if n, errX := strconv.Atoi(x); errX == nil && e.Op == token.SHL {
			if by, errY := strconv.Atoi(y); errY == nil {
				return strconv.Itoa(n << by), true
			}
		}
		return strings.ReplaceAll(x+y, ellipsis+ellipsis, ellipsis), okX && okY
	case *ast.CallExpr:
		if typeName(e.Fun) == "Sprintf" {
			format, _ := r.text(s, e.Args[0])
			i := 0
			return verb.ReplaceAllStringFunc(format, func(v string) string {
				if i++; i < len(e.Args) {
					text, _ = r.text(s, e.Args[i])
				}
				if strings.HasSuffix(v, "q") {
					return "“" + text + "”"
				}
				return text
			}), false
		}
	}
	return ellipsis, false
}

package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// A File is one parsed Go file of the tree.
type File struct {
	Path      string // from the root, with slashes
	Dir       string
	Test      bool // a _test.go file
	Generated bool
	Syntax    *ast.File
	Fset      *token.FileSet
}

// Parse reads every Go file below the root of the tree, except under testdata and dot folders.
func Parse(root fs.FS) ([]File, error) {
	var files []File
	fset := token.NewFileSet()
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if entry.IsDir() {
			if name != "." && (base == "testdata" || strings.HasPrefix(base, ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("parse %s: %w", name, err)
		}
		files = append(files, File{
			Path: name, Dir: path.Dir(name), Test: strings.HasSuffix(base, "_test.go"),
			Generated: ast.IsGenerated(syntax), Syntax: syntax, Fset: fset,
		})
		return nil
	})
	return files, err
}

// imported is one import of a file: its path, and the name it is called by, "" where it is not (blank and dot imports).
type imported struct {
	path, name string
	pos        token.Pos
}

func (f File) imports() []imported {
	list := make([]imported, 0, len(f.Syntax.Imports))
	for _, spec := range f.Syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has refused it before
		}
		list = append(list, imported{path: p, name: localName(spec, p), pos: spec.Pos()})
	}
	return list
}

func localName(spec *ast.ImportSpec, importPath string) string {
	if spec.Name == nil {
		return path.Base(importPath)
	}
	if spec.Name.Name == "_" || spec.Name.Name == "." {
		return ""
	}
	return spec.Name.Name
}

func (f File) line(pos token.Pos) int { return f.Fset.Position(pos).Line }

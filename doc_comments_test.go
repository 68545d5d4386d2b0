package minapp_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/internal/operation"
)

// repeats is how a comment says what is done after a failure.
var repeats = regexp.MustCompile(`(?i)(repeated automatically|(not|never) repeated)`)

// elsewhere is how a comment leaves the rest to another one.
var elsewhere = regexp.MustCompile(`(?:^\w+ is|in the manner of|else is as in|epetitions are those of|with the rules of) \[([\w.]+)\]`)

// link is a name in brackets, but not the type of TableOf[Book].
var link = regexp.MustCompile(`\B\[\*?(?:([a-z][\w./-]*?)\.)?([A-Z]\w*(?:\.[A-Z]\w*)?)\]`)

// unsourced send something and name no page, with the reason.
var unsourced = map[string]string{
	"minapp.Client.Do":      "it sends what the caller says",
	"migrate.Run":           "its source and its sink do",
	"migrate.Sync":          "its source and its sink do",
	"migrate.Verify":        "its source and its sink do",
	"migrate.Plan.Estimate": "its source and its sink do",
	"sqldb.From":            "SQL",
	"sqldb.To":              "SQL",
	"sqldb.Stage":           "SQL",
	"sqldb.Swap":            "SQL",
}

// A comment says what it is about, limits and units, errors by sentinel, what is
// repeated, and the page it comes from. This is the part of it that can be read
// mechanically.
func TestDocComments(t *testing.T) {
	packages := documentedPackages(t)
	t.Run("every exported name has one", func(t *testing.T) {
		for _, p := range packages {
			assert.NotEmpty(t, p.overview, "package %s has no overview", p.name)
			for name, d := range p.declared {
				assert.NotEmpty(t, d.comment, "%s.%s has no comment", p.name, name)
			}
		}
	})
	t.Run("what sends says whether it is repeated, and names its page", func(t *testing.T) {
		for _, p := range packages {
			for name, d := range p.declared {
				if !d.sends {
					continue
				}
				comment := p.whole(t, name)
				assert.Regexp(t, repeats, comment, "%s.%s does not say whether it is repeated", p.name, name)
				reason := unsourced[p.name+"."+name]
				assert.Equal(t, reason == "", strings.Contains(comment, "Source: "), "the page of %s.%s; %s", p.name, name, reason)
			}
		}
	})
	t.Run("what they say of repetitions is what the operation table does", func(t *testing.T) {
		for _, op := range operation.Operations() {
			want := "epeated automatically"
			if op.Safety == operation.Once {
				want = "(?i)(not|never) repeated"
			}
			assert.Regexp(t, want, packages[0].whole(t, methods[op.Name]), "%s is the method of %s (%s)", methods[op.Name], op.Name, op.Safety)
		}
	})
	t.Run("links lead somewhere", func(t *testing.T) {
		for _, p := range packages {
			p.checkLinks(t, packages)
		}
	})
}

// documentedPackage is a package as a reader of its documentation sees it.
type documentedPackage struct {
	name     string
	overview string
	declared map[string]declaration // by name, such as "Table.Get"
	symbols  *doc.Package
}

type declaration struct {
	comment string // on one line
	sends   bool
}

// checkLinks wants every name in brackets to be one that there is.
func (p documentedPackage) checkLinks(t *testing.T, packages []documentedPackage) {
	t.Helper()
	comments := map[string]string{"the overview": p.overview}
	for name, d := range p.declared {
		comments[name] = d.comment
	}
	for name, comment := range comments {
		for _, bracket := range link.FindAllString(string(p.symbols.Text(comment)), -1) {
			assert.Fail(t, "go doc makes no link of "+bracket, "%s.%s", p.name, name)
		}
		for _, match := range link.FindAllStringSubmatch(comment, -1) { // of other packages it believes everything
			other := slices.IndexFunc(packages, func(q documentedPackage) bool { return q.name == path.Base(match[1]) })
			if other >= 0 {
				assert.True(t, packages[other].knows(match[2]), "%s.%s: the link %s leads nowhere", p.name, name, match[0])
			}
		}
	}
}

// documentedPackages reads every package that a program can import, the root
// package first and those of nested modules last.
func documentedPackages(t *testing.T) []documentedPackage {
	t.Helper()
	paths := []string{}
	for _, p := range publicPackages(t) {
		paths = append(paths, p.Path())
	}
	paths = append(paths, module+"/migrate/sqldb")
	packages := make([]documentedPackage, len(paths))
	for i, path := range paths {
		packages[i] = readPackage(t, path)
	}
	return packages
}

func readPackage(t *testing.T, importPath string) documentedPackage {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(".", strings.TrimPrefix(importPath, module), "*.go"))
	require.NoError(t, err)
	fset := token.NewFileSet()
	p := documentedPackage{name: path.Base(importPath), declared: map[string]declaration{}}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, file)
		for _, d := range file.Decls {
			p.declare(d)
		}
	}
	p.symbols, err = doc.NewFromFiles(fset, files, importPath)
	require.NoError(t, err)
	p.overview = sentence(p.symbols.Doc)
	return p
}

// declare takes down what is exported. Fields and the methods of interfaces are
// not: where their names do not say all, the comment of their type does.
func (p *documentedPackage) declare(d ast.Decl) {
	add := func(name string, sends bool, comments ...*ast.CommentGroup) {
		for part := range strings.SplitSeq(name, ".") {
			if !ast.IsExported(part) {
				return
			}
		}
		text := ""
		for _, c := range comments {
			if text == "" {
				text = sentence(c.Text())
			}
		}
		p.declared[name] = declaration{text, sends}
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		add(ownerOf(d)+d.Name.Name, sends(d.Type), d.Doc)
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				add(s.Name.Name, false, s.Doc, d.Doc)
			case *ast.ValueSpec:
				for _, name := range s.Names {
					add(name.Name, false, s.Doc, d.Doc, s.Comment)
				}
			}
		}
	}
}

// ownerOf is the type of a method with a dot, "" for a function.
func ownerOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	typ := f.Recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.Name + "."
		}
	}
}

// sends reports whether a function is given what it needs to send something, or
// to make a source or a sink that does.
func sends(f *ast.FuncType) bool {
	return slices.ContainsFunc(f.Params.List, func(p *ast.Field) bool {
		typ := types.ExprString(p.Type)
		return typ == "context.Context" || typ == "*sql.DB" || strings.HasPrefix(typ, "*minapp.Table[")
	})
}

// whole is a comment with those that it leaves the rest to.
func (p documentedPackage) whole(t *testing.T, name string) string {
	t.Helper()
	require.Contains(t, p.declared, name)
	comment := p.declared[name].comment
	for _, match := range elsewhere.FindAllStringSubmatch(comment, -1) {
		comment += " " + p.whole(t, match[1])
	}
	return comment
}

// knows reports whether go doc makes a link of a name.
func (p documentedPackage) knows(name string) bool {
	first, second, isMember := strings.Cut(name, ".")
	if !isMember {
		first, second = "", first
	}
	return p.symbols.Parser().LookupSym(first, second)
}

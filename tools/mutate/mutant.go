package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// mutant is a function with one small mistake in it.
type mutant struct {
	number     int
	pkg        string
	path       string // where the file is
	name       string // the file within its module
	function   string
	line       int
	code       []byte
	body       [2]int // where the function's body is, without its braces
	start, end int    // what is replaced
	to         string // by this
}

// String identifies the mutant, also when lines were added above it. It has to
// fit into a line of Markdown.
func (m mutant) String() string {
	from := strings.Join(strings.Fields(string(m.code[m.start:m.end])), " ")
	to := strings.Join(strings.Fields(m.to), " ")
	return fmt.Sprintf("%s %s: `%s` → `%s`", m.name, m.function, from, to)
}

// find makes all mutants of the files.
func find(dir, patterns string) ([]mutant, error) {
	var mutants []mutant
	for pattern := range strings.SplitSeq(patterns, ",") {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("no file is called %s", pattern)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			found, err := findIn(dir, path)
			if err != nil {
				return nil, err
			}
			mutants = append(mutants, found...)
		}
	}
	return mutants, nil
}

// finder makes the mutants of one file.
type finder struct {
	set     *token.FileSet
	mutants []mutant
	next    mutant // what all of them share
}

func findIn(dir, path string) ([]mutant, error) {
	code, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return nil, err
	}
	f := finder{set: token.NewFileSet(), next: mutant{path: path, name: filepath.ToSlash(name), code: code}}
	file, err := parser.ParseFile(f.set, path, code, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f.next.pkg = file.Name.Name
	for _, decl := range file.Decls {
		if function, ok := decl.(*ast.FuncDecl); ok && function.Body != nil {
			f.next.function = nameOf(function)
			f.next.body = [2]int{f.set.Position(function.Body.Lbrace).Offset + 1, f.set.Position(function.Body.Rbrace).Offset}
			ast.Inspect(function.Body, f.visit)
		}
	}
	return f.mutants, nil
}

// nameOf is Type.Method or Function.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	switch generic := receiver.(type) {
	case *ast.IndexExpr:
		receiver = generic.X
	case *ast.IndexListExpr:
		receiver = generic.X
	}
	return receiver.(*ast.Ident).Name + "." + f.Name.Name
}

// instead are the mistakes of one operator.
var instead = map[token.Token][]token.Token{
	token.LSS: {token.LEQ, token.GEQ}, token.LEQ: {token.LSS, token.GTR},
	token.GTR: {token.GEQ, token.LEQ}, token.GEQ: {token.GTR, token.LSS},
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	token.LAND: {token.LOR}, token.LOR: {token.LAND},
	token.ADD: {token.SUB}, token.SUB: {token.ADD}, token.MUL: {token.QUO}, token.QUO: {token.MUL},
}

// swap leaves a loop instead of going on, and the other way round.
var swap = strings.NewReplacer("break", "continue", "continue", "break")

func (f *finder) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		for _, op := range instead[n.Op] {
			f.replace(n, f.text(n.X.Pos(), n.OpPos)+op.String()+f.text(n.OpPos+token.Pos(len(n.Op.String())), n.End()))
		}
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			f.replace(n, f.text(n.X.Pos(), n.X.End()))
		}
	case *ast.IfStmt:
		f.condition(n.Cond)
	case *ast.SwitchStmt:
		f.cases(n)
	case *ast.ReturnStmt:
		f.results(n)
	case *ast.Ident:
		switch n.Name {
		case "true":
			f.replace(n, "false")
		case "false":
			f.replace(n, "true")
		}
	case *ast.BranchStmt:
		f.replace(n, swap.Replace(f.text(n.Pos(), n.End())))
	case *ast.IncDecStmt, *ast.ExprStmt:
		f.replace(n, "") // left out
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			f.replace(n, "")
		}
	}
	return true
}

// condition turns one around that has no operator of its own.
func (f *finder) condition(cond ast.Expr) {
	switch cond.(type) {
	case *ast.BinaryExpr, *ast.UnaryExpr:
	default:
		f.replace(cond, "!("+f.text(cond.Pos(), cond.End())+")")
	}
}

// cases does so with the conditions of a switch without a value.
func (f *finder) cases(n *ast.SwitchStmt) {
	if n.Tag != nil {
		return
	}
	for _, clause := range n.Body.List {
		for _, cond := range clause.(*ast.CaseClause).List {
			f.condition(cond)
		}
	}
}

// results hides an error.
func (f *finder) results(n *ast.ReturnStmt) {
	if len(n.Results) == 0 {
		return
	}
	last := n.Results[len(n.Results)-1]
	if name, ok := last.(*ast.Ident); !ok || name.Name != "nil" && name.Name != "true" && name.Name != "false" {
		f.replace(last, "nil")
	}
}

func (f *finder) text(from, to token.Pos) string {
	return string(f.next.code[f.set.Position(from).Offset:f.set.Position(to).Offset])
}

func (f *finder) replace(n ast.Node, to string) {
	if to == f.text(n.Pos(), n.End()) {
		return
	}
	m := f.next
	m.start, m.end, m.line, m.to = f.set.Position(n.Pos()).Offset, f.set.Position(n.End()).Offset, f.set.Position(n.Pos()).Line, to
	f.mutants = append(f.mutants, m)
}

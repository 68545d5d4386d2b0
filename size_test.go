package minapp_test

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The way of a call is short enough to be read at once.
func TestTheSenderStaysSmall(t *testing.T) {
	names, err := filepath.Glob("internal/api/*.go")
	require.NoError(t, err)
	lines := 0
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			lines += linesOfCode(t, name)
		}
	}
	assert.Positive(t, lines)
	assert.LessOrEqual(t, lines, 600, "lines of internal/api without comments, blank lines and tests")
}

// linesOfCode counts the lines of a file that have more than a comment.
func linesOfCode(t *testing.T, name string) int {
	t.Helper()
	source, err := os.ReadFile(name)
	require.NoError(t, err)
	file := token.NewFileSet().AddFile(name, -1, len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, 0)
	lines := map[int]bool{}
	for {
		pos, tok, text := s.Scan()
		switch {
		case tok == token.EOF:
			return len(lines)
		case tok == token.SEMICOLON && text == "\n": // set by the scanner
			continue
		}
		for i := range 1 + strings.Count(text, "\n") {
			lines[file.Line(pos)+i] = true
		}
	}
}

// A function of more than 60 lines says why it is long.
func TestLongFunctionsSayWhy(t *testing.T) {
	const most = 60
	reason := regexp.MustCompile(`(?i)\blong,? because\b`)
	functions := 0
	err := filepath.WalkDir(".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil || ast.IsGenerated(file) {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			functions++
			lines := 1 + fset.Position(f.End()).Line - fset.Position(f.Pos()).Line
			assert.True(t, lines <= most || reason.MatchString(sentence(f.Doc.Text())), "%s: %s has %d lines, and its comment does not say why (\"long because …\")", name, f.Name.Name, lines)
		}
		return nil
	})
	require.NoError(t, err)
	assert.Positive(t, functions)
}

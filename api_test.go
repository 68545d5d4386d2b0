package minapp_test

import (
	"encoding/json"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// docs/api.txt is what a program can name, one line each. A line that goes or
// changes breaks programs; this test makes sure that nobody does so unawares.
func TestExportedNamesAreKept(t *testing.T) {
	var lines []string
	for _, pkg := range publicPackages(t) {
		lines = append(lines, exportedNames(pkg)...)
	}
	page := strings.Join(lines, "\n") + "\n"
	name := filepath.Join("docs", "api.txt")
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(page), 0o644))
	}
	have, err := os.ReadFile(name)
	require.NoError(t, err)
	kept := strings.Split(strings.TrimSpace(string(have)), "\n")
	assert.Empty(t, without(kept, lines), "gone or changed: programs that use this may break; if that is meant, run go generate . and say so in CHANGELOG.md")
	assert.Empty(t, without(lines, kept), "new: run go generate . and commit docs/api.txt")
	assert.Equal(t, page, string(have), "docs/api.txt is not in order: run go generate .")
}

// without returns the lines that the others do not have.
func without(lines, others []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return slices.Contains(others, line) })
}

// publicPackages reads the packages that a program can import as the compiler
// has left them.
func publicPackages(t *testing.T) []*types.Package {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Export,Name", "./...")
	list.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false") // no coverage, and nothing about the commit
	out, err := list.Output()
	require.NoError(t, err)
	exports := map[string]string{}
	var public []string
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p struct{ ImportPath, Export, Name string }
		require.NoError(t, decoder.Decode(&p))
		exports[p.ImportPath] = p.Export
		ours := p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/")
		if ours && p.Name != "main" && !strings.Contains(p.ImportPath, "/internal/") {
			public = append(public, p.ImportPath)
		}
	}
	slices.Sort(public)
	compiled := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	packages := make([]*types.Package, len(public))
	for i, path := range public {
		packages[i], err = compiled.Import(path)
		require.NoError(t, err)
	}
	return packages
}

// exportedNames lists what a package exports, with fields and methods.
func exportedNames(pkg *types.Package) []string {
	short := func(p *types.Package) string {
		if p == pkg {
			return ""
		}
		return path.Base(p.Path())
	}
	var lines []string
	add := func(format string, args ...any) {
		lines = append(lines, path.Base(pkg.Path())+": "+fmt.Sprintf(format, args...))
	}
	for _, name := range pkg.Scope().Names() {
		object := pkg.Scope().Lookup(name)
		if !object.Exported() {
			continue
		}
		switch object := object.(type) {
		case *types.Const:
			add("%s = %s", types.ObjectString(object, short), object.Val().ExactString())
		case *types.TypeName:
			describeType(object, short, add)
		default:
			add("%s", types.ObjectString(object, short))
		}
	}
	return lines
}

// describeType lists a type with what a program can reach through it.
func describeType(object *types.TypeName, short types.Qualifier, add func(string, ...any)) {
	named, ok := object.Type().(*types.Named)
	structure, isStruct := object.Type().Underlying().(*types.Struct)
	if !ok || !isStruct {
		add("%s", types.ObjectString(object, short))
	} else {
		head, _, _ := strings.Cut(types.ObjectString(object, short), " struct{")
		add("%s struct", head)
		for field := range structure.Fields() {
			if field.Exported() {
				add("field %s.%s %s", object.Name(), field.Name(), types.TypeString(field.Type(), short))
			}
		}
	}
	if !ok || types.IsInterface(named) {
		return
	}
	values := types.NewMethodSet(named)
	for method := range types.NewMethodSet(types.NewPointer(named)).Methods() {
		if !method.Obj().Exported() {
			continue
		}
		receiver := "*" + object.Name()
		if values.Lookup(method.Obj().Pkg(), method.Obj().Name()) != nil {
			receiver = object.Name()
		}
		signature := strings.TrimPrefix(types.TypeString(method.Type(), short), "func")
		add("method (%s) %s%s", receiver, method.Obj().Name(), signature)
	}
}

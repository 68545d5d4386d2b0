package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const clamp = `package clamp

func Clamp(n, most int) int {
	if n > most {
		return most
	}
	return n + 0
}

func Both(a, b string) string { return a + b }
`

const clampTest = `package clamp

import "testing"

func TestClamp(t *testing.T) {
	if Clamp(3, 2) != 2 || Clamp(1, 2) != 1 {
		t.Fatal("not clamped")
	}
}
`

// What a test notices is killed, what it does not survives, what does not
// compile is left out, and no file is changed.
func TestMutantsAreKilledOrSurvive(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module clamp\n\ngo 1.26.0\n", "clamp.go": clamp, "clamp_test.go": clampTest} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := run{dir: dir, temp: t.TempDir(), pattern: ".", packages: []string{"."}, timeout: time.Minute}
	mutants, err := find(dir, "*.go")
	if err != nil {
		t.Fatal(err)
	}
	if mutants, err = r.build(mutants); err != nil {
		t.Fatal(err)
	}
	r.explained = "- clamp.go Clamp: `n + 0` → `n - 0`: nothing is nothing"
	found := map[string]verdict{}
	for _, m := range mutants {
		found[m.String()] = r.try(m)
	}
	want := map[string]verdict{
		"clamp.go Clamp: `n > most` → `n >= most`": survived,
		"clamp.go Clamp: `n > most` → `n <= most`": killed,
		"clamp.go Clamp: `n + 0` → `n - 0`":        explained,
	}
	for name, v := range want {
		if got, ok := found[name]; !ok || got != v {
			t.Errorf("%s: verdict %d, want %d", name, got, v)
		}
	}
	if len(found) != len(want) {
		t.Errorf("found %v", found)
	}
	if code, err := os.ReadFile(filepath.Join(dir, "clamp.go")); err != nil || string(code) != clamp {
		t.Errorf("the file was changed: %v", err)
	}
}

// A mutant is known by its function and its text, wherever it stands.
func TestMutantsAreNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.go")
	code := "package a\n\nfunc (l *list[T]) last() error {\n\tfor !l.end() {\n\t\tl.skip()\n\t\tcontinue\n\t}\n\treturn l.err\n}\n"
	if err := os.WriteFile(path, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	mutants, err := find(filepath.Dir(path), "a.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range mutants {
		names = append(names, strings.TrimPrefix(m.String(), "a.go list.last: "))
	}
	want := []string{"`!l.end()` → `l.end()`", "`l.skip()` → ``", "`continue` → `break`", "`l.err` → `nil`"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
}

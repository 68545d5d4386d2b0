package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// chooser is in every package that is broken.
const chooser = `package %s

import (
	"os"
	"strconv"
)

var mutantNumber, _ = strconv.Atoi(os.Getenv("MUTANT"))
`

// build makes the tests with all mutants in them, and returns those that
// compile.
func (r *run) build(mutants []mutant) ([]mutant, error) {
	for i := range mutants {
		mutants[i].number = i + 1
	}
	for {
		lines, dirs, err := r.overlay(mutants)
		if err != nil {
			return nil, err
		}
		out, err := r.command(append([]string{"build", "-gcflags=-e", "-overlay", r.file("overlay.json")}, dirs...)...)
		if err == nil {
			break
		}
		left := slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool { return complainsOf(out, lines[m.number]) })
		if len(left) == len(mutants) {
			return nil, fmt.Errorf("%w\n%s", err, out)
		}
		mutants = left
	}
	for i, pkg := range r.packages {
		if out, err := r.command("test", "-c", "-vet=off", "-overlay", r.file("overlay.json"), "-o", r.binary(i), pkg); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, out)
		}
	}
	return mutants, nil
}

func (r *run) file(name string) string { return filepath.Join(r.temp, name) }

func (r *run) binary(i int) string { return r.file(fmt.Sprintf("%d.test", i)) }

func (r *run) command(args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...) //nolint:noctx // as long as it takes
	cmd.Dir = r.dir
	return cmd.CombinedOutput()
}

// place is where a mutant is in the file that has them all.
type place struct {
	name        string
	first, last int
}

var complaint = regexp.MustCompile(`(?m)([\w.-]+\.go):(\d+):\d+: `)

// complainsOf reports whether the compiler has refused something there.
func complainsOf(out []byte, p place) bool {
	for _, match := range complaint.FindAllSubmatch(out, -1) {
		line, _ := strconv.Atoi(string(match[2]))
		if string(match[1]) == p.name && p.first <= line && line <= p.last {
			return true
		}
	}
	return false
}

// overlay writes the files with the mutants, and returns their places and
// packages.
func (r *run) overlay(mutants []mutant) (places map[int]place, dirs []string, err error) {
	places, replace := map[int]place{}, map[string]string{}
	write := func(path, as string, code []byte) error {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		replace[absolute] = r.file(as)
		return os.WriteFile(r.file(as), code, 0o600)
	}
	byFile := map[string][]mutant{}
	for _, m := range mutants {
		byFile[m.name] = append(byFile[m.name], m)
	}
	for name, all := range byFile {
		dir := "./" + filepath.ToSlash(filepath.Dir(name))
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
			path := filepath.Join(filepath.Dir(all[0].path), "mutant_number.go")
			if err := write(path, fmt.Sprintf("number%d.go", len(dirs)), fmt.Appendf(nil, chooser, all[0].pkg)); err != nil {
				return nil, nil, err
			}
		}
		if err := write(all[0].path, filepath.Base(name), together(all, places)); err != nil {
			return nil, nil, err
		}
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, nil, err
	}
	return places, dirs, os.WriteFile(r.file("overlay.json"), data, 0o600)
}

// together is a file in which every function chooses between its body and
// those of its mutants.
func together(mutants []mutant, places map[int]place) []byte {
	slices.SortStableFunc(mutants, func(a, b mutant) int { return cmp.Compare(a.body[0], b.body[0]) })
	code := mutants[0].code
	var out bytes.Buffer
	line := func() int { return bytes.Count(out.Bytes(), []byte("\n")) + 1 }
	written := 0
	for i, m := range mutants {
		if i == 0 || mutants[i-1].body != m.body {
			out.Write(code[written:m.body[0]])
			out.WriteString("\nswitch mutantNumber {\ndefault:\n")
			out.Write(code[m.body[0]:m.body[1]])
		}
		fmt.Fprintf(&out, "\ncase %d:\n", m.number)
		p := place{name: filepath.Base(m.name), first: line() - 1}
		out.Write(slices.Concat(code[m.body[0]:m.start], []byte(m.to), code[m.end:m.body[1]]))
		p.last = line()
		places[m.number] = p
		if i+1 == len(mutants) || mutants[i+1].body != m.body {
			out.WriteString("\n}\n")
		}
		written = m.body[1]
	}
	out.Write(code[written:])
	return out.Bytes()
}

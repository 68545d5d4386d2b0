package minapp_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/minapptest"
)

// page is a text that people read. Its Go compiles, its programs and tests on
// the emulator run, and .ci/run runs its commands.
type page struct {
	name   string
	prose  string // without the code
	fences []fence
}

// fence is a block of a page, and the one that follows it.
type fence struct {
	language, text string
	next           *fence
}

// languages of blocks; those that nobody checks are the last three.
var languages = []string{"go", "sh", "text", "js", "json", ""}

func pages(t *testing.T) []page {
	t.Helper()
	names, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	names = append(names, "README.md", "README.zh-CN.md", "CONTRIBUTING.md")
	var all []page
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		block := regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
		p := page{name: name, prose: regexp.MustCompile("`[^`\n]*`").ReplaceAllString(block.ReplaceAllString(string(text), ""), "")}
		for _, match := range block.FindAllStringSubmatch(string(text), -1) {
			p.fences = append(p.fences, fence{language: match[1], text: match[2]})
		}
		for i := range p.fences[:max(0, len(p.fences)-1)] {
			p.fences[i].next = &p.fences[i+1]
		}
		all = append(all, p)
	}
	return all
}

// Every block of Go compiles against this module from outside. What is no
// program is a piece of one: the prelude says what is there before.
func TestGoOfThePages(t *testing.T) {
	dir := t.TempDir()
	writeModule(t, dir)
	programs := map[string]fence{} // by folder, those that need nothing but the emulator
	for _, p := range pages(t) {
		folder := regexp.MustCompile(`\W`).ReplaceAllString(p.name, "_")
		for i, f := range p.fences {
			require.Contains(t, languages, f.language, p.name)
			if f.language != "go" {
				continue
			}
			name, code := fmt.Sprintf("%s/piece%d.go", folder, i), pieceOfProgram(f.text)
			if strings.HasPrefix(f.text, "package ") {
				name, code = fmt.Sprintf("%s_%d/main.go", folder, i), f.text
			}
			switch {
			case strings.Contains(f.text, "testing.T"):
				name = strings.TrimSuffix(name, ".go") + "_test.go"
			case strings.HasPrefix(f.text, "package ") && strings.Contains(f.text, "minapptest"):
				programs[filepath.Dir(name)] = f
			case !strings.HasPrefix(f.text, "package "):
				writeFile(t, filepath.Join(dir, folder, "prelude.go"), pieceOfProgram(prelude))
			}
			writeFile(t, filepath.Join(dir, name), code)
		}
	}
	runGo(t, dir, "vet", "-unreachable=false", "./...") // a piece may end with return
	runGo(t, dir, "test", "./...")
	for folder, f := range programs {
		out := runGo(t, dir, "run", "./"+folder)
		if f.next != nil && f.next.language == "text" {
			assert.Equal(t, f.next.text, out, folder)
		}
	}
}

// The first program runs on the emulator and its sample data, as the page says,
// and no column of it is dropped.
func TestTheFirstProgramRunsOnTheEmulator(t *testing.T) {
	server := minapptest.NewServer(t)
	data, err := os.Open("cmd/minapp-emulator/testdata/shop.json")
	require.NoError(t, err)
	require.NoError(t, server.LoadData(data))
	require.NoError(t, data.Close())
	base, err := server.Listen("127.0.0.1:0")
	require.NoError(t, err)
	for _, p := range pages(t) {
		if !strings.HasPrefix(p.name, "README") {
			continue
		}
		first := p.fences[slices.IndexFunc(p.fences, func(f fence) bool { return f.language == "go" })].text
		dir := t.TempDir()
		writeModule(t, dir)
		writeFile(t, filepath.Join(dir, "main.go"), strings.Replace(first, "minapp.WithToken(os.Getenv(\"MINAPP_TOKEN\"))",
			fmt.Sprintf("minapp.WithBaseURL(%q), minapp.WithToken(\"any\" + os.Getenv(\"MINAPP_TOKEN\"))", base), 1))
		assert.Contains(t, runGo(t, dir, "run", "."), "保温杯", p.name)
		rows := server.Rows(3906)
		assert.Equal(t, []any{"sale"}, rows[len(rows)-1]["tag"], p.name)
	}
}

// prelude is what the pieces of programs may use; the guides say so.
const prelude = `type Book struct {
	ISBN  string   ` + "`json:\"isbn\"`" + `
	Title string   ` + "`json:\"title\"`" + `
	Price float64  ` + "`json:\"price\"`" + `
	Tags  []string ` + "`json:\"tags,omitempty\"`" + `
}

var (
	ctx    context.Context
	client *minapp.Client
	books  *minapp.Table[Book]
)
`

// imports of pieces, by the name that they use.
var imports = map[string]string{
	"json": "encoding/json", "slog": "log/slog", "http": "net/http",
	"minapp":     "github.com/minapp-go/minapp",
	"migrate":    "github.com/minapp-go/minapp/migrate",
	"minapptest": "github.com/minapp-go/minapp/minapptest",
	"where":      "github.com/minapp-go/minapp/where",
	"patch":      "github.com/minapp-go/minapp/patch",
	"geo":        "github.com/minapp-go/minapp/geo",
}

// pieceOfProgram completes declarations, or statements of a function that
// returns an error.
func pieceOfProgram(text string) string {
	used := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)(?:^|[^\w.")])([a-z]+)\.[A-Z]`).FindAllStringSubmatch(withoutComments(text), -1) {
		if name := match[1]; !slices.Contains([]string{"client", "books"}, name) && (imports[name] != "" || isStandard(name)) {
			used[cmp.Or(imports[name], name)] = true
		}
	}
	var b strings.Builder
	b.WriteString("package piece\n\n")
	for _, path := range slices.Sorted(maps.Keys(used)) {
		fmt.Fprintf(&b, "import %q\n", path)
	}
	if regexp.MustCompile(`^(//|type|func|var|const) ?`).MatchString(text) && !strings.HasPrefix(text, "func()") {
		return b.String() + text
	}
	return b.String() + "func _() error {\n" + text + "return nil\n}\n"
}

func withoutComments(text string) string {
	return regexp.MustCompile(`(?m)//.*$`).ReplaceAllString(text, "")
}

// isStandard reports a package that is called as its path.
func isStandard(name string) bool {
	return slices.Contains([]string{"cmp", "context", "errors", "fmt", "io", "iter", "log", "maps", "os", "slices", "strconv", "strings", "testing", "time"}, name)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
}

// writeModule makes a module that uses this one from outside, with the same
// requirements, so that nothing has to be fetched.
func writeModule(t *testing.T, dir string) {
	t.Helper()
	here, err := os.Getwd()
	require.NoError(t, err)
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	writeFile(t, filepath.Join(dir, "go.mod"), strings.Replace(string(mod), "module github.com/minapp-go/minapp", "module readme", 1)+
		"\nrequire github.com/minapp-go/minapp v0.0.0\n\nreplace github.com/minapp-go/minapp => "+here+"\n")
	sum, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	writeFile(t, filepath.Join(dir, "go.sum"), string(sum))
}

// runGo returns what the command prints.
func runGo(t *testing.T, dir string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	var failure strings.Builder
	command.Stderr = &failure
	out, err := command.Output()
	require.NoError(t, err, "go %v: %s%s", args, out, failure.String())
	return string(out)
}

// commands joins lines that end in a backslash.
func commands(script string) []string {
	var list []string
	for line := range strings.Lines(strings.ReplaceAll(script, "\\\n", " ")) {
		list = append(list, strings.Join(strings.Fields(strings.TrimSuffix(strings.TrimSpace(line), "&")), " "))
	}
	return list
}

// Every command of the pages is one that .ci/run runs.
func TestCommandsOfThePages(t *testing.T) {
	ci, err := os.ReadFile(".ci/run")
	require.NoError(t, err)
	known := commands(string(ci))
	loop := regexp.MustCompile(`(?m)^for example in (.*); do$`).FindStringSubmatch(string(ci))
	require.NotNil(t, loop)
	for example := range strings.FieldsSeq(loop[1]) {
		known = append(known, "go run -C examples ./"+strings.TrimPrefix(example, `"`))
	}
	checked := 0
	for _, p := range pages(t) {
		for _, f := range p.fences {
			if f.language != "sh" {
				continue
			}
			for _, command := range commands(f.text) {
				checked++
				assert.Contains(t, known, command, "%s has a command that .ci/run does not run", p.name)
			}
		}
	}
	assert.GreaterOrEqual(t, checked, 10)
}

// What the pages refer to is there.
func TestPagesAgreeWithTheRepository(t *testing.T) {
	for _, p := range pages(t) {
		for _, match := range regexp.MustCompile(`\]\(([^):#]+)(#[^)]*)?\)`).FindAllStringSubmatch(p.prose, -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(p.name), match[1]))
			assert.NoError(t, err, p.name)
		}
	}
	for _, readme := range []string{"README.md", "README.zh-CN.md"} {
		text, err := os.ReadFile(readme)
		require.NoError(t, err)
		for _, command := range []string{"go run -C examples ./migrate", "go test -race ./..."} {
			assert.Contains(t, string(text), "\n"+command+"\n", readme)
		}
	}
}

// Two languages of a page say the same: the same headings, links, code and
// lines of tables, comments and texts aside.
func TestLanguagesSayTheSame(t *testing.T) {
	all := map[string]page{}
	for _, p := range pages(t) {
		all[p.name] = p
	}
	for _, name := range []string{"README", "docs/migrations"} {
		assert.Equal(t, outline(all[name+".md"]), outline(all[name+".zh-CN.md"]), name)
	}
}

// outline is what of a page does not depend on its language.
func outline(p page) []string {
	var lines []string
	for line := range strings.Lines(p.prose) {
		switch {
		case strings.HasPrefix(line, "#"):
			lines = append(lines, strings.Fields(line)[0])
		case strings.HasPrefix(line, "|"):
			lines = append(lines, fmt.Sprint("cells: ", strings.Count(line, "|")))
		}
	}
	targets := map[string]bool{}
	for _, match := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(p.prose, -1) {
		targets[strings.ReplaceAll(match[1], ".zh-CN", "")] = true
	}
	lines = append(lines, slices.Sorted(maps.Keys(targets))...)
	for _, f := range p.fences {
		text := regexp.MustCompile(`"[^"\n]*"`).ReplaceAllStringFunc(withoutComments(f.text), func(s string) string {
			if regexp.MustCompile(`[^\x21-\x7e]`).MatchString(s) {
				return `""` // words
			}
			return s
		})
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// Every reason of an error is in the tables of both READMEs.
func TestReadmesListEveryReason(t *testing.T) {
	var reasons []string
	for _, name := range []string{"error.go", "scan.go"} {
		code, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`(?m)^(?:var |\t)(Err\w+)\s+= `).FindAllStringSubmatch(string(code), -1) {
			reasons = append(reasons, match[1])
		}
	}
	require.Len(t, reasons, 15)
	for _, readme := range []string{"README.md", "README.zh-CN.md"} {
		text, err := os.ReadFile(readme)
		require.NoError(t, err)
		for _, reason := range reasons {
			assert.Contains(t, string(text), "\n| `"+reason+"` | ", readme)
		}
	}
}

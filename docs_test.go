package minapp_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/internal/fixture"
	"github.com/minapp-go/minapp/internal/operation"
)

//go:generate go test -run ^(TestDocumentationIsCurrent|TestExportedNamesAreKept)$ . -update

var update = flag.Bool("update", false, "write the generated documentation instead of comparing it")

// The pages of docs/ are made from the operation table and the exchanges.
func TestDocumentationIsCurrent(t *testing.T) {
	exchanges := exchanges(t)
	for name, page := range map[string]string{
		"features.md": featuresPage(t, exchanges),
		"inferred.md": inferredPage(exchanges),
	} {
		name = filepath.Join("docs", name)
		if *update {
			require.NoError(t, os.MkdirAll("docs", 0o755))
			require.NoError(t, os.WriteFile(name, []byte(page), 0o644))
		}
		have, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, page, string(have), "%s is not current: run go generate .", name)
	}
}

const generated = "<!-- Generated from internal/operation/operation.go and testdata/exchanges: run `go generate .`, do not edit. -->\n\n"

const featuresIntro = `# Every call

One row for each operation of the client. *Repeated* is what the client does by
itself after a failure whose outcome is unknown:

- **read**: repeated;
- **idempotent**: repeated, because the end is the same; an update with a patch
  that is not idempotent is treated as *once*;
- **once**: not repeated without ` + "`CallReplay`" + `; the error is ` + "`ErrOutcomeUnknown`" + `.

A 429, and a request that certainly was not sent, is repeated in every class.
Every exchange is one documented request with its answer.

`

// featuresPage is a table with a row for each operation.
func featuresPage(t *testing.T, exchanges []fixture.Exchange) string {
	t.Helper()
	places := examplePlaces(t)
	number := map[string]int{}
	for _, e := range exchanges {
		number[e.Operation]++
	}
	var b strings.Builder
	b.WriteString(generated + featuresIntro)
	row := func(cells ...string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	row("operation", "request", "surface", "repeated", "method", "exchanges", "example", "source")
	row(slices.Repeat([]string{"---"}, 8)...)
	for _, op := range operation.Operations() {
		method := methods[op.Name]
		row(
			"`"+op.Name+"`", "`"+op.Method+" "+op.Path+"`", surfaceOf(op), op.Safety.String(), "`"+method+"`",
			fmt.Sprintf("[%d](../testdata/exchanges/%s)", number[op.Name], op.Name),
			fmt.Sprintf("[%s](../%s)", exampleOf(method), places[exampleOf(method)]), op.Source,
		)
	}
	return b.String()
}

// surfaceOf is whose credentials a call carries.
func surfaceOf(op operation.Operation) string {
	switch {
	case op.Service == operation.MOI:
		return "MOI"
	case op.Service == operation.OAuth:
		return "sign-in"
	case strings.HasPrefix(op.Path, "/{surface}/"):
		return "oserve, userve"
	}
	return strings.Split(op.Path, "/")[1]
}

// examplePlaces finds the file of each example.
func examplePlaces(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	places := map[string]string{}
	declared := regexp.MustCompile(`(?m)^func (Example\w*)\(`)
	for _, name := range names {
		code, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, match := range declared.FindAllStringSubmatch(string(code), -1) {
			places[match[1]] = name
		}
	}
	return places
}

const inferredIntro = `# What to check against the live service first

The live service could not be reached while this client was written. Whatever
no document prints was inferred, and says so in the exchange that depends on it;
here it is, by operation. ` + "`go run -C examples ./preflight`" + ` settles some of it on
your account without writing anything, and ` + "`go run -C examples ./record`" + ` replaces
documented exchanges by recorded ones, whose entries then disappear from here.

`

// inferredPage lists what is inferred, by operation and without repetition.
func inferredPage(exchanges []fixture.Exchange) string {
	var b strings.Builder
	b.WriteString(generated + inferredIntro)
	for _, op := range operation.Operations() {
		cases := map[string][]string{}
		var texts []string
		for _, e := range exchanges {
			if e.Operation != op.Name {
				continue
			}
			for _, text := range e.Inferred {
				if cases[text] == nil {
					texts = append(texts, text)
				}
				cases[text] = append(cases[text], path.Base(e.Name))
			}
		}
		if len(texts) == 0 {
			continue
		}
		slices.SortStableFunc(texts, func(a, b string) int { return cmp.Compare(len(cases[b]), len(cases[a])) })
		fmt.Fprintf(&b, "## %s\n\n`%s %s`\n\n", op.Name, op.Method, op.Path)
		for _, text := range texts {
			fmt.Fprintf(&b, "- %s (%s)\n", text, whichCases(cases[text]))
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// whichCases names a few exchanges, or says how many there are.
func whichCases(names []string) string {
	if len(names) > 4 {
		return fmt.Sprintf("%d exchanges", len(names))
	}
	return "`" + strings.Join(names, "`, `") + "`"
}

package minapp_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var readmes = []string{"README.md", "README.zh-CN.md"}

// Every Go block of the READMEs is a program that compiles against this module.
func TestReadmeBlocksCompile(t *testing.T) {
	dir := t.TempDir()
	writeModule(t, dir)
	blocks := 0
	for _, readme := range readmes {
		text, err := os.ReadFile(readme)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			blocks++
			file := filepath.Join(dir, "block"+strconv.Itoa(blocks), "main.go")
			if strings.Contains(match[1], "testing.T") {
				file = strings.TrimSuffix(file, ".go") + "_test.go"
			}
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(match[1]), 0o644))
		}
	}
	require.GreaterOrEqual(t, blocks, 8, "four blocks in each language")
	vet := exec.CommandContext(t.Context(), "go", "vet", "./...")
	vet.Dir = dir
	vet.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := vet.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// writeModule makes a module that uses this one from outside, with the same
// requirements, so that nothing has to be fetched.
func writeModule(t *testing.T, dir string) {
	t.Helper()
	here, err := os.Getwd()
	require.NoError(t, err)
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	text := strings.Replace(string(mod), "module github.com/minapp-go/minapp", "module readme", 1) +
		"\nrequire github.com/minapp-go/minapp v0.0.0\n\nreplace github.com/minapp-go/minapp => " + here + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644))
	sum, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644))
}

// The two commands and the files that the READMEs name are there.
func TestReadmesAgreeWithTheRepository(t *testing.T) {
	for _, readme := range readmes {
		text, err := os.ReadFile(readme)
		require.NoError(t, err)
		for _, command := range []string{"go run -C examples ./migrate", "go test -race ./..."} {
			assert.Contains(t, string(text), "\n"+command+"\n", readme)
		}
		for _, match := range regexp.MustCompile(`-data (\S+)|\]\((\S+\.md)\)`).FindAllStringSubmatch(string(text), -1) {
			assert.FileExists(t, match[1]+match[2], readme)
		}
	}
}

package wholefile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWriteReplacesAndLeavesNothingBeside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	for _, content := range []string{"a longer one", "short"} {
		require.NoError(t, Write(path, []byte(content)))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, content, string(data))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "taken", "by a folder"), 0o700))
	require.Error(t, Write(filepath.Join(dir, "taken"), nil))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2, "the file and the folder")
}

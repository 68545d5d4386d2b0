package minapp_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
)

// An input may use one map again and again: what is sent is what it held when
// it was yielded.
func TestInputMayReuseItsMemory(t *testing.T) {
	s, table := emulated(t)
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	row := map[string]any{}
	reusing := func(yield func(map[string]any, error) bool) {
		for i := range 60 {
			if row["name"] = strconv.Itoa(i); !yield(row, nil) {
				return
			}
		}
	}
	for b, err := range minapp.TableOf[map[string]any](client, table.ID()).CreateAll(t.Context(), reusing, minapp.BatchOptions{Size: 10, Parallel: 3}) {
		require.NoError(t, err)
		checkBatch(t, b, err)
	}
	names := make(map[any]bool)
	for _, row := range s.Rows(int64(table.ID())) {
		names[row["name"]] = true
	}
	assert.Len(t, names, 60)
}

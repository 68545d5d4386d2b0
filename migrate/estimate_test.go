package migrate_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

// What is estimated is about what happens then.
func TestEstimateIsAboutWhatHappens(t *testing.T) {
	for _, update := range []bool{false, true} {
		w := newWorld(t, 2500)
		p := w.plan()
		p.Source = migrate.FromTable(w.cities, migrate.FromTableOptions{})
		p.Sink = migrate.ToTable(w.places, migrate.ToTableOptions{Update: update})
		p.Key = "name"
		estimate, err := p.Estimate(t.Context())
		require.NoError(t, err)
		looking := w.Count("")
		assert.Less(t, looking, 20, "a count, some rows to weigh, the ends of the parts")
		assert.Empty(t, w.Rows(2))
		assert.EqualValues(t, 2500, estimate.Rows)
		assert.Positive(t, estimate.Read.Bytes)
		w.ResetLog()
		_, err = migrate.Run(t.Context(), p)
		require.NoError(t, err)
		assert.InDelta(t, w.Count("")-looking, estimate.Requests(), 10, "a run looks around first, too")
	}
}

func TestDurationOfAnEstimate(t *testing.T) {
	e := migrate.Estimate{Rows: 12_000_000, Read: migrate.Cost{Requests: 12_600}, Write: migrate.Cost{Requests: 12_000}}
	assert.Equal(t, 492*time.Minute, e.Duration(50))
	assert.Equal(t, 4920*time.Millisecond*6, e.Duration(50_000))
	assert.Zero(t, e.Duration(0))
	assert.Equal(t, "12000000 rows, about 24600 requests (12600 to read, 12000 to write); one side cannot tell what it takes", e.String())
}

// A file takes no requests, so that a plan into one costs what reading does.
func TestEstimateOfAFile(t *testing.T) {
	w := newWorld(t, 40)
	estimate, err := migrate.Plan[*minapp.Record[city], place]{
		Source: migrate.FromTable(w.cities, migrate.FromTableOptions{}), Transform: toPlace,
		Sink: migrate.ToJSONLines[place](filepath.Join(t.TempDir(), "places.jsonl"), migrate.ToJSONLinesOptions{}),
	}.Estimate(t.Context())
	require.NoError(t, err)
	assert.Equal(t, estimate.Read.Requests, estimate.Requests())
	assert.True(t, estimate.Known, "both sides tell what it takes")
}

// Without a Transform the rows of an interface type go as they are, too.
func TestRowsOfAnyTypeNeedNoTransform(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	_, err := migrate.Run(t.Context(), migrate.Plan[any, any]{
		Source: migrate.FromSlice("rows", []any{map[string]int{"a": 1}, map[string]bool{"b": true}}),
		Sink:   migrate.ToJSONLines[any](path, migrate.ToJSONLinesOptions{}), Parallel: 1,
	})
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "{\"a\":1}\n{\"b\":true}\n", string(text))
}

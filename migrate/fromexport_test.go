package migrate_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

// A table that is exported in several files, as JSON or CSV, arrives in another
// table with every value as it was.
func TestExportedTableIsMoved(t *testing.T) {
	for _, kind := range []minapp.FileType{minapp.FileJSON, minapp.FileCSV} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 100)
			info, err := w.client.Tables.Get(t.Context(), w.cities.ID())
			require.NoError(t, err)
			dir := t.TempDir()
			p := migrate.Plan[city, place]{
				Transform:  func(c city) ([]place, error) { return []place{{c.Name, strconv.FormatInt(c.People, 10)}}, nil },
				Sink:       migrate.ToTable(w.places, migrate.ToTableOptions{}),
				Key:        "name",
				Checkpoint: migrate.FileCheckpoint(filepath.Join(dir, "state")),
			}
			for range 2 { // the second finds everything done
				run, err := w.client.Exports.Run(t.Context(), w.cities.ID(), minapp.RunOptions{
					Spec: minapp.ExportSpec{FileType: kind}, Dir: dir, MaxRows: 40,
				})
				require.NoError(t, err)
				require.Greater(t, len(run.Files), 2)
				p.Source = migrate.FromExport[city](info.Fields, run.Files...)
				report, err := migrate.Run(t.Context(), p)
				require.NoError(t, err)
				assert.EqualValues(t, 100, report.Moved)
			}
			w.requirePlaces(t, upTo(100)...)
		})
	}
}

func TestExportRowsAreTyped(t *testing.T) {
	path := fileOf(t, "e.csv", "id,name,n,tags,day,title\n5a,,9223372036854775807,\"[\"\"x\"\"]\",,甲\n5b,b,1.5,,2018-01-16T10:00:00Z,\n5c,\"<c>\",,,,\n")
	source := migrate.FromExport[json.RawMessage](everyColumn, minapp.ExportFile{Path: path, Rows: minapp.AnyRows})
	rows, err := readAll(t, source)
	require.NoError(t, err)
	require.Len(t, rows, 3)
	assert.JSONEq(t, `{"id":"5a","name":"","n":9223372036854775807,"tags":["x"],"title":"甲"}`, string(rows[0].Value))
	require.ErrorContains(t, rows[1].Err, `column "n": "1.5" is no integer of 64 bits`)
	assert.Equal(t, "e.csv#1", rows[1].At)
	assert.JSONEq(t, `{"id":"5c","name":"<c>","title":""}`, string(rows[2].Value))

	rows, err = readAll(t, migrate.FromExport[json.RawMessage](nil, minapp.ExportFile{Path: path, Rows: 4}))
	require.ErrorIs(t, err, minapp.ErrProtocol, "a row is missing")
	assert.Len(t, rows, 3)
}

// What is left of an export after any chunk is what one reading finds there.
func TestExportIsResumed(t *testing.T) {
	jsonl, _ := lines(2500)
	array := "[" + strings.TrimSuffix(strings.ReplaceAll(jsonl, "\n", ","), ",") + "]"
	files := []minapp.ExportFile{
		{Path: fileOf(t, "a.json.gz", array), Rows: 2500},
		{Path: fileOf(t, "b.json", array), Rows: 2500},
	}
	source := migrate.FromExport[city](cityColumns, files...)
	cost, err := source.(migrate.SourceEstimator).Estimate(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 5000, cost.Rows)
	parts, err := source.Parts(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, parts, 2)
	for i, name := range []string{"a.json.gz#2400", "b.json#2400"} {
		all, rests, err := readFrom(t, source, parts[i])
		require.NoError(t, err)
		require.Len(t, rests, 3)
		assert.Equal(t, name, all[2400].At)
		left, _, err := readFrom(t, source, rests[1])
		require.NoError(t, err)
		assert.True(t, slices.EqualFunc(all[2000:], left, func(a, b migrate.Row[city]) bool { return a.At == b.At && a.Value == b.Value }))
	}
	_, _, err = readFrom(t, migrate.FromExport[city](nil), parts[0])
	require.ErrorIs(t, err, migrate.ErrCheckpoint)
}

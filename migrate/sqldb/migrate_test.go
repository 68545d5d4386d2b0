package sqldb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/migrate/sqldb"
	"github.com/minapp-go/minapp/minapptest"
)

// A table goes to SQL and comes back, in runs that are interrupted again and
// again, and is what it was: nothing lost, nothing doubled.
func TestTableThereAndBack(t *testing.T) {
	const n = 230
	w := newWorld(t)
	service := minapptest.NewServer(t)
	schema := minapptest.Schema{Fields: []minapptest.Field{
		{Name: "name", Type: "string"}, {Name: "people", Type: "integer"}, {Name: "since", Type: "date"}, {Name: "tags", Type: "array", Items: &minapptest.Items{Type: "string"}},
	}}
	from, err := service.CreateTable(minapptest.Table{Name: "city", Schema: schema})
	require.NoError(t, err)
	to, err := service.CreateTable(minapptest.Table{Name: "copy", Schema: schema, Indexes: [][]string{{"name"}}})
	require.NoError(t, err)
	for i := range n {
		_, err := service.Seed(from, map[string]any{
			"name": fmt.Sprintf("城%d", i), "people": int64(i) << 40, "since": "2018-09-26T11:22:51.100000+08:00", "tags": []string{"a", ""},
		})
		require.NoError(t, err)
	}
	client, err := minapp.NewClient(service.Options()...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	info, err := client.Tables.Get(t.Context(), minapp.TableID(from))
	require.NoError(t, err)
	m, err := sqldb.Schema(info, sqldb.TypeOptions{Location: shanghai(t)})
	require.NoError(t, err)
	ddl, err := m.CreateTable(w.table("city"))
	require.NoError(t, err)
	w.must(t, ddl)

	runInPieces(t, migrate.Plan[*minapp.Record[minapp.Fields], sqldb.Row]{
		Source:    migrate.FromTable(minapp.TableOf[minapp.Fields](client, minapp.TableID(from)), migrate.FromTableOptions{PageSize: 20}),
		Transform: m.ToSQL,
		Sink:      sqldb.To(w.DB, w.table("city"), sqldb.ToOptions{}),
		Key:       "id",
	}, n)
	assert.Equal(t, []string{strconv.Itoa(n)}, w.lines(t, "SELECT COUNT(*) FROM city"))

	runInPieces(t, migrate.Plan[sqldb.Row, minapp.Fields]{
		Source:    sqldb.From(w.DB, w.table("city"), sqldb.FromOptions{Columns: m.Columns(), Chunk: 20}),
		Transform: m.FromSQL,
		Sink:      migrate.ToTable(minapp.TableOf[minapp.Fields](client, minapp.TableID(to)), migrate.ToTableOptions{}),
		Key:       "name",
	}, n)
	assert.ElementsMatch(t, columnsOf(t, service.Rows(from)), columnsOf(t, service.Rows(to)))
}

// runInPieces runs a plan and interrupts it after every few chunks, until it is
// finished.
func runInPieces[S, D any](t *testing.T, p migrate.Plan[S, D], rows int64) {
	t.Helper()
	interrupted := errors.New("interrupted")
	p.Checkpoint = migrate.FileCheckpoint(filepath.Join(t.TempDir(), "state"))
	p.Parallel = 2
	for runs := 1; ; runs++ {
		ctx, cancel := context.WithCancelCause(t.Context())
		chunks := 0
		p.OnProgress = func(migrate.Progress) {
			if chunks++; chunks == 4 {
				cancel(interrupted)
			}
		}
		report, err := migrate.Run(ctx, p)
		cancel(nil)
		if err == nil {
			assert.Equal(t, migrate.Totals{Read: rows, Moved: rows, Written: rows}, report.Totals)
			assert.Greater(t, runs, 2, "it was interrupted")
			return
		}
		require.ErrorIs(t, err, interrupted)
	}
}

// columnsOf are the columns that users fill, and who created the row and when.
func columnsOf(t *testing.T, rows []map[string]any) []string {
	t.Helper()
	list := make([]string, len(rows))
	for i, row := range rows {
		text, err := json.Marshal([]any{row["name"], row["people"], row["since"], row["tags"], row["created_at"]})
		require.NoError(t, err)
		list[i] = string(text)
	}
	return list
}

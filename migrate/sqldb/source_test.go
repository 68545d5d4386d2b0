package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/migrate/sqldb"
)

// connections are ways to connect that must not matter.
var connections = map[string]func(*mysql.Config){
	"plain":       func(*mysql.Config) {},
	"interpolate": func(c *mysql.Config) { c.InterpolateParams = true },
	"zones": func(c *mysql.Config) {
		c.ParseTime = true
		c.Params = map[string]string{"time_zone": "'-05:00'"}
	},
}

// readAll reads a table, in parts, chunk by chunk.
func readAll(t *testing.T, w *world, table string, o sqldb.FromOptions) []sqldb.Row {
	t.Helper()
	var rows []sqldb.Row
	s := sqldb.From(w.DB, w.table(table), o)
	parts, err := s.Parts(t.Context(), 3)
	require.NoError(t, err)
	for _, p := range parts {
		for _, row := range readPart(t, s, p) {
			rows = append(rows, row.Value)
		}
	}
	return rows
}

func readPart(t *testing.T, s migrate.Source[sqldb.Row], p migrate.Part) []migrate.Row[sqldb.Row] {
	t.Helper()
	var rows []migrate.Row[sqldb.Row]
	for chunk, err := range s.Chunks(t.Context(), p) {
		require.NoError(t, err)
		rows = append(rows, chunk.Rows...)
	}
	return rows
}

// fill makes the table t of n rows.
func fill(t *testing.T, w *world, ddl string, n int, row func(i int) sqldb.Row) {
	t.Helper()
	w.must(t, ddl)
	s := sqldb.To(w.DB, w.table("t"), sqldb.ToOptions{})
	require.NoError(t, s.Begin(t.Context(), setup("")))
	rows := make([]sqldb.Row, n)
	for i := range rows {
		rows[i] = row(i)
	}
	_, err := s.Write(t.Context(), rows)
	require.NoError(t, err)
}

// keys are tables whose rows can be told apart by n.
var keys = map[string]struct {
	ddl string
	row func(i int) sqldb.Row
}{
	"integers": {"CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, n INT)", func(i int) sqldb.Row {
		return sqldb.Row{"id": int64(i-50) * 92233720368547758, "n": i}
	}},
	"unsigned": {"CREATE TABLE t (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, n INT)", func(i int) sqldb.Row {
		return sqldb.Row{"id": math.MaxUint64 - uint64(i), "n": i}
	}},
	"texts": {"CREATE TABLE t (id CHAR(24) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, n INT) DEFAULT CHARACTER SET utf8mb4", func(i int) sqldb.Row {
		return sqldb.Row{"id": fmt.Sprintf("%c,😀'\\%d", "aA"[i%2], i*7919%101), "n": i}
	}},
	"bytes": {"CREATE TABLE t (id VARBINARY(8) NOT NULL PRIMARY KEY, n INT)", func(i int) sqldb.Row {
		return sqldb.Row{"id": []byte{byte(i * 37), 0xff, 0}, "n": i}
	}},
	"several": {"CREATE TABLE t (shop INT NOT NULL, `order` VARCHAR(10) COLLATE utf8mb4_bin NOT NULL, line INT NOT NULL, n INT, PRIMARY KEY (shop, `order`, line)) DEFAULT CHARACTER SET utf8mb4", func(i int) sqldb.Row {
		return sqldb.Row{"shop": i % 3, "order": strconv.Itoa(i % 7), "line": i, "n": i}
	}},
}

func numbers(t *testing.T, rows []migrate.Row[sqldb.Row]) []int {
	t.Helper()
	list := make([]int, len(rows))
	seen := make(map[string]bool)
	for i, r := range rows {
		list[i] = int(r.Value["n"].(int64))
		require.False(t, seen[r.At], "%s names two rows", r.At)
		seen[r.At] = true
	}
	return list
}

// Every row is read once, however the table is cut, and the parts are about
// equal.
func TestPartsAndChunks(t *testing.T) {
	const n = 61
	for name, key := range keys {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			fill(t, w, key.ddl, n, key.row)
			for _, parts := range []int{1, 4} {
				for _, chunk := range []int{1, 10, 61, 1000} {
					s := sqldb.From(w.DB, w.table("t"), sqldb.FromOptions{Chunk: chunk})
					list, err := s.Parts(t.Context(), parts)
					require.NoError(t, err)
					assert.LessOrEqual(t, len(list), parts)
					assert.GreaterOrEqual(t, len(list), min(parts, n/chunk/2+1))
					var all []migrate.Row[sqldb.Row]
					for _, p := range list {
						rows := readPart(t, s, p)
						assert.LessOrEqual(t, len(rows), max(2*n/parts, chunk)+parts)
						all = append(all, rows...)
					}
					assert.ElementsMatch(t, upTo(n), numbers(t, all), "%d parts, chunks of %d", parts, chunk)
				}
			}
		})
	}
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// Reading goes on where a chunk ended, from nothing but what the chunk says.
func TestReadingGoesOn(t *testing.T) {
	for name, key := range keys {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			fill(t, w, key.ddl, 25, key.row)
			s := sqldb.From(w.DB, w.table("t"), sqldb.FromOptions{Chunk: 4})
			parts, err := s.Parts(t.Context(), 1)
			require.NoError(t, err)
			var all []migrate.Row[sqldb.Row]
			for rest := parts[0]; rest != nil; {
				from := rest
				rest = nil
				for chunk, err := range s.Chunks(t.Context(), from) {
					require.NoError(t, err)
					all, rest = append(all, chunk.Rows...), chunk.Rest
					break
				}
			}
			assert.ElementsMatch(t, upTo(25), numbers(t, all))
		})
	}
}

func TestFromOptions(t *testing.T) {
	w := newWorld(t)
	fill(t, w, keys["several"].ddl, 40, keys["several"].row)
	s := sqldb.From(w.DB, w.table("t"), sqldb.FromOptions{Columns: []string{"n", "order"}, Where: "n >= ? OR n = 0", Args: []any{30}, Chunk: 3})
	assert.Equal(t, "sql table "+w.table("t")+` columns ["n" "order"] where n >= ? OR n = 0 [30]`, s.String())
	cost, err := s.(migrate.SourceEstimator).Estimate(t.Context())
	require.NoError(t, err)
	assert.Equal(t, migrate.Cost{Rows: 11, Requests: 4}, cost)
	parts, err := s.Parts(t.Context(), 2)
	require.NoError(t, err)
	assert.Len(t, parts, 2)
	var all []migrate.Row[sqldb.Row]
	for _, p := range parts {
		all = append(all, readPart(t, s, p)...)
	}
	assert.ElementsMatch(t, append(upTo(40)[30:], 0), numbers(t, all))
	assert.Len(t, all[0].Value, 2)

	for _, test := range []struct {
		ddl, reason string
		o           sqldb.FromOptions
	}{
		{"CREATE TABLE x1 (n INT)", "no primary key", sqldb.FromOptions{}},
		{"CREATE TABLE x2 (n DOUBLE NOT NULL PRIMARY KEY)", "double", sqldb.FromOptions{}},
		{"CREATE TABLE x3 (n INT NOT NULL PRIMARY KEY)", `no column "m"`, sqldb.FromOptions{Columns: []string{"m"}}},
		{"CREATE TABLE x4 (n INT NOT NULL PRIMARY KEY)", "no column", sqldb.FromOptions{Columns: []string{"n`, SLEEP(1), `n"}}},
	} {
		w.must(t, test.ddl)
		name := strings.Fields(test.ddl)[2]
		_, err := sqldb.From(w.DB, w.table(name), test.o).Parts(t.Context(), 2)
		assert.ErrorContains(t, err, test.reason)
	}
	assert.Empty(t, readAll(t, w, "x3", sqldb.FromOptions{}))
}

// A connection that is lost while a chunk is read costs that chunk once more.
func TestLostConnectionWhileReading(t *testing.T) {
	w := newWorld(t)
	fill(t, w, keys["integers"].ddl, 50, keys["integers"].row)
	s := sqldb.From(w.DB, w.table("t"), sqldb.FromOptions{Chunk: 10})
	parts, err := s.Parts(t.Context(), 1)
	require.NoError(t, err)
	w.SetMaxOpenConns(1)
	var all []migrate.Row[sqldb.Row]
	for chunk, err := range s.Chunks(t.Context(), parts[0]) {
		require.NoError(t, err)
		all = append(all, chunk.Rows...)
		w.cut()
	}
	assert.ElementsMatch(t, upTo(50), numbers(t, all))
	assert.Equal(t, 1, w.Stats().OpenConnections, "no cursor is left open")
}

// A cancelled context ends the reading with its cause.
func TestCancelledReading(t *testing.T) {
	w := newWorld(t)
	fill(t, w, keys["integers"].ddl, 50, keys["integers"].row)
	s := sqldb.From(w.DB, w.table("t"), sqldb.FromOptions{Chunk: 10})
	parts, err := s.Parts(t.Context(), 1)
	require.NoError(t, err)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	chunks := 0
	for chunk, err := range s.Chunks(ctx, parts[0]) {
		if chunks++; chunks == 3 {
			require.ErrorIs(t, err, enough)
			continue
		}
		require.NoError(t, err)
		require.Len(t, chunk.Rows, 10)
		if chunks == 2 {
			cancel(enough)
		}
	}
	assert.Equal(t, 3, chunks)
}

package sqldb_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/migrate/sqldb"
)

const people = "CREATE TABLE people (name VARCHAR(50) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, age INT NULL, note LONGTEXT NULL)"

func newSink(t *testing.T, w *world, key string, o sqldb.ToOptions) migrate.Sink[sqldb.Row] {
	t.Helper()
	s := sqldb.To(w.DB, w.table("people"), o)
	require.NoError(t, s.Begin(t.Context(), setup(key)))
	return s
}

func setup(key string) migrate.Setup {
	return migrate.Setup{Key: key, Planned: func(int64) {}, Warn: func(string) {}}
}

func states(outcomes []minapp.Outcome) string {
	names := make([]string, len(outcomes))
	for i, o := range outcomes {
		names[i] = o.State.String()
		if o.Index != i || (o.State == minapp.Written) != (o.Err == nil) {
			names[i] = fmt.Sprintf("%+v at %d", o, i)
		}
	}
	return strings.Join(names, " ")
}

func write(t *testing.T, s migrate.Sink[sqldb.Row], rows ...sqldb.Row) ([]minapp.Outcome, error) {
	t.Helper()
	return s.Write(t.Context(), rows)
}

func TestUpsert(t *testing.T) {
	w := newWorld(t)
	w.must(t, people)
	s := newSink(t, w, "name", sqldb.ToOptions{})
	for range 2 {
		outcomes, err := write(t, s,
			sqldb.Row{"name": "Tom", "age": 1, "note": "x"}, sqldb.Row{"name": "tom", "age": 2, "note": "😀"},
			sqldb.Row{"name": "Tōm", "age": nil, "note": ""}, sqldb.Row{"name": "only"})
		require.NoError(t, err)
		assert.Equal(t, "written written written written", states(outcomes))
		assert.Equal(t, []string{"Tom|1|x", "Tōm|NULL|", "only|NULL|NULL", "tom|2|😀"}, w.lines(t, "SELECT * FROM people ORDER BY name"))
	}
	_, err := write(t, s, sqldb.Row{"name": "tom", "age": 3})
	require.NoError(t, err)
	assert.Equal(t, []string{"tom|3|😀"}, w.lines(t, "SELECT * FROM people WHERE age = 3"), "a column that is not named stays")
}

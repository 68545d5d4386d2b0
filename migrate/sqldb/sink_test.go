package sqldb_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/migrate/sqldb"
)

const people = "CREATE TABLE people (name VARCHAR(50) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, age INT NULL, note LONGTEXT NULL) DEFAULT CHARACTER SET utf8mb4"

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
	return strings.Join(names, "/")
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
		assert.Equal(t, "written/written/written/written", states(outcomes))
		assert.Equal(t, []string{"Tom|1|x", "Tōm|NULL|", "only|NULL|NULL", "tom|2|😀"}, w.lines(t, "SELECT * FROM people ORDER BY name"))
	}
	_, err := write(t, s, sqldb.Row{"name": "tom", "age": 3})
	require.NoError(t, err)
	assert.Equal(t, []string{"tom|3|😀"}, w.lines(t, "SELECT * FROM people WHERE age = 3"), "a column that is not named stays")
}

// A row that the server refuses is found, and the others are written.
func TestRowsAreRejectedOneByOne(t *testing.T) {
	const rows = 100
	for name, test := range map[string]struct {
		key  string
		bad  sqldb.Row
		load sqldb.Load
	}{
		"there already, no key": {"", sqldb.Row{"name": "taken", "age": 0, "note": nil}, sqldb.Insert},
		"no value, key":         {"name", sqldb.Row{"name": "bad", "age": "x", "note": nil}, sqldb.Insert},
		"no value, loaded":      {"name", sqldb.Row{"name": "bad", "age": "x", "note": nil}, sqldb.LoadLocal},
		"there already, loaded": {"", sqldb.Row{"name": "taken", "age": 0, "note": nil}, sqldb.LoadLocal},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(t, people, "INSERT INTO people (name, age) VALUES ('taken', 9)")
			s := newSink(t, w, test.key, sqldb.ToOptions{Load: test.load})
			var batch []sqldb.Row
			for i := range rows {
				batch = append(batch, sqldb.Row{"name": fmt.Sprintf("n%03d", i), "age": i, "note": nil})
			}
			batch[37] = test.bad
			w.inserts()
			outcomes, err := s.Write(t.Context(), batch)
			require.NoError(t, err)
			for i, o := range outcomes {
				assert.Equal(t, i == 37, o.State == minapp.Rejected, i)
				assert.Equal(t, i != 37, o.State == minapp.Written, i)
			}
			assert.ErrorContains(t, outcomes[37].Err, "")
			assert.Equal(t, []string{"100"}, w.lines(t, "SELECT COUNT(*) FROM people"))
			assert.Equal(t, []string{"taken|9|NULL"}, w.lines(t, "SELECT * FROM people WHERE name = 'taken'"))
			assert.LessOrEqual(t, len(w.inserts()), 16, "halves, not rows")
		})
	}
}

// What can be seen without the server never gets there.
func TestRowsThatAreNotSent(t *testing.T) {
	w := newWorld(t)
	w.must(t, people)
	s := newSink(t, w, "name", sqldb.ToOptions{})
	w.inserts()
	for _, test := range []struct {
		row    sqldb.Row
		reason string
	}{
		{sqldb.Row{}, "empty"},
		{sqldb.Row{"name": "a", "nome": 1}, `no column "nome"`},
		{sqldb.Row{"name": "a", "x` = 1; DROP TABLE people; --": 1}, "no column"},
		{sqldb.Row{"name": "a", "age": time.Now()}, "in which zone"},
		{sqldb.Row{"name": "a", "age": math.NaN()}, "no number"},
		{sqldb.Row{"name": "a", "note": "\xff"}, "no UTF-8"},
		{sqldb.Row{"name": "a", "age": []int{1}}, "no value of SQL"},
		{sqldb.Row{"age": 1}, "no name"},
		{sqldb.Row{"name": nil}, "no name"},
		{sqldb.Row{"name": "Tom "}, "ends in a space"},
	} {
		outcomes, err := write(t, s, test.row)
		require.NoError(t, err)
		assert.Equal(t, minapp.Rejected, outcomes[0].State, test.reason)
		assert.ErrorContains(t, outcomes[0].Err, test.reason)
	}
	outcomes, err := write(t, s, sqldb.Row{"name": "a", "age": 1}, sqldb.Row{"name": "a", "age": 2})
	require.NoError(t, err)
	assert.Equal(t, "written/rejected", states(outcomes))
	assert.ErrorContains(t, outcomes[1].Err, "another row has the name a")
	assert.Len(t, w.inserts(), 1)
	assert.Equal(t, []string{"a|1|NULL"}, w.lines(t, "SELECT * FROM people"))
}

func TestLostAnswers(t *testing.T) {
	lost := mysql.ErrInvalidConn
	deadlock := &mysql.MySQLError{Number: 1213, SQLState: [5]byte{'4', '0', '0', '0', '1'}, Message: "Deadlock found"}
	for name, test := range map[string]struct {
		key           string
		times         int
		before, after error
		want          string
		rows          int
		tries         int
	}{
		"answer lost, key":           {"name", 1, nil, lost, "written", 1, 2},
		"answer lost, no key":        {"", 1, nil, lost, "unknown", 1, 1},
		"request lost, key":          {"name", 2, lost, nil, "written", 1, 3},
		"request lost, no key":       {"", 1, lost, nil, "unknown", 0, 1},
		"never sent, no key":         {"", 2, driver.ErrBadConn, nil, "written", 1, 3},
		"deadlock, no key":           {"", 2, deadlock, nil, "written", 1, 3},
		"deadlock without end":       {"", 100, deadlock, nil, "not sent", 0, 6},
		"answers lost, key, no end":  {"name", 100, nil, lost, "unknown", 1, 6},
		"never sent, no key, no end": {"", 100, driver.ErrBadConn, nil, "not sent", 0, 6},
		"no permission":              {"name", 100, &mysql.MySQLError{Number: 1142}, nil, "not sent", 0, 1},
		"cannot tell, and all do so": {"name", 100, &mysql.MySQLError{Number: 1105}, nil, "not sent", 0, 1},
		"too large, says the driver": {"name", 100, mysql.ErrPktTooLarge, nil, "rejected", 0, 1},
		"too large, says the server": {"name", 100, &mysql.MySQLError{Number: 1153}, nil, "rejected", 0, 1},
		"data, says the class":       {"name", 100, &mysql.MySQLError{Number: 9999, SQLState: [5]byte{'2', '2'}}, nil, "rejected", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(t, people)
			s := newSink(t, w, test.key, sqldb.ToOptions{})
			w.inserts()
			w.fail(test.times, test.before, test.after)
			outcomes, err := write(t, s, sqldb.Row{"name": "Tom", "age": 1})
			assert.Equal(t, test.want, strings.ReplaceAll(outcomes[0].State.String(), "_", " "))
			assert.Equal(t, test.want != "written" && test.want != "rejected", err != nil, err)
			assert.Len(t, w.inserts(), test.tries)
			w.fail(0, nil, nil)
			assert.Len(t, w.lines(t, "SELECT * FROM people"), test.rows)
		})
	}
}

// An error that does not say whether the row is to blame rejects the row if
// others are written, and ends the run if none is.
func TestErrorsThatDoNotSayWhy(t *testing.T) {
	unclear := &mysql.MySQLError{Number: 1105, Message: "internal error"}
	batch := []sqldb.Row{}
	for i := range 40 {
		batch = append(batch, sqldb.Row{"name": fmt.Sprintf("n%02d", i)})
	}
	w := newWorld(t)
	w.must(t, people)
	s := newSink(t, w, "name", sqldb.ToOptions{})
	w.fail(7, unclear, nil) // 40, 20, 10, 5, 2, 1, and another 1
	outcomes, err := s.Write(t.Context(), batch)
	require.NoError(t, err)
	assert.Equal(t, "rejected/rejected/written", states(outcomes[:3]))
	assert.Equal(t, []string{"38"}, w.lines(t, "SELECT COUNT(*) FROM people"))

	w.fail(1000, unclear, nil)
	w.inserts()
	outcomes, err = s.Write(t.Context(), batch)
	require.ErrorIs(t, err, unclear)
	for _, o := range outcomes {
		assert.Equal(t, minapp.NotSent, o.State)
	}
	assert.Less(t, len(w.inserts()), 15, "a server that refuses everything is not asked for every row")
}

// A cancelled context says what it does not know.
func TestCancelledWrite(t *testing.T) {
	w := newWorld(t)
	w.must(t, people)
	s := newSink(t, w, "name", sqldb.ToOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	outcomes, err := s.Write(ctx, []sqldb.Row{{"name": "a"}})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, minapp.NotSent, outcomes[0].State)
}

// Statements keep to 4 MiB and to 65,535 placeholders, and rows with other
// columns go in others.
func TestStatementsHaveLimits(t *testing.T) {
	const columns = 200
	w := newWorld(t)
	var ddl strings.Builder
	ddl.WriteString("CREATE TABLE people (name VARCHAR(50) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, age INT, note LONGTEXT")
	wide := func(i int) sqldb.Row {
		row := sqldb.Row{"name": i}
		for c := 1; c < columns; c++ {
			row[fmt.Sprintf("c%d", c)] = i
		}
		return row
	}
	for c := 1; c < columns; c++ {
		fmt.Fprintf(&ddl, ", c%d INT", c)
	}
	w.must(t, ddl.String()+") DEFAULT CHARACTER SET utf8mb4")
	s := newSink(t, w, "name", sqldb.ToOptions{})
	for _, test := range []struct {
		rows, statements int
		row              func(i int) sqldb.Row
	}{
		{65535 / columns, 1, wide},
		{65535/columns + 1, 2, wide},
		{3, 2, func(i int) sqldb.Row { return sqldb.Row{"name": i, "note": strings.Repeat("'", 700_000)} }},
		{4, 2, func(i int) sqldb.Row { return []sqldb.Row{{"name": i}, {"name": i, "age": 1}}[i%2] }},
	} {
		batch := make([]sqldb.Row, test.rows)
		for i := range batch {
			batch[i] = test.row(i)
		}
		if inProcess() { // go-mysql-server takes minutes for so many placeholders
			w.fail(test.statements, errPretend, nil)
		}
		w.inserts()
		outcomes, err := s.Write(t.Context(), batch)
		require.NoError(t, err)
		for _, o := range outcomes {
			require.Equal(t, minapp.Written, o.State, o.Err)
		}
		sent := w.inserts()
		assert.Len(t, sent, test.statements)
		for _, statement := range sent {
			assert.LessOrEqual(t, strings.Count(statement, "?"), 65535)
		}
	}
}

func TestBeginRefuses(t *testing.T) {
	w := newWorld(t)
	w.must(t,
		"CREATE TABLE ci (name VARCHAR(50) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY)",
		"CREATE TABLE bare (name VARCHAR(50) COLLATE utf8mb4_bin NOT NULL)",
		"CREATE TABLE pair (name VARCHAR(50) COLLATE utf8mb4_bin NOT NULL, n INT NOT NULL, PRIMARY KEY (name, n))",
		"CREATE TABLE two (name VARCHAR(50) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, n INT, UNIQUE KEY by_n (n))",
		"CREATE TABLE counted (id INT NOT NULL PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50) COLLATE utf8mb4_bin NOT NULL, UNIQUE KEY by_name (name))",
	)
	for _, test := range []struct{ table, key, reason string }{
		{"missing", "", "there is no table"},
		{"ci", "name", "utf8mb4_general_ci"},
		{"bare", "name", "no unique index"},
		{"pair", "name", "beside the key"},
		{"two", "name", `the index "by_n" is unique`},
		{"two", "Name", "no column"},
		{"two", "", ""},
		{"counted", "name", ""},
	} {
		err := sqldb.To(w.DB, w.table(test.table), sqldb.ToOptions{}).Begin(t.Context(), setup(test.key))
		if test.reason == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, test.reason)
	}
	for _, table := range []string{"people", "a.b`; DROP TABLE x; --"} {
		assert.Error(t, sqldb.To(w.DB, table, sqldb.ToOptions{}).Begin(t.Context(), setup("")))
		_, err := sqldb.From(w.DB, table, sqldb.FromOptions{}).Parts(t.Context(), 1)
		assert.Error(t, err)
		_, err = sqldb.Stage(t.Context(), w.DB, table, false)
		assert.Error(t, err)
		assert.Error(t, sqldb.Swap(t.Context(), w.DB, table))
	}

	s := sqldb.To(w.DB, w.table("counted"), sqldb.ToOptions{})
	require.NoError(t, s.Begin(t.Context(), setup("name")))
	for range 2 {
		outcomes, err := write(t, s, sqldb.Row{"name": "a"}, sqldb.Row{"name": "b", "id": 1})
		require.NoError(t, err)
		assert.Equal(t, "written/rejected", states(outcomes), "by id a row could change another one")
	}
	assert.Equal(t, []string{"a"}, w.lines(t, "SELECT name FROM counted"))

	lax := newWorld(t, func(c *mysql.Config) { c.Params = map[string]string{"sql_mode": "''"} })
	lax.must(t, people)
	err := sqldb.To(lax.DB, lax.table("people"), sqldb.ToOptions{}).Begin(t.Context(), setup(""))
	assert.ErrorContains(t, err, "strict mode")
}

func TestDryRun(t *testing.T) {
	w := newWorld(t)
	w.must(t, people)
	report, err := migrate.Run(t.Context(), migrate.Plan[sqldb.Row, sqldb.Row]{
		Source: migrate.FromSlice("rows", []sqldb.Row{{"name": "a"}, {"name": "b"}, {"name": "c", "x": 1}}),
		Sink:   sqldb.To(w.DB, w.table("people"), sqldb.ToOptions{}), Key: "name", DryRun: true,
	})
	require.NoError(t, err)
	assert.EqualValues(t, 1, report.Requests)
	assert.EqualValues(t, 1, report.Rejected)
	assert.Empty(t, w.inserts())
}

// The password is in the connection, and nowhere else.
func TestSecrets(t *testing.T) {
	const secret = "s3cret-pass"
	w := newWorld(t, func(c *mysql.Config) { c.Passwd = secret })
	source, sink := sqldb.From(w.DB, w.table("people"), sqldb.FromOptions{}), sqldb.To(w.DB, w.table("people"), sqldb.ToOptions{})
	assert.Equal(t, "sql table "+w.table("people"), source.String())
	assert.Equal(t, "sql table "+w.table("people"), sink.String())
	err := sink.Begin(t.Context(), setup(""))
	require.Error(t, err, "there is no such password, or no such table")
	assert.NotContains(t, fmt.Sprintf("%v %+v", err, err), secret)
	_, err = source.Parts(t.Context(), 1)
	require.Error(t, err)
	assert.NotContains(t, fmt.Sprintf("%v %+v", err, err), secret)
}

func TestStageAndSwap(t *testing.T) {
	w := newWorld(t)
	w.must(t, people, "INSERT INTO people (name) VALUES ('before')")
	fill := func(name string, resume bool) {
		staging, err := sqldb.Stage(t.Context(), w.DB, w.table("people"), resume)
		require.NoError(t, err)
		assert.Equal(t, w.table("people__staging"), staging)
		s := sqldb.To(w.DB, staging, sqldb.ToOptions{Load: sqldb.LoadLocal})
		require.NoError(t, s.Begin(t.Context(), setup("name")))
		_, err = write(t, s, sqldb.Row{"name": name, "age": 1, "note": "a\tb\\N\n"})
		require.NoError(t, err)
	}
	fill("lost", false)
	fill("first", false)
	fill("second", true)
	assert.Equal(t, []string{"before"}, w.lines(t, "SELECT name FROM people"), "in use all the while")
	require.NoError(t, sqldb.Swap(t.Context(), w.DB, w.table("people")))
	assert.Equal(t, []string{"first|1|a\tb\\N\n", "second|1|a\tb\\N\n"}, w.lines(t, "SELECT * FROM people ORDER BY name"))
	assert.Equal(t, []string{"before"}, w.lines(t, "SELECT name FROM people__old"))

	fill("third", false)
	require.NoError(t, sqldb.Swap(t.Context(), w.DB, w.table("people")))
	assert.Equal(t, []string{"third"}, w.lines(t, "SELECT name FROM people"))
	require.Error(t, sqldb.Swap(t.Context(), w.DB, w.table("people")), "nothing is staged")
	assert.Equal(t, []string{"third"}, w.lines(t, "SELECT name FROM people"))
	assert.ErrorContains(t, sqldb.Swap(t.Context(), w.DB, "elsewhere.people"), "give the data source name")
}

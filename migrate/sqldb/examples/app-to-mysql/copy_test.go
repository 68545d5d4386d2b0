package main

import (
	"database/sql"
	"errors"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

// world is the shop and an empty database.
type world struct {
	*copier
	app *minapptest.Server
	out *strings.Builder
}

func newWorld(t *testing.T) world {
	t.Helper()
	app := minapptest.NewServer(t)
	require.NoError(t, app.LoadData(strings.NewReader(shop)))
	client, err := minapp.NewClient(app.Options()...)
	require.NoError(t, err)
	db, err := serve(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	out := new(strings.Builder)
	o := options{state: t.TempDir(), location: time.UTC, verify: true}
	return world{&copier{client: client, db: db, database: shopDatabase, options: o, out: log.New(out, "", 0)}, app, out}
}

// results are the names of the tables, rows, written, rejected and how they
// ended, of the last run.
func (w world) results() string {
	text := w.out.String()
	text = text[strings.LastIndex(text, "TABLE"):]
	lines := regexp.MustCompile(`(?m)^(demo_\w+) +(\d+) +(\d+) +(\d+) +\S+  (.*)$`).FindAllStringSubmatch(text, -1)
	list := make([]string, len(lines))
	for i, l := range lines {
		list[i] = strings.Join(l[1:], " ")
	}
	return strings.Join(list, ", ")
}

func (w world) execute(t *testing.T, statement string) {
	t.Helper()
	_, err := w.db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

// All rows are copied but those that do not fit, and a second run reads and
// writes nothing.
func TestSecondRunWritesNothing(t *testing.T) {
	w := newWorld(t)
	require.ErrorIs(t, w.run(t.Context()), errRejected)
	assert.Equal(t, "demo_customer 2 2 0 done, demo_order 4 2 2 done, demo_note 1 1 0 done", w.results())
	reasons, err := os.ReadFile(filepath.Join(w.state, "demo_order.rejected.jsonl"))
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(string(reasons), "the year 1 is none of DATETIME"))
	var name, tags string
	require.NoError(t, w.db.QueryRowContext(t.Context(),
		"SELECT name, tags FROM demo_customer JOIN demo_order ON customer = demo_customer.id WHERE total = 199").Scan(&name, &tags))
	assert.Equal(t, "林", name)
	assert.JSONEq(t, `["老客户", "上海"]`, tags)

	w.execute(t, "UPDATE demo_note SET text = 'changed'")
	w.verify = false
	w.app.ResetLog()
	require.ErrorIs(t, w.run(t.Context()), errRejected, "they still are")
	assert.Equal(t, "demo_customer 2 2 0 finished before, demo_order 4 2 2 finished before, demo_note 1 1 0 finished before", w.results())
	assert.Len(t, w.app.Requests(), 1, "the list of tables")
	var text string
	require.NoError(t, w.db.QueryRowContext(t.Context(), "SELECT text FROM demo_note").Scan(&text))
	assert.Equal(t, "changed", text)
}

// A table that cannot be written does not stop the others; mended, it follows.
func TestOthersFinish(t *testing.T) {
	w := newWorld(t)
	w.execute(t, "CREATE TABLE demo_order (id CHAR(24) COLLATE utf8mb4_bin)")
	err := w.run(t.Context())
	require.ErrorContains(t, err, "demo_order: sql table shop.demo_order")
	require.ErrorContains(t, err, "1 of 3 tables are not finished")
	assert.Equal(t, "demo_customer 2 2 0 done, demo_order 0 0 0 failed, demo_note 1 1 0 done", w.results())

	w.execute(t, "DROP TABLE demo_order")
	require.ErrorIs(t, w.run(t.Context()), errRejected)
	assert.Equal(t, "demo_customer 2 2 0 finished before, demo_order 4 2 2 done, demo_note 1 1 0 finished before", w.results())
}

// A token that is refused is not tried on every table.
func TestRefusedTokenEndsTheCopy(t *testing.T) {
	w := newWorld(t)
	require.ErrorIs(t, w.run(t.Context()), errRejected)
	w.app.ResetLog()
	w.app.Fault(minapptest.Fault{Operation: "records.count", Status: 401, Times: -1})
	err := w.run(t.Context()) // compares the counts of finished tables
	require.ErrorIs(t, err, minapp.ErrUnauthorized)
	assert.Contains(t, err.Error(), "3 of 3 tables are not finished")
	assert.Len(t, w.app.Requests(), 2, "the list of tables, and one count")
}

// A copy that ends anywhere goes on, again and again, and is complete in the end.
func TestInterruptedCopyGoesOn(t *testing.T) {
	w := newWorld(t)
	runs := 0
	for err := minapp.ErrUnauthorized; errors.Is(err, minapp.ErrUnauthorized); runs++ {
		w.app.ClearFaults()
		w.app.Fault(minapptest.Fault{Skip: 1 + runs, Status: 401, Times: -1})
		err = w.run(t.Context())
	}
	assert.Greater(t, runs, 3)
	assert.Regexp(t, `^demo_customer 2 2 0 \D+, demo_order 4 2 2 \D+, demo_note 1 1 0 \D+$`, w.results())
	reasons, err := os.ReadFile(filepath.Join(w.state, "demo_order.rejected.jsonl"))
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(string(reasons), "\n"))
	w.app.ClearFaults()
	assert.EqualError(t, w.run(t.Context()), "2 rows were rejected: see "+filepath.Join(w.state, "*.rejected.jsonl"), "the counts are right")
}

// A copy that lost rows in the database is noticed, and what is gone is not made
// anew without its rows.
func TestCountsAreCompared(t *testing.T) {
	w := newWorld(t)
	require.ErrorIs(t, w.run(t.Context()), errRejected)
	w.execute(t, "DELETE FROM demo_note")
	require.ErrorContains(t, w.run(t.Context()), "demo_note: minapp has 1 rows now, shop.demo_note has 0, and 0 were rejected")
	w.execute(t, "DROP TABLE demo_note")
	require.ErrorContains(t, w.run(t.Context()), "demo_note")
}

// A dry run makes nothing.
func TestDryRun(t *testing.T) {
	w := newWorld(t)
	w.plan, w.share, w.dryRun = 100, 0.5, true
	require.NoError(t, w.run(t.Context()))
	assert.Regexp(t, `(?m)^demo_order +4 +6 +0\.0 +0\.1 +$`, w.out.String())
	assert.Regexp(t, `(?m)^in total +7 +13 +0\.0 +0\.3 +$`, w.out.String())
	err := w.db.QueryRowContext(t.Context(), "SELECT 1 FROM demo_order").Scan(new(int))
	require.Error(t, err)
	require.False(t, errors.Is(err, sql.ErrNoRows), "there is no table")
}

func TestPasswordStaysSecret(t *testing.T) {
	for _, dsn := range []string{
		"root:s3cret@tcp(127.0.0.1:1)/shop", "root:s3cret@tcp(127.0.0.1:1)", "root:s3cret@127.0.0.1:1/shop", "root:x/s3cret@tcp(127.0.0.1:1)/", "s3cret",
	} {
		t.Setenv("MYSQL_DSN", dsn)
		out := new(strings.Builder)
		_, _, _, err := openDatabase(t.Context(), log.New(out, "", 0))
		require.Error(t, err)
		assert.NotContains(t, err.Error()+out.String(), "s3cret")
	}
}

// Without credentials the program shows all of it.
func TestDemonstration(t *testing.T) {
	t.Setenv("MINAPP_TOKEN", "")
	t.Setenv("MYSQL_DSN", "")
	t.Setenv("TMPDIR", t.TempDir())
	out := new(strings.Builder)
	require.NoError(t, run(t.Context(), options{location: time.UTC, verify: true}, log.New(out, "", 0)))
	assert.Regexp(t, `demo_order +4 +2 +2 .*done(?s:.*)Mended(?s:.*)demo_order +4 +4 +0 .*done`, out.String())
}

package migrate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/minapptest"
)

// stockShop fills the tables of shopData: n orders with a line each, whose customers
// have regions; n persons whose bosses come before and after them, in teams whose
// leads are persons.
func stockShop(t *testing.T, a *app, n int) {
	t.Helper()
	id := func(kind, i int) string { return fmt.Sprintf("%08x%016x", kind, i) }
	seed := func(table int64, row func(i int) map[string]any) {
		for i := range n {
			r := row(i)
			r["id"], r["created_by"] = id(int(table), i), 501
			r["created_at"], r["updated_at"] = 1_500_000_000+i, 1_600_000_000+i
			r["read_perm"], r["write_perm"] = []string{"user:" + strconv.Itoa(i)}, []string{}
			_, err := a.Seed(table, r)
			require.NoError(t, err)
		}
	}
	seed(15, func(i int) map[string]any { return map[string]any{"name": fmt.Sprint("r", i)} })
	seed(11, func(i int) map[string]any { return map[string]any{"name": fmt.Sprint("c", i), "region": id(15, i/2)} })
	seed(13, func(i int) map[string]any {
		row := map[string]any{"no": fmt.Sprint("o", i), "customer": id(11, i/3), "seller": "501", "tags": []string{"x"}}
		if i%5 == 0 {
			row["customer"] = nil
		}
		return row
	})
	seed(12, func(i int) map[string]any { return map[string]any{"order": id(13, n-1-i), "number": i} })
	seed(16, func(i int) map[string]any { return map[string]any{"name": fmt.Sprint("t", i), "lead": id(14, i/2)} })
	seed(14, func(i int) map[string]any {
		row := map[string]any{"badge": i, "team": id(16, i), "seat": 1}
		if i > 0 {
			row["boss"] = id(14, (i*7+3)%n)
		}
		return row
	})
}

// linked are the tables of shopData with rows.
var linked = []string{"customer", "line", "order", "person", "region", "team"}

// requireSameRows checks that the target holds the rows of the source with
// everything that they had, and with pointers to the copies of what they pointed
// at. changed are the tables whose updated_at a second pass may have moved.
func requireSameRows(t *testing.T, from, to *app, changed ...string) {
	t.Helper()
	pointers := map[string]string{"region": "region", "customer": "customer", "order": "order", "boss": "person", "team": "team", "lead": "person"}
	old := make(map[string]string) // of rows of the target, by table and id
	id := func(a *app, table string) int64 {
		info, err := a.client.Tables.FindByName(t.Context(), table)
		require.NoError(t, err)
		return int64(info.ID)
	}
	for _, table := range linked {
		for _, row := range to.Rows(id(to, table)) {
			old[table+" "+row["id"].(string)] = row["source_id"].(string)
		}
	}
	byID := func(rows []map[string]any) map[string]string {
		out := make(map[string]string, len(rows))
		for _, row := range rows {
			text, err := json.Marshal(row)
			require.NoError(t, err)
			require.NotContains(t, out, row["id"], "there twice")
			out[row["id"].(string)] = string(text)
		}
		return out
	}
	for _, table := range linked {
		want, got := from.Rows(id(from, table)), to.Rows(id(to, table))
		for _, row := range got {
			row["id"] = row["source_id"]
			delete(row, "source_id")
			for column, target := range pointers {
				if v, ok := row[column].(string); ok {
					row[column] = old[target+" "+v]
				}
			}
		}
		for _, moved := range changed {
			if moved == table {
				for i := range want {
					delete(want[i], "updated_at")
				}
				for i := range got {
					delete(got[i], "updated_at")
				}
			}
		}
		require.Equal(t, byID(want), byID(got), table)
	}
}

// kept is the checkpoint of one run in memory.
type kept struct{ data []byte }

func (k *kept) Load(context.Context) ([]byte, error) { return k.data, nil }

func (k *kept) Save(_ context.Context, data []byte) error {
	k.data = bytes.Clone(data)
	return nil
}

// folder is what is left of a copy that was interrupted.
type folder struct {
	ids    string
	states map[string]*kept
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	return &folder{filepath.Join(t.TempDir(), "ids.jsonl"), make(map[string]*kept)}
}

// copyAll is a whole copy of the rows, one chunk per table, which goes on with what is in f.
func copyAll(t *testing.T, plan *migrate.SchemaPlan, f *folder) (migrate.Totals, error) {
	t.Helper()
	ids := openIDs(t, f.ids)
	defer func() { require.NoError(t, ids.Close()) }()
	copies, err := plan.Rows()
	require.NoError(t, err)
	var all migrate.Totals
	for _, c := range copies {
		if f.states[c.String()] == nil {
			f.states[c.String()] = new(kept)
		}
		p := c.Plan(ids, f.states[c.String()])
		p.Parallel = 1
		report, err := migrate.Run(t.Context(), p)
		if err != nil {
			return all, fmt.Errorf("%s: %w", c, err)
		}
		all.Read += report.Read
		all.Moved += report.Moved
	}
	return all, nil
}

func appliedShop(t *testing.T, rows int) (from, to *app, plan *migrate.SchemaPlan) {
	t.Helper()
	from, to = newApp(t, shopData), newApp(t, emptyData)
	stockShop(t, from, rows)
	plan = planSchema(t, from, to, migrate.SchemaOptions{SourceID: "source_id"})
	_, err := plan.Rows()
	require.ErrorContains(t, err, "only when the schema is applied")
	require.NoError(t, plan.Apply(t.Context()))
	return from, to, plan
}

func TestRowsAreCopiedWithTheirPointers(t *testing.T) {
	const n = 40
	from, to, plan := appliedShop(t, n)
	copies, err := plan.Rows()
	require.NoError(t, err)
	assert.Equal(t, "[region customer order line team person team-pointers person-pointers]", fmt.Sprint(copies))
	totals, err := copyAll(t, plan, newFolder(t))
	require.NoError(t, err)
	assert.Equal(t, migrate.Totals{Read: 8*n - 1, Moved: 8*n - 1}, totals, "all, and again those with a boss or a lead")
	requireSameRows(t, from, to, "person", "team")

	again := planSchema(t, from, to, migrate.SchemaOptions{SourceID: "source_id"})
	assert.Contains(t, again.String(), "nothing to do")
}

// Begun anew without checkpoints and ids, the copy finds the rows that are there.
func TestRowsThatWereCopiedAreFound(t *testing.T) {
	from, to, plan := appliedShop(t, 10)
	for range 2 {
		totals, err := copyAll(t, plan, newFolder(t))
		require.NoError(t, err)
		assert.EqualValues(t, 79, totals.Moved)
		requireSameRows(t, from, to, "person", "team")
	}
}

// Wherever the copy is interrupted, and with the last line of the file of ids
// half written, it goes on to the same end.
func TestRowCopyGoesOn(t *testing.T) {
	interrupted := 0
	for n := 0; ; n += 4 {
		from, to, plan := appliedShop(t, 12)
		f := newFolder(t)
		to.Fault(minapptest.Fault{Skip: n, Status: 403})
		_, err := copyAll(t, plan, f)
		if err == nil {
			break // it takes no more requests
		}
		interrupted++
		require.ErrorIs(t, err, minapp.ErrForbidden)
		text, err := os.ReadFile(f.ids)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(f.ids, append(text, `{"table":"region","from":"0000`...), 0o600))
		_, err = copyAll(t, plan, f)
		require.NoError(t, err, "request %d", n)
		requireSameRows(t, from, to, "person", "team")
	}
	assert.Greater(t, interrupted, 5)
}

// A row that points at one which was not copied is rejected, and says so.
func TestRowsWithPointersToNowhere(t *testing.T) {
	from, _, plan := appliedShop(t, 6)
	require.NoError(t, from.client.Records.Delete(t.Context(), 15, fmt.Sprintf("%08x%016x", 15, 0)))
	_, err := copyAll(t, plan, newFolder(t))
	rejected := new(migrate.RejectedError)
	require.ErrorAs(t, err, &rejected)
	assert.Equal(t, migrate.Transforming, rejected.Stage)
	assert.Equal(t, `column "region": it points at row 0000000f0000000000000000 of table "region", which was not copied`, rejected.Reason)
}

// Within one application pointers to tables that are not copied stay.
func TestRowsAreCopiedInOneApplication(t *testing.T) {
	a := newApp(t, shopData)
	stockShop(t, a, 6)
	plan := planSchema(t, a, a, migrate.SchemaOptions{
		Tables: []string{"order"}, SourceID: "source_id",
		Rename: func(name string) string {
			if name == "order" {
				return "order2"
			}
			return name
		},
	})
	require.NoError(t, plan.Apply(t.Context()))
	_, err := copyAll(t, plan, newFolder(t))
	require.NoError(t, err)
	want, got := a.Rows(13), a.Rows(17)
	for i := range got {
		got[i]["id"] = got[i]["source_id"]
		delete(got[i], "source_id")
	}
	assert.ElementsMatch(t, want, got)
}

func TestRowsNeedAColumnForTheirSource(t *testing.T) {
	a := newApp(t, shopData)
	_, err := planSchema(t, a, a, migrate.SchemaOptions{}).Rows()
	require.ErrorContains(t, err, "SchemaOptions.SourceID")
}

func openIDs(t *testing.T, path string) *migrate.IDs {
	t.Helper()
	ids, err := migrate.OpenIDs(path)
	require.NoError(t, err)
	return ids
}

// Ids survive, the last one counts, and a line that was cut is forgotten.
func TestIDsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ids")
	ids := openIDs(t, path)
	ids.Add("a", "1", "x")
	ids.Add("b", "1", "y")
	ids.Add("a", "1", "x") // nothing new
	ids.Add("a", "1", "z")
	require.NoError(t, ids.Close())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, 3, strings.Count(string(text), "\n"))
	require.NoError(t, os.WriteFile(path, append(text, `{"table":"a","from":"2","t`...), 0o600))

	ids = openIDs(t, path)
	to, ok := ids.Get("a", "1")
	assert.True(t, ok)
	assert.Equal(t, "z", to)
	_, ok = ids.Get("a", "2")
	assert.False(t, ok)
	ids.Add("a", "2", "new")
	require.NoError(t, ids.Close())
	ids = openIDs(t, path)
	to, _ = ids.Get("a", "2")
	assert.Equal(t, "new", to)
	require.NoError(t, ids.Close())
}

func TestIDsThatAreDamaged(t *testing.T) {
	for _, line := range []string{"{", `{"table":"a"}`, `[]`, "\x00\x00"} {
		path := filepath.Join(t.TempDir(), "ids")
		require.NoError(t, os.WriteFile(path, []byte(`{"table":"a","from":"1","to":"2"}`+"\n"+line+"\n"), 0o600))
		_, err := migrate.OpenIDs(path)
		require.ErrorContains(t, err, path+": line 2: ", line)
	}
}

// Ids that cannot be written end the run, and its checkpoint does not count the
// rows: the next run finds them, and their ids.
func TestIDsThatCannotBeWritten(t *testing.T) {
	_, to, plan := appliedShop(t, 10)
	copies, err := plan.Rows()
	require.NoError(t, err)
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	ids := openIDs(t, filepath.Join(dir, "ids"))
	require.NoError(t, ids.Close())
	_, err = migrate.Run(t.Context(), copies[0].Plan(ids, migrate.FileCheckpoint(state)))
	require.ErrorIs(t, err, os.ErrClosed)

	ids = openIDs(t, filepath.Join(dir, "ids"))
	_, err = migrate.Run(t.Context(), copies[0].Plan(ids, migrate.FileCheckpoint(state)))
	require.NoError(t, err)
	for _, row := range to.Rows(int64(copies[0].To)) {
		id, ok := ids.Get("region", row["source_id"].(string))
		assert.True(t, ok)
		assert.Equal(t, row["id"], id)
	}
	require.NoError(t, ids.Close())
}

// The doc comment of IDs says how much memory they take.
func TestMemoryOfIDs(t *testing.T) {
	const n = 100_000
	ids := openIDs(t, filepath.Join(t.TempDir(), "ids"))
	before := heap()
	for i := range n {
		ids.Add("a", fmt.Sprintf("%024x", i), fmt.Sprintf("%024x", i+n))
	}
	each := (heap() - before) / n
	t.Logf("%d bytes for each id", each)
	assert.LessOrEqual(t, each, uint64(150))
	require.NoError(t, ids.Close())
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

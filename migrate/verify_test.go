package migrate_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/patch"
)

// migrated is a plan that has run, and its world.
func migrated(t *testing.T, n int, key string, digest bool) (*world, migrate.Plan[*minapp.Record[city], place]) {
	t.Helper()
	w := newWorld(t, n)
	p := w.plan()
	p.Source = migrate.FromTable(w.cities, migrate.FromTableOptions{PageSize: 100})
	p.Key, p.Digest = key, digest
	p.Checkpoint = migrate.FileCheckpoint(filepath.Join(t.TempDir(), "checkpoint"))
	p.Rejected = filepath.Join(t.TempDir(), "rejected.jsonl")
	p.Transform = func(r *minapp.Record[city]) ([]place, error) {
		if r.Value.People%50 == 49 {
			return nil, errors.New("unwanted")
		}
		return toPlace(r)
	}
	_, err := migrate.Run(t.Context(), p)
	require.NoError(t, err)
	w.ResetLog()
	return w, p
}

func (w *world) requests(t *testing.T, table minapp.TableID) int {
	t.Helper()
	n := 0
	for _, r := range w.Requests() {
		if r.Operation == "records.list" && r.Path == fmt.Sprintf("/oserve/v2.4/table/%d/record/", table) {
			n++
		}
	}
	return n
}

func TestVerifyFindsEveryDifference(t *testing.T) {
	for _, key := range []string{"name", ""} {
		for _, digest := range []bool{true, false} {
			t.Run(fmt.Sprintf("key %q digest %v", key, digest), func(t *testing.T) {
				w, p := migrated(t, 1000, key, digest)
				var steps []string
				o := migrate.VerifyOptions{OnStep: func(step string) { steps = append(steps, step) }}
				v, err := migrate.Verify(t.Context(), p, o)
				require.NoError(t, err)
				assert.True(t, v.OK(), v)
				assert.Equal(t, "980 rows, as they should be", v.String())
				assert.Equal(t, digest, w.requests(t, w.cities.ID()) == 0, "with a digest the source is not read")
				assert.Contains(t, steps[len(steps)-1], "980 rows, about")

				ids := make(map[string]string)
				for _, row := range w.Rows(2) {
					ids[row["name"].(string)] = row["id"].(string)
				}
				require.NoError(t, w.places.Delete(t.Context(), ids[cityName(7)]))
				_, err = w.places.Update(t.Context(), ids[cityName(500)], patch.Set("size", "wrong"))
				require.NoError(t, err)
				_, err = w.places.Create(t.Context(), place{Name: "nobody", Size: "0"})
				require.NoError(t, err)
				v, err = migrate.Verify(t.Context(), p, o)
				require.NoError(t, err)
				assert.False(t, v.OK())
				if key == "" { // a changed row cannot be paired
					assert.Equal(t, "980 rows expected, 980 found: 2 missing, 2 surplus, 0 changed", v.String())
					return
				}
				assert.Equal(t, "980 rows expected, 980 found: 1 missing, 1 surplus, 1 changed", v.String())
				var said []string
				for _, d := range v.Differences {
					said = append(said, d.String())
				}
				assert.ElementsMatch(t, []string{"c00007 is missing", "c00500 differs in size", "nobody should not be there"}, said)
			})
		}
	}
}

func TestVerifyGivesUpWhereAllIsDifferent(t *testing.T) {
	w, p := migrated(t, 1000, "name", true)
	for _, err := range w.places.UpdateMany(t.Context(), idsOf(w), patch.Set("size", "wrong"), minapp.BatchOptions{}) {
		require.NoError(t, err)
	}
	w.ResetLog()
	v, err := migrate.Verify(t.Context(), p, migrate.VerifyOptions{Most: 500})
	require.NoError(t, err)
	assert.True(t, v.TooMany)
	assert.Equal(t, "980 rows expected, 980 found, and too many of them differ", v.String())
	assert.Zero(t, w.requests(t, w.cities.ID()))
}

func idsOf(w *world) []string {
	var ids []string
	for _, row := range w.Rows(2) {
		ids = append(ids, row["id"].(string))
	}
	return ids
}

// Values that mean the same are the same, however they are written.
func TestVerifyComparesByMeaning(t *testing.T) {
	w := newWorld(t, 0)
	id, err := w.client.Tables.Create(t.Context(), minapp.TableSpec{Name: "kinds", Fields: []minapp.Field{
		{Name: "key", Type: minapp.TypeInteger},
		{Name: "n", Type: minapp.TypeNumber},
		{Name: "d", Type: minapp.TypeDate},
		{Name: "a", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeInteger}},
		{Name: "o", Type: minapp.TypeObject},
	}})
	require.NoError(t, err)
	rows := []minapp.Fields{
		{"key": 1, "n": 1.0, "d": "2018-09-01T18:31:02.631+08:00", "a": []int{1}, "o": minapp.Fields{"x": 1.5}},
		{"key": int64(1)<<62 + 1, "n": 1e21, "d": nil, "a": []int{}, "o": nil},
		{"key": -5, "n": 0.1},
	}
	p := migrate.Plan[minapp.Fields, minapp.Fields]{
		Source: migrate.FromSlice("rows", rows), Digest: true,
		Sink:       migrate.ToTable(minapp.TableOf[minapp.Fields](w.client, id.ID), migrate.ToTableOptions{}),
		Checkpoint: migrate.FileCheckpoint(filepath.Join(t.TempDir(), "checkpoint")),
	}
	_, err = migrate.Run(t.Context(), p)
	require.NoError(t, err)
	v, err := migrate.Verify(t.Context(), p, migrate.VerifyOptions{})
	require.NoError(t, err)
	assert.True(t, v.OK(), v)
	p.Key = "key"
	p.Checkpoint = nil
	v, err = migrate.Verify(t.Context(), p, migrate.VerifyOptions{})
	require.NoError(t, err)
	assert.True(t, v.OK(), v)
}

// The digest survives a run that was interrupted.
func TestTheDigestIsOfAllRuns(t *testing.T) {
	w := newWorld(t, 300)
	p := w.plan()
	p.Key, p.Digest, p.Parallel = "name", true, 2
	p.Checkpoint = migrate.FileCheckpoint(filepath.Join(t.TempDir(), "checkpoint"))
	broken := true
	p.Transform = func(r *minapp.Record[city]) ([]place, error) {
		if r.Value.People == 123 && broken {
			return nil, errors.New("broken")
		}
		return toPlace(r)
	}
	_, err := migrate.Run(t.Context(), p)
	require.ErrorContains(t, err, "broken")
	broken = false
	_, err = migrate.Run(t.Context(), p)
	require.NoError(t, err)
	w.ResetLog()
	v, err := migrate.Verify(t.Context(), p, migrate.VerifyOptions{})
	require.NoError(t, err)
	assert.True(t, v.OK(), v)
	assert.Zero(t, w.requests(t, w.cities.ID()))
}

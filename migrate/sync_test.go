package migrate_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// copied is a row of the sink of a sync: the id of the source tells it apart.
type copied struct {
	SourceID  string           `json:"name"`
	Size      string           `json:"size"`
	CreatedAt minapp.Timestamp `json:"created_at"`
}

// mirror keeps the places in step with the cities, on a clock that stands
// still.
type mirror struct {
	*world
	clock  *minapptest.Clock
	plan   migrate.Plan[*minapp.Record[city], copied]
	option migrate.SyncOptions[city]
}

func newMirror(t *testing.T, cities int) *mirror {
	t.Helper()
	clock := minapptest.NewClock(time.Unix(1_700_000_000, 0))
	m := &mirror{clock: clock, world: newWorld(t, cities, minapptest.WithClock(clock.Now))}
	m.plan = migrate.Plan[*minapp.Record[city], copied]{
		Transform: func(r *minapp.Record[city]) ([]copied, error) {
			return []copied{{SourceID: r.ID(), Size: r.Value.Name, CreatedAt: r.CreatedAt()}}, nil
		},
		Sink:       migrate.ToTable(minapp.TableOf[copied](m.client, m.places.ID()), migrate.ToTableOptions{Update: true}),
		Key:        "name",
		Checkpoint: migrate.FileCheckpoint(filepath.Join(t.TempDir(), "sync")),
	}
	m.option = migrate.SyncOptions[city]{Table: m.cities, Delete: true}
	m.clock.Advance(time.Hour)
	return m
}

func (m *mirror) sync(t *testing.T) migrate.SyncReport {
	t.Helper()
	m.ResetLog()
	report, err := migrate.Sync(t.Context(), m.plan, m.option)
	require.NoError(t, err)
	return report
}

// requireInStep checks that both tables hold the same.
func (m *mirror) requireInStep(t *testing.T) {
	t.Helper()
	want := make(map[string]string)
	for _, row := range m.Rows(int64(m.cities.ID())) {
		want[row["id"].(string)] = row["name"].(string)
	}
	got := make(map[string]string)
	for _, row := range m.Rows(int64(m.places.ID())) {
		got[row["name"].(string)] = row["size"].(string)
	}
	require.Equal(t, want, got)
}

func (m *mirror) ids() []string {
	var ids []string
	for _, row := range m.Rows(int64(m.cities.ID())) {
		ids = append(ids, row["id"].(string))
	}
	return ids
}

func TestSyncKeepsATableInStep(t *testing.T) {
	m := newMirror(t, 3000)
	report := m.sync(t)
	assert.EqualValues(t, 3000, report.Moved)
	assert.True(t, report.Since.IsZero())
	m.requireInStep(t)

	m.clock.Advance(24 * time.Hour)
	ids := m.ids()
	for _, i := range []int{5, 1500, 2999} {
		_, err := m.cities.Update(t.Context(), ids[i], patch.Set("name", "changed"))
		require.NoError(t, err)
	}
	for _, i := range []int{0, 700, 701, 2500} {
		require.NoError(t, m.cities.Delete(t.Context(), ids[i]))
	}
	_, err := m.cities.Create(t.Context(), city{Name: "new"})
	require.NoError(t, err)
	m.clock.Advance(time.Hour)
	report = m.sync(t)
	assert.EqualValues(t, 4, report.Moved, "what has changed, and nothing else")
	assert.EqualValues(t, 4, report.Deleted)
	assert.Equal(t, report.Report.String()+", 4 deleted", report.String())
	assert.Equal(t, 1, m.Count("bulk.create"))
	assert.Equal(t, 1, m.Count("bulk.update"), "equal changes go together")
	m.requireInStep(t)

	m.clock.Advance(24 * time.Hour)
	report = m.sync(t)
	assert.Zero(t, report.Read+report.Deleted)
	assert.Less(t, m.Count(""), 20, "nothing has changed, and that is seen with a few requests")
}

// A change that happens while a round runs belongs to the next one.
func TestChangesDuringARoundAreInTheNext(t *testing.T) {
	m := newMirror(t, 200)
	ids := m.ids()
	once := true
	m.plan.OnProgress = func(migrate.Progress) {
		if once {
			once = false
			m.clock.Advance(time.Hour)
			_, err := m.cities.Update(t.Context(), ids[199], patch.Set("name", "late"))
			require.NoError(t, err)
		}
	}
	m.sync(t)
	m.clock.Advance(time.Hour)
	m.sync(t)
	m.requireInStep(t)
}

func TestAnInterruptedRoundIsFinishedWithItsBounds(t *testing.T) {
	m := newMirror(t, 3000)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	m.plan.OnProgress = func(p migrate.Progress) {
		if p.Read > 0 {
			cancel(stop)
		}
	}
	first, err := migrate.Sync(ctx, m.plan, m.option)
	require.ErrorIs(t, err, stop)
	m.plan.OnProgress = nil
	m.clock.Advance(time.Hour)
	second := m.sync(t)
	assert.Equal(t, first.Until, second.Until)
	assert.EqualValues(t, 3000, second.Moved)
	assert.Positive(t, second.Resumed)
	third := m.sync(t)
	assert.Equal(t, second.Until.Add(-5*time.Minute), third.Since, "with an overlap")
	m.requireInStep(t)
}

// A filter that chooses nothing, or the wrong table, must not empty the sink.
func TestMoreDeletionsThanAllowedAreNone(t *testing.T) {
	for gone, cond := range map[string]where.Cond{"some": where.Lt("people", 30), "all": where.Everything()} {
		m := newMirror(t, 3000)
		m.option.MaxDeletes = 29
		m.sync(t)
		_, err := m.cities.DeleteWhere(t.Context(), cond)
		require.NoError(t, err)
		_, err = migrate.Sync(t.Context(), m.plan, m.option)
		require.ErrorContains(t, err, "MaxDeletes is 29", gone)
		assert.Len(t, m.Rows(2), 3000)
		m.option.MaxDeletes = 5000
		m.sync(t)
		m.requireInStep(t)
	}
}

// A row that the source has is never taken for one that is gone, whatever the
// created_at of its copy is.
func TestARowOfTheSourceIsNeverDeleted(t *testing.T) {
	m := newMirror(t, 300)
	now := m.plan.Transform
	m.plan.Transform = func(r *minapp.Record[city]) ([]copied, error) {
		rows, err := now(r)
		rows[0].CreatedAt += 1_000_000 // another time than that of the source
		return rows, err
	}
	m.sync(t)
	require.NoError(t, m.cities.Delete(t.Context(), m.ids()[7]))
	m.clock.Advance(time.Hour)
	report := m.sync(t)
	assert.EqualValues(t, 1, report.Deleted)
	m.requireInStep(t)
}

// Rows that are split, or have another key than the id, would all be taken for
// rows that are gone.
func TestDeletionsNeedIDsAsKeys(t *testing.T) {
	m := newMirror(t, 30)
	whole := m.plan.Transform
	m.plan.Rejected = filepath.Join(t.TempDir(), "rejected.jsonl")
	m.plan.Transform = func(r *minapp.Record[city]) ([]copied, error) {
		rows, err := whole(r)
		if r.Value.People == 17 {
			rows = append(rows, copied{SourceID: r.ID() + "-b", CreatedAt: r.CreatedAt()})
		}
		return rows, err
	}
	for range 2 {
		_, err := migrate.Sync(t.Context(), m.plan, m.option)
		require.ErrorContains(t, err, "-b")
		assert.Zero(t, m.Count("bulk.delete"))
		assert.Empty(t, rejections(t, m.plan.Rejected))
	}
	m.option.Delete = false
	m.sync(t)
	assert.Len(t, m.Rows(int64(m.places.ID())), 31)
}

// Hundreds of requests for a table of which a few rows are gone: the search
// costs by what is gone, hardly by what is there.
func TestDeletionsAreFoundByCounting(t *testing.T) {
	m := newMirror(t, 20_000)
	m.sync(t)
	ids := m.ids()
	for i := range 5 {
		require.NoError(t, m.cities.Delete(t.Context(), ids[i*4000]))
	}
	m.clock.Advance(time.Hour)
	report := m.sync(t)
	assert.EqualValues(t, 5, report.Deleted)
	assert.Less(t, m.Count(""), 100)
	m.requireInStep(t)
}

// Two tables that follow each other come to rest.
func TestTwoDirectionsDoNotChaseEachOther(t *testing.T) {
	type row struct {
		Name string `json:"name"`
		Size string `json:"size"`
	}
	w := newWorld(t, 0)
	clock := minapptest.NewClock(time.Unix(1_700_000_000, 0))
	w.Server = minapptest.NewServer(t, minapptest.WithClock(clock.Now))
	var tables [2]*minapp.Table[row]
	client, err := minapp.NewClient(w.Options()...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	for i, name := range []string{"left", "right"} {
		id, err := w.CreateTable(minapptest.Table{Name: name, Indexes: [][]string{{"name"}}, Schema: minapptest.Schema{Fields: []minapptest.Field{
			{Name: "name", Type: "string"}, {Name: "size", Type: "string"},
		}}})
		require.NoError(t, err)
		tables[i] = minapp.TableOf[row](client, minapp.TableID(id))
	}
	dir := t.TempDir()
	both := func() (written int) {
		for i, from := range tables {
			clock.Advance(time.Minute)
			w.ResetLog()
			_, err := migrate.Sync(t.Context(), migrate.Plan[*minapp.Record[row], row]{
				Transform: migrate.Value[row], Key: "name",
				Sink:       migrate.ToTable(tables[1-i], migrate.ToTableOptions{Update: true}),
				Checkpoint: migrate.FileCheckpoint(filepath.Join(dir, string(rune('a'+i)))),
			}, migrate.SyncOptions[row]{Table: from})
			require.NoError(t, err)
			written += w.Count("bulk.create") + w.Count("bulk.update")
		}
		return written
	}
	_, err = tables[0].Create(t.Context(), row{"a", "1"})
	require.NoError(t, err)
	_, err = tables[1].Create(t.Context(), row{"b", "2"})
	require.NoError(t, err)
	assert.Equal(t, 2, both())
	for range 3 {
		assert.Zero(t, both(), "at rest")
	}
	for _, table := range tables {
		n, err := table.Count(t.Context(), where.Everything())
		require.NoError(t, err)
		assert.EqualValues(t, 2, n)
	}
}

func TestRejectedRowsOfEachRoundHaveTheirFile(t *testing.T) {
	m := newMirror(t, 3)
	dir := t.TempDir()
	m.plan.Rejected = filepath.Join(dir, "rejected.jsonl")
	m.plan.Transform = func(*minapp.Record[city]) ([]copied, error) { return nil, errors.New("no") }
	m.option.Delete = false
	m.sync(t)
	for _, err := range m.cities.UpdateMany(t.Context(), m.ids(), patch.Set("people", 9), minapp.BatchOptions{}) {
		require.NoError(t, err)
	}
	m.clock.Advance(time.Minute)
	m.sync(t)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, f := range files {
		assert.Len(t, rejections(t, filepath.Join(dir, f.Name())), 3)
		assert.True(t, strings.HasPrefix(f.Name(), "rejected.20231114T23"), f.Name())
	}
}

// Rounds of another plan would leave out what has not changed since.
func TestRoundsOfAnotherPlanDoNotGoOn(t *testing.T) {
	for what, change := range map[string]func(m *mirror){
		"source":  func(m *mirror) { m.option.Where = where.Lt("people", 2) },
		"version": func(m *mirror) { m.plan.Version = "2" },
		"sink": func(m *mirror) {
			m.option.Delete = false
			m.plan.Sink = migrate.ToTable(minapp.TableOf[copied](m.client, m.cities.ID()), migrate.ToTableOptions{Update: true})
		},
	} {
		m := newMirror(t, 3)
		m.sync(t)
		change(m)
		_, err := migrate.Sync(t.Context(), m.plan, m.option)
		require.ErrorIs(t, err, migrate.ErrCheckpoint)
		require.ErrorContains(t, err, what)
	}
}

// A checkpoint that is damaged, or not that of Sync, does not begin anew.
func TestADamagedCheckpointOfRounds(t *testing.T) {
	m := newMirror(t, 3)
	path := filepath.Join(t.TempDir(), "sync")
	m.plan.Checkpoint = migrate.FileCheckpoint(path)
	m.sync(t)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	run := m.plan
	run.Source, run.Checkpoint = migrate.FromTable(m.cities, migrate.FromTableOptions{}), migrate.FileCheckpoint(path)
	_, err = migrate.Run(t.Context(), run)
	require.ErrorIs(t, err, migrate.ErrCheckpoint)
	require.NoError(t, os.Remove(path))
	_, err = migrate.Run(t.Context(), run)
	require.NoError(t, err)
	ofRun, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, content := range []string{"{}", "null", "", strings.Replace(string(whole), "1", "2", 1), string(ofRun)} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := migrate.Sync(t.Context(), m.plan, m.option)
		require.ErrorIs(t, err, migrate.ErrCheckpoint, content)
	}
}

func TestSyncRefusesWhatItCannotDo(t *testing.T) {
	m := newMirror(t, 3)
	for what, change := range map[string]func(p *migrate.Plan[*minapp.Record[city], copied], o *migrate.SyncOptions[city]){
		"Table":      func(_ *migrate.Plan[*minapp.Record[city], copied], o *migrate.SyncOptions[city]) { o.Table = nil },
		"Key":        func(p *migrate.Plan[*minapp.Record[city], copied], _ *migrate.SyncOptions[city]) { p.Key = "" },
		"Checkpoint": func(p *migrate.Plan[*minapp.Record[city], copied], _ *migrate.SyncOptions[city]) { p.Checkpoint = nil },
		"Overlap":    func(_ *migrate.Plan[*minapp.Record[city], copied], o *migrate.SyncOptions[city]) { o.Overlap = -1 },
		"DryRun":     func(p *migrate.Plan[*minapp.Record[city], copied], _ *migrate.SyncOptions[city]) { p.DryRun = true },
	} {
		p, o := m.plan, m.option
		change(&p, &o)
		_, err := migrate.Sync(t.Context(), p, o)
		require.ErrorContains(t, err, what)
	}
	assert.Zero(t, m.Count(""))
}

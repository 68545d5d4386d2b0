package migrate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/minapptest"
)

// write runs rows of any shape into the table of places.
func write(t *testing.T, w *world, p migrate.Plan[minapp.Fields, minapp.Fields], o migrate.ToTableOptions, rows ...minapp.Fields) (migrate.Report, error) {
	t.Helper()
	p.Source = migrate.FromSlice("rows", rows)
	p.Sink = migrate.ToTable(minapp.TableOf[minapp.Fields](w.client, w.places.ID()), o)
	return migrate.Run(t.Context(), p)
}

// The service drops what does not fit and says nothing: such rows are rejected
// before they are sent.
func TestValuesAreCheckedAgainstTheTable(t *testing.T) {
	s := minapptest.NewServer(t)
	kinds := []minapptest.Field{
		{Name: "s", Type: "string"},
		{Name: "i", Type: "integer"},
		{Name: "n", Type: "number"},
		{Name: "b", Type: "boolean"},
		{Name: "d", Type: "date"},
		{Name: "o", Type: "object"},
		{Name: "g", Type: "geojson", Format: "default", CoordinateType: "wgs84"},
		{Name: "a", Type: "array", Items: &minapptest.Items{Type: "integer"}},
		{Name: "f", Type: "file"},
	}
	id, err := s.CreateTable(minapptest.Table{Name: "kinds", Schema: minapptest.Schema{Fields: kinds}})
	require.NoError(t, err)
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	good := []string{
		`{"s":"😀"}`, `{"s":""}`, `{"s":null}`, `{}`, `{"i":9223372036854775807}`, `{"i":-9223372036854775808}`, `{"n":1}`, `{"n":1.5e-7}`, `{"b":false}`,
		`{"d":"2018-09-01T18:31:02.631000+08:00"}`, `{"d":"2018-09-01T10:31:02Z"}`, `{"o":{"x":[1]}}`, `{"g":{"type":"Point","coordinates":[1,2]}}`,
		`{"a":[1,2]}`, `{"a":[]}`, `{"created_at":1500000000,"created_by":7,"read_perm":["user:*"]}`,
	}
	bad := map[string]string{
		`{"s":1}`: `column "s": 1 does not fit the type string`, `{"i":1.5}`: `column "i"`, `{"i":"1"}`: `column "i"`, `{"i":9223372036854775808}`: `column "i"`,
		`{"n":"1"}`: `column "n"`, `{"b":0}`: `column "b"`, `{"d":"2018-09-01"}`: `column "d"`, `{"d":1500000000}`: `column "d"`, `{"o":[]}`: `column "o"`,
		`{"g":[1,2]}`: `column "g"`, `{"a":1}`: `column "a"`, `{"a":[1,"2"]}`: `column "a": element 1, "2", does not fit the type integer`, `{"x":1}`: `has no column "x"`,
	}
	var rows []json.RawMessage
	for _, row := range good {
		rows = append(rows, json.RawMessage(row))
	}
	for row := range bad {
		rows = append(rows, json.RawMessage(row))
	}
	path := filepath.Join(t.TempDir(), "rejected.jsonl")
	report, err := migrate.Run(t.Context(), migrate.Plan[json.RawMessage, json.RawMessage]{
		Source: migrate.FromSlice("rows", rows), Rejected: path,
		Sink: migrate.ToTable(minapp.TableOf[json.RawMessage](client, minapp.TableID(id)), migrate.ToTableOptions{}),
	})
	require.NoError(t, err)
	assert.EqualValues(t, len(good), report.Moved)
	assert.Len(t, s.Rows(id), len(good))
	list := rejections(t, path)
	require.Len(t, list, len(bad))
	for _, r := range list {
		assert.Contains(t, r.Reason, bad[string(r.Row)], string(r.Row))
		assert.Equal(t, migrate.Writing, r.Stage)
	}
}

func TestUpdateWritesWhatDiffers(t *testing.T) {
	w := newWorld(t, 0)
	_, err := w.Seed(2,
		map[string]any{"name": "same", "size": "1"},
		map[string]any{"name": "big1", "size": "1"},
		map[string]any{"name": "big2", "size": "2"},
		map[string]any{"name": "own", "size": "3"},
	)
	require.NoError(t, err)
	there := make(map[string]string)
	for _, row := range w.Rows(2) {
		there[row["name"].(string)] = row["id"].(string)
	}
	ids := make(map[string]string)
	p := migrate.Plan[minapp.Fields, minapp.Fields]{Key: "name"}
	o := migrate.ToTableOptions{Update: true, OnWritten: func(key, id string) { ids[key] = id }}
	rows := []minapp.Fields{
		{"name": "same", "size": "1"}, {"name": "big1", "size": "9"}, {"name": "big2", "size": "9"}, {"name": "own", "size": "4"}, {"name": "new", "size": "5"},
	}
	dry := p
	dry.DryRun = true
	planned, err := write(t, w, dry, o, rows...)
	require.NoError(t, err)
	assert.EqualValues(t, 3, planned.Requests)
	assert.Zero(t, w.Count("bulk.update")+w.Count("bulk.create"))
	assert.Empty(t, ids)

	w.ResetLog()
	report, err := write(t, w, p, o, rows...)
	require.NoError(t, err)
	assert.EqualValues(t, 5, report.Moved)
	assert.Equal(t, 1, w.Count("records.list"), "keys are looked up once")
	assert.Equal(t, 2, w.Count("bulk.update"), "equal changes go together, and rows that are right cost nothing")
	assert.Equal(t, 1, w.Count("bulk.create"))
	got := make(map[string]string)
	for _, row := range w.Rows(2) {
		got[row["name"].(string)] = row["size"].(string)
		assert.Equal(t, row["id"], ids[row["name"].(string)])
	}
	assert.Equal(t, map[string]string{"same": "1", "big1": "9", "big2": "9", "own": "4", "new": "5"}, got)
	for name, id := range there {
		assert.Equal(t, id, ids[name], "rows keep their ids")
	}

	w.ResetLog()
	_, err = write(t, w, p, o, rows...)
	require.NoError(t, err)
	assert.Zero(t, w.Count("bulk.update")+w.Count("bulk.create"), "a second run has nothing to do")
}

func TestUpdateComparesWhatItIsToldTo(t *testing.T) {
	w := newWorld(t, 0)
	_, err := w.Seed(2, map[string]any{"name": "a", "size": "1"})
	require.NoError(t, err)
	o := migrate.ToTableOptions{Update: true, Compare: []string{"name"}}
	_, err = write(t, w, migrate.Plan[minapp.Fields, minapp.Fields]{Key: "name"}, o, minapp.Fields{"name": "a", "size": "2"})
	require.NoError(t, err)
	assert.Equal(t, "1", w.Rows(2)[0]["size"])
}

// A key that two rows have is a mistake of the source: the second is rejected,
// and so is a row that is there with other values.
func TestDuplicatesAreRejected(t *testing.T) {
	for _, update := range []bool{false, true} {
		w := newWorld(t, 0)
		_, err := w.Seed(2, map[string]any{"name": "there", "size": "1"})
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "rejected.jsonl")
		p := migrate.Plan[minapp.Fields, minapp.Fields]{Key: "name", Rejected: path}
		report, err := write(t, w, p, migrate.ToTableOptions{Update: update},
			minapp.Fields{"name": "a", "size": "1"}, minapp.Fields{"name": "a", "size": "2"},
			minapp.Fields{"name": "there", "size": "2"}, minapp.Fields{"size": "3"},
		)
		require.NoError(t, err)
		want := map[bool]int{false: 3, true: 2}[update]
		assert.EqualValues(t, want, report.Rejected)
		assert.Len(t, rejections(t, path), want)
	}
}

// The service refuses a request of a thousand rows because of one: halves of it
// lead to the row.
func TestARowThatSpoilsItsBatchIsFound(t *testing.T) {
	w := newWorld(t, 0)
	transport := &picky{next: w.Client().Transport, spoils: `"c00123"`}
	client, err := minapp.NewClient(append(w.Options(), minapp.WithHTTPClient(&http.Client{Transport: transport}))...)
	require.NoError(t, err)
	w.client = client
	rows := make([]minapp.Fields, 500)
	for i := range rows {
		rows[i] = minapp.Fields{"name": cityName(i), "size": "1"}
	}
	for _, update := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "rejected.jsonl")
		p := migrate.Plan[minapp.Fields, minapp.Fields]{Key: "name", Rejected: path}
		report, err := write(t, w, p, migrate.ToTableOptions{Update: update}, rows...)
		require.NoError(t, err)
		assert.EqualValues(t, 499, report.Moved)
		list := rejections(t, path)
		require.Len(t, list, 1)
		assert.JSONEq(t, `{"name":"c00123","size":"1"}`, string(list[0].Row))
	}
	assert.Len(t, w.Rows(2), 499)
}

// What ends a run is not blamed on its rows: none is rejected, and the next run
// writes them all.
func TestAFailureOfTheServiceRejectsNothing(t *testing.T) {
	faults := map[string]minapptest.Fault{
		"token":     {Operation: "bulk.create", Status: 401, Times: -1},
		"arrears":   {Operation: "bulk.create", Status: 402, Times: -1},
		"throttled": {Operation: "bulk.create", Status: 429, Times: -1},
		"down":      {Operation: "bulk.create", Status: 503, Times: -1},
		"table":     {Operation: "tables.get", Status: 404},
		"reading":   {Operation: "records.list", Skip: 4, Status: 403, Times: -1},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 200)
				p := w.plan()
				p.Key, p.Rejected = "name", filepath.Join(t.TempDir(), "rejected.jsonl")
				p.Checkpoint = migrate.FileCheckpoint(filepath.Join(t.TempDir(), "checkpoint"))
				w.Fault(fault)
				report, err := migrate.Run(t.Context(), p)
				require.Error(t, err)
				assert.Zero(t, report.Rejected)
				w.ClearFaults()
				report, err = migrate.Run(t.Context(), p)
				require.NoError(t, err)
				assert.Zero(t, report.Rejected)
				w.requirePlaces(t, upTo(200)...)
				assert.Empty(t, rejections(t, p.Rejected))
			})
		})
	}
}

// A request that is refused as invalid says nothing about its rows until they
// have been sent in halves: a failure on the way there rejects none of them.
func TestAFailureAmongHalvesRejectsNothing(t *testing.T) {
	for _, op := range []string{"bulk.create", "bulk.update"} {
		w := newWorld(t, 40)
		p := w.plan()
		p.Source, p.Parallel = migrate.FromTable(w.cities, migrate.FromTableOptions{}), 1
		p.Sink = migrate.ToTable(w.places, migrate.ToTableOptions{Update: true})
		p.Key, p.Rejected = "name", filepath.Join(t.TempDir(), "rejected.jsonl")
		if op == "bulk.update" {
			_, err := migrate.Run(t.Context(), p)
			require.NoError(t, err)
			p.Transform = func(r *minapp.Record[city]) ([]place, error) { return []place{{r.Value.Name, "same"}}, nil }
		}
		w.Fault(minapptest.Fault{Operation: op, Status: 400})
		w.Fault(minapptest.Fault{Operation: op, Status: 403, Times: -1})
		report, err := migrate.Run(t.Context(), p)
		require.ErrorIs(t, err, minapp.ErrForbidden)
		assert.Zero(t, report.Rejected)
		assert.Empty(t, rejections(t, p.Rejected))
	}
}

// Rows that met a row with their key can be there as they should be: as long as
// that cannot be looked up they are not rejected.
func TestDuplicatesThatCannotBeLookedUpAreNotRejected(t *testing.T) {
	w := newWorld(t, 0)
	rows := []minapp.Fields{{"name": "a", "size": "1"}, {"name": "b", "size": "2"}}
	p := migrate.Plan[minapp.Fields, minapp.Fields]{Key: "name", Rejected: filepath.Join(t.TempDir(), "rejected.jsonl")}
	_, err := write(t, w, p, migrate.ToTableOptions{}, rows...)
	require.NoError(t, err)
	w.Fault(minapptest.Fault{Operation: "records.list", Status: 403, Times: -1})
	report, err := write(t, w, p, migrate.ToTableOptions{}, rows...)
	require.ErrorIs(t, err, minapp.ErrForbidden)
	assert.Zero(t, report.Rejected)
	assert.Empty(t, rejections(t, p.Rejected))
	w.ClearFaults()
	report, err = write(t, w, p, migrate.ToTableOptions{}, rows...)
	require.NoError(t, err)
	assert.EqualValues(t, 2, report.Moved)
}

// A name that is no column would hide every difference.
func TestComparedColumnsMustBeThere(t *testing.T) {
	w := newWorld(t, 0)
	p := migrate.Plan[minapp.Fields, minapp.Fields]{Key: "name"}
	_, err := write(t, w, p, migrate.ToTableOptions{Update: true, Compare: []string{"siez"}}, minapp.Fields{"name": "a"})
	require.ErrorContains(t, err, `no column "siez"`)
}

// picky refuses every request that creates rows if one of them is among them.
type picky struct {
	next   http.RoundTripper
	spoils string
}

func TestAKeyWithoutAnIndexIsRefused(t *testing.T) {
	w := newWorld(t, 5)
	p := w.plan()
	p.Key = "size"
	_, err := migrate.Run(t.Context(), p)
	require.ErrorIs(t, err, minapp.ErrInvalid)
	require.ErrorContains(t, err, "no unique index")
	p.Key, p.Sink = "", migrate.ToTable(w.places, migrate.ToTableOptions{Update: true})
	_, err = migrate.Run(t.Context(), p)
	require.ErrorContains(t, err, "needs Plan.Key")
	assert.Empty(t, w.Rows(2))
}

// A cancelled run ends with the cause, finishes what is on its way, and goes on
// the next time.
func TestACancelledRunGoesOn(t *testing.T) {
	w := newWorld(t, 300)
	p := w.plan()
	p.Checkpoint = migrate.FileCheckpoint(filepath.Join(t.TempDir(), "checkpoint"))
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	p.OnProgress = func(p migrate.Progress) {
		if p.Read > 50 {
			cancel(stop)
		}
	}
	report, err := migrate.Run(ctx, p)
	require.ErrorIs(t, err, stop)
	require.ErrorContains(t, err, fmt.Sprintf("(%d of 300 rows are done; started again, the run goes on)", report.Read))
	assert.Len(t, w.Rows(2), int(report.Written), "what was on its way has ended, and is known")
	p.OnProgress = nil
	report, err = migrate.Run(t.Context(), p)
	require.NoError(t, err, "without a key: nothing is in doubt")
	assert.EqualValues(t, 300, report.Moved)
	report.Elapsed = 1500 * time.Millisecond
	assert.Equal(t, fmt.Sprintf("300 rows read (%d by earlier runs), 300 written, 0 dropped, 0 rejected in 1.5s", report.Resumed), report.String())
	w.requirePlaces(t, upTo(300)...)
}

func TestAnotherPlanDoesNotGoOn(t *testing.T) {
	w := newWorld(t, 50)
	p := w.plan()
	store := migrate.FileCheckpoint(filepath.Join(t.TempDir(), "checkpoint"))
	p.Checkpoint, p.Version = store, "1"
	_, err := migrate.Run(t.Context(), p)
	require.NoError(t, err)
	others := map[string]func(*migrate.Plan[*minapp.Record[city], place]){
		"source": func(p *migrate.Plan[*minapp.Record[city], place]) {
			p.Source = migrate.FromTable(w.cities, migrate.FromTableOptions{Keys: []string{"name"}})
		},
		"sink": func(p *migrate.Plan[*minapp.Record[city], place]) {
			p.Sink = migrate.ToTable(w.places, migrate.ToTableOptions{Update: true})
		},
		"key":     func(p *migrate.Plan[*minapp.Record[city], place]) { p.Key = "name" },
		"version": func(p *migrate.Plan[*minapp.Record[city], place]) { p.Version = "2" },
	}
	for what, change := range others {
		other := p
		change(&other)
		_, err := migrate.Run(t.Context(), other)
		require.ErrorIs(t, err, migrate.ErrCheckpoint)
		require.ErrorContains(t, err, what)
	}
	assert.Len(t, w.Rows(2), 50)
}

func TestAFirstRejectedRowEndsTheRun(t *testing.T) {
	w := newWorld(t, 30)
	p := w.plan()
	p.Parallel = 1
	p.Checkpoint = migrate.FileCheckpoint(filepath.Join(t.TempDir(), "checkpoint"))
	mended := false
	p.Transform = func(r *minapp.Record[city]) ([]place, error) {
		if r.Value.People == 15 && !mended {
			return nil, errors.New("fifteen")
		}
		return toPlace(r)
	}
	_, err := migrate.Run(t.Context(), p)
	var rejected *migrate.RejectedError
	require.ErrorAs(t, err, &rejected)
	assert.Equal(t, migrate.Transforming, rejected.Stage)
	require.ErrorContains(t, err, "fifteen")
	require.ErrorContains(t, err, rejected.At)
	mended = true
	report, err := migrate.Run(t.Context(), p)
	require.NoError(t, err)
	assert.EqualValues(t, 30, report.Moved)
	w.requirePlaces(t, upTo(30)...)
}

func (p *picky) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		if body := bodyOf(r); strings.Contains(body, p.spoils) {
			return refusal(r, `{"error_msg":"bad"}`), nil
		}
	}
	return p.next.RoundTrip(r)
}

// Triggers run for what is migrated, because no document says how to switch
// them off; the report says so.
func TestTriggersAreReported(t *testing.T) {
	w := newWorld(t, 0)
	report, err := write(t, w, migrate.Plan[minapp.Fields, minapp.Fields]{}, migrate.ToTableOptions{}, minapp.Fields{"name": "a"})
	require.NoError(t, err)
	require.Len(t, report.Warnings, 1)
	assert.Contains(t, report.Warnings[0], "triggers")
}

// A run that goes on with another file of rejected rows leaves whatever is there
// alone.
func TestAnotherFileOfRejectedRowsIsNotTouched(t *testing.T) {
	w := newWorld(t, 30)
	p := w.plan()
	p.Parallel = 1
	p.Checkpoint = migrate.FileCheckpoint(filepath.Join(t.TempDir(), "checkpoint"))
	broken := true
	p.Transform = func(r *minapp.Record[city]) ([]place, error) {
		if r.Value.People == 15 && broken {
			return nil, errors.New("fifteen")
		}
		return toPlace(r)
	}
	_, err := migrate.Run(t.Context(), p)
	require.ErrorContains(t, err, "fifteen")
	p.Rejected = filepath.Join(t.TempDir(), "precious.jsonl")
	require.NoError(t, os.WriteFile(p.Rejected, []byte("{}\n"), 0o600))
	_, err = migrate.Run(t.Context(), p)
	require.ErrorContains(t, err, "holds rows of another run")
	kept, err := os.ReadFile(p.Rejected)
	require.NoError(t, err)
	assert.Equal(t, "{}\n", string(kept))
	require.NoError(t, os.Remove(p.Rejected))
	report, err := migrate.Run(t.Context(), p)
	require.NoError(t, err)
	assert.EqualValues(t, 1, report.Rejected)
	assert.Len(t, rejections(t, p.Rejected), 1)
}

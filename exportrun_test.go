package minapp_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/where"
)

// namesOf reads the column name out of the files of a run.
func namesOf(t *testing.T, files []minapp.ExportFile) []string {
	t.Helper()
	var names []string
	for row, err := range minapp.ExportRows[minapp.Fields](files...) {
		require.NoError(t, err)
		names = append(names, row["name"].(string))
	}
	return names
}

func namesFrom(from, to int) []string {
	var names []string
	for i := from; i < to; i++ {
		names = append(names, name(i))
	}
	return names
}

var jsonExport = minapp.ExportSpec{FileType: minapp.FileJSON, OrderBy: []string{"created_at"}}

// A large table becomes several files, a job a minute, none above the limit
// and few of them, in the order of time.
func TestRunCutsALargeTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := exporting(t, 1000, minapptest.Limits{ExportMax: 300, ExportDelay: 90 * time.Second})
		dir := t.TempDir()
		start := time.Now()
		var steps []minapp.ExportProgress
		options := minapp.RunOptions{Spec: jsonExport, Dir: dir, MaxRows: 300, OnProgress: func(p minapp.ExportProgress) { steps = append(steps, p) }}
		run, err := client.Exports.Run(t.Context(), table, options)
		require.NoError(t, err)
		assert.Equal(t, namesFrom(0, 1000), namesOf(t, run.Files))
		assert.EqualValues(t, 1000, run.Rows)
		assert.Equal(t, s.Count("exports.create"), len(run.Files))
		assert.LessOrEqual(t, len(run.Files), 5)
		assert.Less(t, time.Since(start), 7*time.Minute, "jobs run side by side, started a minute apart")
		for i, step := range steps {
			if step.Status == "started" {
				assert.Equal(t, "starting", steps[i-1].Status, "the wait for the next minute shows")
			}
		}
		last := steps[len(steps)-1]
		assert.Equal(t, minapp.ExportProgress{Part: len(run.Files), Parts: len(run.Files), Status: "downloaded", Rows: last.Rows, Done: 1000, Total: 1000}, last)

		s.ResetLog()
		again, err := client.Exports.Run(t.Context(), table, options)
		require.NoError(t, err)
		assert.Equal(t, run, again)
		assert.Zero(t, s.Count(""), "what is done is not done again")

		require.NoError(t, os.Remove(run.Files[1].Path))
		require.NoError(t, os.WriteFile(run.Files[0].Path, []byte("["), 0o600))
		_, err = client.Exports.Run(t.Context(), table, options)
		require.NoError(t, err)
		assert.Equal(t, namesFrom(0, 1000), namesOf(t, run.Files))
		assert.Zero(t, s.Count("exports.create"))
		assert.Equal(t, 2, s.Count("exports.download"))
	})
}

func TestRunOfASmallTableIsOneJob(t *testing.T) {
	s, client, table := exporting(t, 10, minapptest.Limits{})
	run, err := client.Exports.Run(t.Context(), table, minapp.RunOptions{Spec: csvExport, Dir: t.TempDir(), Name: "books"})
	require.NoError(t, err)
	require.Len(t, run.Files, 1)
	assert.Equal(t, "books-001.csv", filepath.Base(run.Files[0].Path))
	assert.Equal(t, namesFrom(0, 10), namesOf(t, run.Files))
	for _, r := range s.Requests() {
		if r.Operation == "exports.create" {
			assert.JSONEq(t, `{"file_type":"csv","mode":"all","include_keys":["name","price"],"order_by":["created_at"]}`, string(r.Body))
		}
	}
}

func TestRunKeepsItsCondition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, table := exporting(t, 1000, minapptest.Limits{ExportMax: 300})
		spec := jsonExport
		spec.Where = where.Gte("price", 500)
		run, err := client.Exports.Run(t.Context(), table, minapp.RunOptions{Spec: spec, Dir: t.TempDir(), MaxRows: 300})
		require.NoError(t, err)
		assert.Equal(t, namesFrom(500, 1000), namesOf(t, run.Files))
	})
}

// A run that is interrupted at any request goes on later, and starts no job
// that it has started before.
func TestRunGoesOnAfterAnInterruption(t *testing.T) {
	for _, drop := range []minapptest.Drop{minapptest.DropBefore, minapptest.DropAfter} {
		for _, operation := range []string{"records.count", "records.list", "exports.create", "exports.get", "exports.download"} {
			for skip := range 3 {
				t.Run(operation, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s, client, table := exporting(t, 100, minapptest.Limits{ExportMax: 40})
						client, err := client.With(minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1}))
						require.NoError(t, err)
						options := minapp.RunOptions{Spec: jsonExport, Dir: t.TempDir(), MaxRows: 40}
						s.Fault(minapptest.Fault{Operation: operation, Skip: skip, Drop: drop})
						s.Fault(minapptest.Fault{Operation: "exports.list", Drop: minapptest.DropBefore}) // so that a lost job is not found at once
						run, err := client.Exports.Run(t.Context(), table, options)
						s.ClearFaults()
						for i := 0; err != nil; i++ {
							require.Less(t, i, 2, "%v", err)
							other, failed := minapp.NewClient(s.Options()...) // another process knows the state file only
							require.NoError(t, failed)
							run, err = other.Exports.Run(t.Context(), table, options)
							other.CloseIdleConnections()
						}
						assert.Equal(t, namesFrom(0, 100), namesOf(t, run.Files))
						jobs := 0
						for _, err := range client.Exports.All(t.Context(), table, minapp.ExportQuery{}) {
							require.NoError(t, err)
							jobs++
						}
						assert.Equal(t, len(run.Files), jobs, "every job belongs to a part")
					})
				})
			}
		}
	}
}

// A job whose answer was lost is found among those of the other parts.
func TestRunTellsItsJobsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := exporting(t, 100, minapptest.Limits{ExportMax: 40})
		options := minapp.RunOptions{Spec: jsonExport, Dir: t.TempDir(), MaxRows: 40, Name: "a"}
		run, err := client.Exports.Run(t.Context(), table, options)
		require.NoError(t, err)
		path := filepath.Join(options.Dir, "a.state.json")
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		var state map[string]any
		require.NoError(t, json.Unmarshal(data, &state))
		parts := state["parts"].([]any)
		for _, member := range []string{"job", "file", "bytes"} {
			delete(parts[1].(map[string]any), member)
		}
		require.NoError(t, os.WriteFile(path, mustJSON(state), 0o600))
		require.NoError(t, os.Remove(run.Files[1].Path))

		s.ResetLog()
		_, err = client.Exports.Run(t.Context(), table, options)
		require.NoError(t, err)
		assert.Zero(t, s.Count("exports.create"))
		assert.Equal(t, namesFrom(0, 100), namesOf(t, run.Files))
	})
}

// A job whose answer was lost is not guessed among several, and none is started
// in its place; nor is one if the jobs cannot be read.
func TestRunDoesNotGuessItsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := exporting(t, 10, minapptest.Limits{ExportPause: -1})
		options := minapp.RunOptions{Spec: csvExport, Dir: t.TempDir()}
		s.Fault(minapptest.Fault{Operation: "exports.create", Drop: minapptest.DropAfter})
		s.Fault(minapptest.Fault{Operation: "exports.list", Status: 401, Times: 2, Body: `{}`})
		_, err := client.Exports.Run(t.Context(), table, options)
		require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
		_, err = client.Exports.Run(t.Context(), table, options)
		require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "exports.list: 401")

		elsewhere, err := minapp.NewClient(s.Options()...)
		require.NoError(t, err)
		defer elsewhere.CloseIdleConnections()
		_, err = elsewhere.Exports.Create(t.Context(), table, csvExport)
		require.NoError(t, err)
		_, err = client.Exports.Run(t.Context(), table, options)
		require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "2 jobs in the list")
		assert.Equal(t, 2, s.Count("exports.create"), "the lost one, and the one elsewhere")
	})
}

// Somebody else's export in the same minute is waited for.
func TestRunWaitsForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := exporting(t, 10, minapptest.Limits{})
		other, err := minapp.NewClient(s.Options()...)
		require.NoError(t, err)
		defer other.CloseIdleConnections()
		_, err = other.Exports.Create(t.Context(), table, csvExport)
		require.NoError(t, err)
		start := time.Now()
		run, err := client.Exports.Run(t.Context(), table, minapp.RunOptions{Spec: csvExport, Dir: t.TempDir()})
		require.NoError(t, err)
		assert.Equal(t, time.Minute, time.Since(start))
		assert.Equal(t, namesFrom(0, 10), namesOf(t, run.Files))
	})
}

// Rows that vanish between counting and exporting are noticed by the reader.
func TestChangedCountsAreNoticed(t *testing.T) {
	s, client, table := exporting(t, 10, minapptest.Limits{})
	run, err := client.Exports.Run(t.Context(), table, minapp.RunOptions{Spec: csvExport, Dir: t.TempDir(), OnProgress: func(p minapp.ExportProgress) {
		if p.Status == "counted" {
			_, err := s.Seed(int64(table), map[string]any{"name": "late"})
			require.NoError(t, err)
		}
	}})
	require.NoError(t, err)
	var last error
	for _, err := range minapp.ExportRows[minapp.Fields](run.Files...) {
		last = err
	}
	require.ErrorIs(t, last, minapp.ErrProtocol)
	require.ErrorContains(t, last, "has 11 rows, and 10 were counted")
}

func TestWhatARunCannotCut(t *testing.T) {
	s, client, table := exporting(t, 10, minapptest.Limits{})
	rows := make([]any, 30)
	for i := range rows {
		rows[i] = map[string]any{"name": "same" + name(i), "created_at": 1_500_000_005}
	}
	_, err := s.Seed(int64(table), rows...)
	require.NoError(t, err)
	_, err = client.Exports.Run(t.Context(), table, minapp.RunOptions{Spec: csvExport, Dir: t.TempDir(), MaxRows: 20})
	require.ErrorIs(t, err, minapp.ErrInvalid)
	require.ErrorContains(t, err, "more than 20 rows were created at 2017-07-14T02:40:05Z")

	s.Fault(minapptest.Fault{Operation: "records.list", Status: 200, Body: `{"meta":{},"objects":[{"id":"a"}]}`})
	_, err = client.Exports.Run(t.Context(), table, minapp.RunOptions{Spec: csvExport, Dir: t.TempDir(), MaxRows: 35})
	require.ErrorIs(t, err, minapp.ErrInvalid)
	require.ErrorContains(t, err, "no created_at")

	client, err = client.With(minapp.WithHTTPClient(&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		switch cond := r.URL.Query().Get("where"); {
		case strings.Contains(cond, "$isnull"):
			return httpmock.NewStringResponse(200, `{"meta":{"total_count":2}}`), nil
		case cond == "" && r.URL.Query().Get("return_total_count") == "1":
			return httpmock.NewStringResponse(200, `{"meta":{"total_count":42}}`), nil
		}
		return s.Client().Transport.RoundTrip(r)
	})}))
	require.NoError(t, err)
	_, err = client.Exports.Run(t.Context(), table, minapp.RunOptions{Spec: csvExport, Dir: t.TempDir(), MaxRows: 35})
	require.ErrorIs(t, err, minapp.ErrInvalid)
	require.ErrorContains(t, err, "2 rows have no created_at")
	assert.Zero(t, s.Count("exports.create"))
}

// transport is a transport made of a function.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestBadRuns(t *testing.T) {
	s, client, table := exporting(t, 10, minapptest.Limits{})
	dir := t.TempDir()
	for text, o := range map[string]minapp.RunOptions{
		`FileType is ""`:     {Dir: dir},
		"MaxRows is 1000001": {Spec: csvExport, Dir: dir, MaxRows: 1_000_001},
		"MaxRows is -1":      {Spec: csvExport, Dir: dir, MaxRows: -1},
		"which is no folder": {Spec: csvExport, Dir: filepath.Join(dir, "no")},
		"no name of a file":  {Spec: csvExport, Dir: dir, Name: "../a"},
		"WaitOptions":        {Spec: csvExport, Dir: dir, Wait: minapp.WaitOptions{Interval: -1}},
	} {
		_, err := client.Exports.Run(t.Context(), table, o)
		require.ErrorIs(t, err, minapp.ErrInvalid)
		require.ErrorContains(t, err, text)
	}
	assert.Zero(t, s.Count(""))

	_, err := client.Exports.Run(t.Context(), table, minapp.RunOptions{Spec: csvExport, Dir: dir})
	require.NoError(t, err)
	_, err = client.Exports.Run(t.Context(), table, minapp.RunOptions{Spec: jsonExport, Dir: dir})
	require.ErrorIs(t, err, minapp.ErrInvalid)
	require.ErrorContains(t, err, "is the state of another run")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "table-"+table.String()+".state.json"), []byte("{"), 0o600))
	_, err = client.Exports.Run(t.Context(), table, minapp.RunOptions{Spec: csvExport, Dir: dir})
	require.ErrorContains(t, err, "state of the run")
}

// A run whose context ends says so, and goes on later.
func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := exporting(t, 100, minapptest.Limits{ExportMax: 40, ExportDelay: 10 * time.Minute})
		options := minapp.RunOptions{Spec: jsonExport, Dir: t.TempDir(), MaxRows: 40}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(70*time.Second, cancel)
		_, err := client.Exports.Run(ctx, table, options)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, 2, s.Count("exports.create"))
		other, err := minapp.NewClient(s.Options()...)
		require.NoError(t, err)
		defer other.CloseIdleConnections()
		run, err := other.Exports.Run(t.Context(), table, options)
		require.NoError(t, err)
		assert.Equal(t, namesFrom(0, 100), namesOf(t, run.Files))
		assert.Equal(t, len(run.Files), s.Count("exports.create"), "the minute is kept, too")
	})
}

// A job of which nothing would be known afterwards is not started.
func TestRunStartsNoJobThatItCannotNote(t *testing.T) {
	s, client, table := exporting(t, 10, minapptest.Limits{})
	dir := filepath.Join(t.TempDir(), "exports")
	require.NoError(t, os.Mkdir(dir, 0o700))
	_, err := client.Exports.Run(t.Context(), table, minapp.RunOptions{Spec: csvExport, Dir: dir, OnProgress: func(p minapp.ExportProgress) {
		assert.NoError(t, os.Remove(dir), p.Status)
	}})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "state of the run")
	assert.Zero(t, s.Count("exports.create"))
}

package minapp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

var csvExport = minapp.ExportSpec{FileType: minapp.FileCSV, IncludeKeys: []string{"name", "price"}, OrderBy: []string{"created_at"}}

// exporting is an emulator with n rows, and the client's exports.
func exporting(t *testing.T, n int, limits minapptest.Limits) (*minapptest.Server, *minapp.Client, minapp.TableID) {
	t.Helper()
	s, table := emulated(t)
	s.SetLimits(limits)
	seed(t, s, table.ID(), n)
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return s, client, table.ID()
}

func TestBadExportsAreNotSent(t *testing.T) {
	client, transport := mocked(t, httpmock.NewStringResponder(500, ``))
	for text, spec := range map[string]minapp.ExportSpec{
		`FileType is ""`:                       {},
		`FileType is "xml"`:                    {FileType: "xml"},
		`needs a session of the console`:       {FileType: minapp.FileXLSX},
		`Mode is "some"`:                       {FileType: minapp.FileCSV, Mode: "some"},
		`Where leaves rows out`:                {FileType: minapp.FileCSV, Mode: minapp.ExportAll, Where: where.Eq("a", 1)},
		`IncludeKeys and ExcludeKeys`:          {FileType: minapp.FileCSV, IncludeKeys: []string{"a"}, ExcludeKeys: []string{"b"}},
		`IncludeKeys[1] is " "`:                {FileType: minapp.FileCSV, IncludeKeys: []string{"a", " "}},
		`OrderBy[0] is ""`:                     {FileType: minapp.FileCSV, OrderBy: []string{"-"}},
		`TimestampKeys[0] is ""`:               {FileType: minapp.FileCSV, TimestampKeys: []string{""}},
		`for a file of type json`:              {FileType: minapp.FileJSON, IncludeKeys: []string{"a"}, CSVHeaders: []string{"A"}},
		`2 CSVHeaders are given for 1`:         {FileType: minapp.FileCSV, IncludeKeys: []string{"a"}, CSVHeaders: []string{"A", "B"}},
		`1 CSVHeaders are given for 0 Include`: {FileType: minapp.FileCSV, CSVHeaders: []string{"A"}},
		`Where: where`:                         {FileType: minapp.FileCSV, Where: where.Eq("", 1)},
	} {
		_, err := client.Exports.Create(t.Context(), 1, spec)
		require.ErrorIs(t, err, minapp.ErrInvalid)
		require.ErrorContains(t, err, text)
	}
	ctx := t.Context()
	_, table := client.Exports.Create(ctx, 0, csvExport)
	_, job := client.Exports.Get(ctx, minapp.ExportRef{Table: 1})
	_, refTable := client.Exports.Get(ctx, minapp.ExportRef{Job: "a"})
	_, size := client.Exports.Page(ctx, 1, minapp.ExportQuery{PageSize: 1001})
	_, offset := client.Exports.Page(ctx, 1, minapp.ExportQuery{Offset: -1})
	_, interval := client.Exports.Wait(ctx, minapp.ExportRef{Table: 1, Job: "a"}, minapp.WaitOptions{Interval: -1})
	_, noURL := client.Exports.Download(ctx, &minapp.ExportJob{Status: "pending"}, io.Discard)
	_, noWriter := client.Exports.Download(ctx, &minapp.ExportJob{DownloadURL: "https://a/b"}, nil)
	_, noJob := client.Exports.DownloadFile(ctx, nil, "a")
	_, plain := client.Exports.Download(ctx, &minapp.ExportJob{DownloadURL: "http://files.example/b?x=" + secret}, io.Discard)
	for i, err := range []error{table, job, refTable, size, offset, interval, noURL, noWriter, noJob, plain} {
		require.ErrorIs(t, err, minapp.ErrInvalid, i)
		assert.NotContains(t, err.Error(), secret)
	}
	assert.Zero(t, transport.GetTotalCallCount())
}

// One export a minute, for a client and all that are derived from it.
func TestASecondExportWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := exporting(t, 1, minapptest.Limits{})
		other, err := client.With(minapp.WithEnvID("staging"))
		require.NoError(t, err)
		start := time.Now()
		_, err = client.Exports.Create(t.Context(), table, csvExport)
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		_, err = other.Exports.Create(ctx, table, csvExport)
		require.ErrorIs(t, err, minapp.ErrRateLimited)
		require.NotErrorIs(t, err, minapp.ErrOutcomeUnknown)
		refusal, ok := errors.AsType[*minapp.Error](err)
		require.True(t, ok)
		assert.Equal(t, time.Minute, refusal.RetryAfter)
		assert.Zero(t, time.Since(start), "and it is known at once")
		assert.Equal(t, 1, s.Count("exports.create"), "unsent")

		_, err = other.Exports.Create(t.Context(), table, csvExport)
		require.NoError(t, err)
		assert.Equal(t, time.Minute, time.Since(start))
	})
}

// What the service refused for another reason does not use up the minute.
func TestARefusedExportCostsNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := exporting(t, 1, minapptest.Limits{})
		start := time.Now()
		_, err := client.Exports.Create(t.Context(), table, minapp.ExportSpec{FileType: minapp.FileCSV, IncludeKeys: []string{"nothing"}})
		require.ErrorIs(t, err, minapp.ErrInvalid)
		require.ErrorContains(t, err, "a second export within a minute, more than 1,000,000 rows, or a mistake")
		_, err = client.Exports.Create(t.Context(), table, csvExport)
		require.NoError(t, err)
		assert.Zero(t, time.Since(start))

		s.Fault(minapptest.Fault{Operation: "exports.create", Status: 400, Body: `{"error_msg":"1min 内多次创建任务"}`})
		require.NoError(t, err)
		_, err = client.Exports.Create(t.Context(), table, csvExport) // after its minute: somebody else was faster
		require.ErrorIs(t, err, minapp.ErrInvalid)
		_, err = client.Exports.Create(t.Context(), table, csvExport)
		require.NoError(t, err)
		assert.Equal(t, 2*time.Minute, time.Since(start))
	})
}

// A lost answer to a create is looked up, by the service's clock.
func TestALostExportIsFound(t *testing.T) {
	for name, test := range map[string]struct {
		fault minapptest.Fault
		found bool
	}{
		"the answer was lost":             {minapptest.Fault{Drop: minapptest.DropAfter}, true},
		"it was cut":                      {minapptest.Fault{Drop: minapptest.CutBody}, true},
		"a gateway gave up":               {minapptest.Fault{Status: 504, Processed: true}, true},
		"it names no job":                 {minapptest.Fault{Status: 201, Processed: true, Body: `{}`}, true},
		"the request was lost":            {minapptest.Fault{Drop: minapptest.DropBefore}, false},
		"a gateway failed in front of it": {minapptest.Fault{Status: 502}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, client, table := exporting(t, 1, minapptest.Limits{})
				earlier, err := client.Exports.Create(t.Context(), table, csvExport)
				require.NoError(t, err)
				test.fault.Operation = "exports.create"
				s.Fault(test.fault)
				ref, err := client.Exports.Create(t.Context(), table, csvExport)
				assert.Equal(t, 2, s.Count("exports.create"), "it is not repeated")
				if !test.found {
					require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
					require.ErrorContains(t, err, "0 jobs in the list can be this one")
					return
				}
				require.NoError(t, err)
				assert.NotEqual(t, earlier, ref)
				job, err := client.Exports.Get(t.Context(), ref)
				require.NoError(t, err)
				assert.True(t, job.Finished())
			})
		})
	}
}

func TestALostExportIsNotGuessed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := exporting(t, 1, minapptest.Limits{ExportPause: -1})
		elsewhere, err := minapp.NewClient(s.Options()...)
		require.NoError(t, err)
		defer elsewhere.CloseIdleConnections()
		_, err = elsewhere.Exports.Create(t.Context(), table, csvExport)
		require.NoError(t, err)
		s.Fault(minapptest.Fault{Operation: "exports.create", Drop: minapptest.DropAfter})
		_, err = client.Exports.Create(t.Context(), table, csvExport)
		require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "2 jobs in the list")

		s.Fault(minapptest.Fault{Operation: "exports.create", Drop: minapptest.DropAfter})
		s.Fault(minapptest.Fault{Operation: "exports.list", Status: 401, Body: `{}`})
		_, err = client.Exports.Create(t.Context(), table, csvExport)
		require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "listing the jobs: exports.list: 401")
	})
}

// The clock of this machine may be wrong: the service's own tells when.
func TestALostExportIsFoundDespiteTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := minapptest.NewServer(t, minapptest.WithClock(func() time.Time { return time.Now().Add(-3 * time.Hour) }))
		id, err := s.CreateTable(minapptest.Table{Name: "product", Schema: articleSchema})
		require.NoError(t, err)
		client, err := minapp.NewClient(s.Options()...)
		require.NoError(t, err)
		defer client.CloseIdleConnections()
		s.Fault(minapptest.Fault{Operation: "exports.create", Drop: minapptest.DropAfter})
		_, err = client.Exports.Create(t.Context(), minapp.TableID(id), csvExport)
		require.NoError(t, err)
	})
}

// The state alone says nothing: the file is there with finish and a URL.
func TestWaitNeedsTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []string{`"pending","download_url":null`, `"ready","download_url":"https://a/b"`, `"done","download_url":"https://a/b"`, `"finish","download_url":null`, `"finish","download_url":"https://a/b"`}
		client, _ := mocked(t, func(*http.Request) (*http.Response, error) {
			body := `{"job_id":"j","status":` + answers[0] + `}`
			answers = answers[1:]
			return httpmock.NewStringResponse(200, body), nil
		})
		var seen []string
		job, err := client.Exports.Wait(t.Context(), minapp.ExportRef{Table: 1, Job: "j"}, minapp.WaitOptions{OnPoll: func(status string) { seen = append(seen, status) }})
		require.NoError(t, err)
		assert.Equal(t, []string{"pending", "ready", "done", "finish", "finish"}, seen)
		assert.Equal(t, minapp.SignedURL("https://a/b"), job.DownloadURL)
	})
}

func TestAWaitThatEndsKeepsWhatItSaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, table := exporting(t, 1, minapptest.Limits{ExportDelay: time.Hour})
		ref, err := client.Exports.Create(t.Context(), table, csvExport)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute)
		defer cancel()
		job, err := client.Exports.Wait(ctx, ref, minapp.WaitOptions{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		wait, ok := errors.AsType[*minapp.WaitError](err)
		require.True(t, ok)
		assert.Equal(t, job, wait.Last)
		assert.EqualError(t, err, fmt.Sprintf("exports.wait: stopped waiting after 40m0s for job %s of table %d, last seen as ready: context deadline exceeded", ref.Job, table))
		assert.Equal(t, minapp.ExportRunning, job.Status)
	})
}

func TestUnreadableJobsSayWhy(t *testing.T) {
	client, _ := mocked(t, httpmock.NewStringResponder(401, `{}`))
	_, get := client.Exports.Get(t.Context(), minapp.ExportRef{Table: 1, Job: "j"})
	_, list := client.Exports.Page(t.Context(), 1, minapp.ExportQuery{})
	for _, err := range []error{get, list} {
		require.ErrorIs(t, err, minapp.ErrUnauthorized)
		require.ErrorContains(t, err, "Settings > SDK > General")
		require.ErrorContains(t, err, "only by the user who started them")
	}
}

func TestJobsAreListedPageAfterPage(t *testing.T) {
	s, client, table := exporting(t, 0, minapptest.Limits{ExportPause: -1})
	refs := map[string]bool{}
	for range 5 { // by clients of their own, which do not wait for each other
		one, err := minapp.NewClient(s.Options()...)
		require.NoError(t, err)
		ref, err := one.Exports.Create(t.Context(), table, csvExport)
		require.NoError(t, err)
		refs[ref.Job] = true
	}
	all := client.Exports.All(t.Context(), table, minapp.ExportQuery{PageSize: 2})
	for range 2 {
		seen := map[string]bool{}
		for job, err := range all {
			require.NoError(t, err)
			seen[job.Ref.Job] = true
		}
		assert.Equal(t, refs, seen)
	}
	assert.Equal(t, 6, s.Count("exports.list"))

	mock, _ := mocked(t, httpmock.NewStringResponder(200, `{"meta":{"offset":0,"next":"/x"},"objects":[{"job_id":"a"}]}`))
	n := 0
	for _, err := range mock.Exports.All(t.Context(), 1, minapp.ExportQuery{}) {
		if n++; n > 1 {
			require.ErrorIs(t, err, minapp.ErrProtocol, "a list that does not move on")
		}
	}
	assert.Equal(t, 2, n)
}

// finished is a job whose file has all rows.
func finished(t *testing.T, client *minapp.Client, table minapp.TableID) *minapp.ExportJob {
	t.Helper()
	ref, err := client.Exports.Create(t.Context(), table, csvExport)
	require.NoError(t, err)
	job, err := client.Exports.Wait(t.Context(), ref, minapp.WaitOptions{})
	require.NoError(t, err)
	return job
}

// csvRows is the file of a csvExport of seeded rows.
func csvRows(n int) string {
	var text strings.Builder
	text.WriteString("name,price\n")
	for i := range n {
		fmt.Fprintf(&text, "%s,%d\n", name(i), i)
	}
	return text.String()
}

// A signed address is as good as a password: it shows nowhere.
func TestSignedAddressesStaySecret(t *testing.T) {
	s, client, table := exporting(t, 3, minapptest.Limits{})
	job := finished(t, client, table)
	_, signature, _ := strings.Cut(string(job.DownloadURL), "?")
	require.Contains(t, signature, "Signature=")
	s.Fault(minapptest.Fault{Operation: "exports.download", Status: 403, Body: "<Error>" + signature + "</Error>"})
	_, refused := client.Exports.Download(t.Context(), job, io.Discard)
	require.ErrorIs(t, refused, minapp.ErrForbidden)
	require.ErrorContains(t, refused, "may have expired")

	var logs bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&logs, nil))
	logger.Info("job", "job", job, "value", *job, "url", job.DownloadURL)
	slog.New(slog.NewTextHandler(&logs, nil)).Info("job", "job", job, "value", *job, "url", job.DownloadURL)
	encoded, _ := errors.AsType[*minapp.Error](refused)
	for _, text := range []string{
		fmt.Sprintf("%v %+v %#v %s %q %d", job, *job, job.DownloadURL, job.DownloadURL, job.DownloadURL, job.DownloadURL),
		job.DownloadURL.String(), logs.String(), refused.Error(), fmt.Sprintf("%+v", encoded),
	} {
		assert.NotContains(t, text, "Signature")
	}
	assert.Contains(t, string(job.DownloadURL), "Signature", "who means it gets it")
}

func TestDownloadsCarryNoCredentials(t *testing.T) {
	s, client, table := exporting(t, 3, minapptest.Limits{}) // the emulator refuses a second kind of credentials
	job := finished(t, client, table)
	var file bytes.Buffer
	n, err := client.Exports.Download(t.Context(), job, &file)
	require.NoError(t, err)
	assert.Equal(t, csvRows(3), file.String())
	assert.EqualValues(t, file.Len(), n)
	requests := s.Requests()
	assert.Equal(t, "exports.download", requests[len(requests)-1].Operation)
}

func TestDownloadsGoOnAfterACut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := exporting(t, 100, minapptest.Limits{})
		job := finished(t, client, table)
		cut := minapptest.Fault{Operation: "exports.download", Times: 6, Drop: minapptest.CutBody}
		s.Fault(cut)
		var file bytes.Buffer
		_, err := client.Exports.Download(t.Context(), job, &file)
		require.NoError(t, err)
		assert.Equal(t, csvRows(100), file.String())
		assert.Equal(t, 7, s.Count("exports.download"))

		// A writer cannot go back.
		s.Fault(minapptest.Fault{Operation: "exports.download", Drop: minapptest.CutBody})
		s.Fault(minapptest.Fault{Operation: "exports.download", Status: 200, Body: "another file"})
		file.Reset()
		n, err := client.Exports.Download(t.Context(), job, &file)
		require.ErrorContains(t, err, "the server starts anew or has another file")
		assert.EqualValues(t, file.Len(), n)
	})
}

func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// What a failed download leaves is of use to the next one, and the old file
// stays until the new one is whole.
func TestDownloadFileGoesOnInAnotherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := exporting(t, 100, minapptest.Limits{})
		job := finished(t, client, table)
		dir := t.TempDir()
		path := filepath.Join(dir, "a.csv")
		require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))

		once, err := client.With(minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1}))
		require.NoError(t, err)
		s.Fault(minapptest.Fault{Operation: "exports.download", Drop: minapptest.CutBody})
		_, err = once.Exports.DownloadFile(t.Context(), job, path)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		old, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, "old", string(old))
		require.Len(t, filesIn(t, dir), 3)

		again, err := client.Exports.Get(t.Context(), job.Ref) // another process has another link
		require.NoError(t, err)
		n, err := once.Exports.DownloadFile(t.Context(), again, path)
		require.NoError(t, err)
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, csvRows(100), string(file))
		assert.EqualValues(t, len(file), n)
		assert.Equal(t, []string{"a.csv"}, filesIn(t, dir))
		requests := s.Requests()
		last := requests[len(requests)-1]
		assert.Equal(t, 206, last.Status)
		assert.NotEmpty(t, last.Header.Get("If-Range"))
	})
}

func TestDownloadFileStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := exporting(t, 100, minapptest.Limits{})
		job := finished(t, client, table)
		dir := t.TempDir()
		path := filepath.Join(dir, "a.csv")
		s.Fault(minapptest.Fault{Operation: "exports.download", Status: 200, Body: strings.Repeat("another file ", 1000), Header: http.Header{"Etag": {`"x"`}}, Drop: minapptest.CutBody})
		_, err := client.Exports.DownloadFile(t.Context(), job, path)
		require.NoError(t, err)
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, csvRows(100), string(file), "nothing of the longer one is left")
		assert.Equal(t, []string{"a.csv"}, filesIn(t, dir))
	})
}

func TestDownloadFileLeavesNothingOfNothing(t *testing.T) {
	s, client, table := exporting(t, 1, minapptest.Limits{})
	job := finished(t, client, table)
	dir := t.TempDir()
	s.Fault(minapptest.Fault{Operation: "exports.download", Status: 403})
	_, err := client.Exports.DownloadFile(t.Context(), job, filepath.Join(dir, "a.csv"))
	require.ErrorIs(t, err, minapp.ErrForbidden)
	assert.Empty(t, filesIn(t, dir))
	_, err = client.Exports.DownloadFile(t.Context(), job, filepath.Join(dir, "no", "a.csv"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAnExportRefIsPlainData(t *testing.T) {
	ref := minapp.ExportRef{Table: 3906, Job: "j"}
	data, err := json.Marshal(ref)
	require.NoError(t, err)
	assert.JSONEq(t, `{"table":3906,"job":"j"}`, string(data))
	var back minapp.ExportRef
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, ref, back)
}

// Clients share their turns also when they are used at once.
func TestExportsAtOnceComeOneAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, table := exporting(t, 1, minapptest.Limits{}) // which refuses a second one within the minute
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() {
				_, err := client.Exports.Create(t.Context(), table, csvExport)
				assert.NoError(t, err)
			})
		}
		calls.Wait()
		assert.Equal(t, 4, s.Count("exports.create"))
	})
}

// What cannot take its place is kept, and not downloaded again.
func TestDownloadFileKeepsWhatCannotTakeItsPlace(t *testing.T) {
	s, client, table := exporting(t, 10, minapptest.Limits{})
	job := finished(t, client, table)
	dir := t.TempDir()
	path := filepath.Join(dir, "a.csv")
	require.NoError(t, os.Mkdir(path, 0o700))
	_, err := client.Exports.DownloadFile(t.Context(), job, path)
	require.ErrorContains(t, err, "exports.download: rename")
	assert.Len(t, filesIn(t, dir), 3, "the folder, the bytes and their version")

	require.NoError(t, os.Remove(path))
	n, err := client.Exports.DownloadFile(t.Context(), job, path)
	require.NoError(t, err)
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, csvRows(10), string(file))
	assert.EqualValues(t, len(file), n)
	assert.Equal(t, []string{"a.csv"}, filesIn(t, dir))
	assert.Equal(t, 1, s.Count("exports.download"))
}

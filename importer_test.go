package minapp_test

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

// received is what arrived of an import.
type received struct {
	length  int64
	chunked bool
	name    string
	content string
	err     error
}

// receiving is a client whose imports are taken apart.
func receiving(t *testing.T) (*minapp.Client, *[]received) {
	t.Helper()
	got := &[]received{}
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		defer r.Body.Close()
		seen := received{length: r.ContentLength, chunked: r.ContentLength < 0}
		var body strings.Builder
		var n int64
		n, seen.err = io.Copy(&body, r.Body)
		if !seen.chunked {
			assert.Equal(t, n, seen.length)
		}
		_, boundary, _ := strings.Cut(r.Header.Get("Content-Type"), "boundary=")
		if part, err := multipart.NewReader(strings.NewReader(body.String()), boundary).NextPart(); err == nil {
			content, _ := io.ReadAll(part)
			seen.name, seen.content = part.FormName()+" "+part.FileName(), string(content)
		}
		*got = append(*got, seen)
		if seen.err != nil {
			return nil, seen.err
		}
		return httpmock.NewStringResponse(201, `{"status":"ok"}`), nil
	})
	return client, got
}

func TestSourcesOfImports(t *testing.T) {
	path := filepath.Join(t.TempDir(), "书.CSV")
	require.NoError(t, os.WriteFile(path, []byte("a\n1\n"), 0o600))
	fields := elements(minapp.Fields{"id": "x", "a": 1, "b": nil, "c": "q,\"", "d": []int{1}}, minapp.Fields{"a": true})
	for name, test := range map[string]struct {
		source  minapp.Source
		name    string
		content string
		chunked bool
	}{
		"file":             {minapp.FileSource(path), "file 书.CSV", "a\n1\n", false},
		"reader":           {minapp.ReaderSource("a.json", strings.NewReader("[{}]"), 4), "file a.json", "[{}]", false},
		"reader of no end": {minapp.ReaderSource("a.json", strings.NewReader("[{}]"), -1), "file a.json", "[{}]", true},
		"rows as JSON":     {minapp.JSONSource("a.json", fields), "file a.json", "[\n" + `{"a":1,"b":null,"c":"q,\"","d":[1]}` + ",\n" + `{"a":true}` + "\n]\n", true},
		"rows as CSV":      {minapp.CSVSource("a.csv", []string{"c", "a", "b", "d"}, fields), "file a.csv", "c,a,b,d\n\"q,\"\"\",1,,[1]\n,true,,\n", true},
		"one column":       {minapp.CSVSource("a.csv", []string{"a"}, elements(minapp.Fields{"a": ""}, minapp.Fields{"a": "x"})), "file a.csv", "a\n\"\"\nx\n", true},
	} {
		client, got := receiving(t)
		require.NoError(t, client.Imports.Start(t.Context(), 1, test.source), name)
		require.Len(t, *got, 1, name)
		seen := (*got)[0]
		assert.Equal(t, test.name, seen.name, name)
		assert.Equal(t, test.content, seen.content, name)
		assert.Equal(t, test.chunked, seen.chunked, name)
		assert.Positive(t, client.Stats().Sent, name)
	}
}

func TestBadImportsAreNotSent(t *testing.T) {
	client, transport := mocked(t, httpmock.NewStringResponder(500, ``))
	empty := filepath.Join(t.TempDir(), "a.csv")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	broken := errors.New("broken")
	failing := func(yield func(article, error) bool) { yield(article{}, broken) }
	used := minapp.ReaderSource("a.csv", strings.NewReader("x"), 1)
	_, err := used.Open()
	require.NoError(t, err)
	for text, source := range map[string]minapp.Source{
		`Name is ""`:                  {},
		`Name is "a.xlsx"`:            minapp.ReaderSource("a.xlsx", strings.NewReader("x"), 1),
		"Open is nil":                 {Name: "a.csv", Size: 1},
		"Size is -2":                  minapp.ReaderSource("a.csv", strings.NewReader("x"), -2),
		"the reader is nil":           minapp.ReaderSource("a.csv", nil, 1),
		"a.csv is empty":              minapp.FileSource(empty),
		"b.csv is empty":              minapp.ReaderSource("b.csv", strings.NewReader(""), -1),
		"c.json is empty":             minapp.JSONSource("c.json", elements[article]()),
		"d.csv is empty":              minapp.CSVSource("d.csv", []string{"a"}, elements[article]()),
		"is no regular file":          minapp.FileSource(filepath.Dir(empty)),
		"no such file":                minapp.FileSource(empty + "x"),
		"no columns are named":        minapp.CSVSource("a.csv", nil, elements(article{})),
		`columns[0] is ""`:            minapp.CSVSource("a.csv", []string{""}, elements(article{})),
		"the rows are nil":            minapp.JSONSource[article]("a.json", nil),
		"row 0: broken":               minapp.JSONSource("a.json", failing),
		`column "price" is not among`: minapp.CSVSource("a.csv", []string{"name"}, elements(article{})),
		"row 0: the row encodes as 1": minapp.JSONSource("a.json", elements(1)),
		"the reader was read before":  used,
	} {
		err := client.Imports.Start(t.Context(), 1, source)
		require.ErrorIs(t, err, minapp.ErrInvalid, text)
		require.ErrorContains(t, err, text)
	}
	require.ErrorIs(t, client.Imports.Start(t.Context(), 0, minapp.JSONSource("a.json", elements(article{}))), minapp.ErrInvalid)
	assert.Zero(t, transport.GetTotalCallCount())
}

func TestImportedRowsAreThere(t *testing.T) {
	s, table := emulated(t)
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	rows := elements(article{"a, \"b\"", 1, []string{"x"}}, article{"c", 2, nil})
	require.NoError(t, client.Imports.Start(t.Context(), table.ID(), minapp.CSVSource("a.csv", []string{"name", "price", "tags"}, rows)))
	require.NoError(t, client.Imports.Start(t.Context(), table.ID(), minapp.JSONSource("a.json", elements(article{"d", 3, nil}))))
	var got []article
	for record, err := range table.All(t.Context(), minapp.Query{OrderBy: []string{"price"}}) {
		require.NoError(t, err)
		got = append(got, record.Value)
	}
	assert.Equal(t, []article{{"a, \"b\"", 1, []string{"x"}}, {"c", 2, nil}, {"d", 3, nil}}, got)
}

// What may have been imported is not imported again; what certainly was not
// may be.
func TestImportsAreRepeatedOnlyIfTheyDidNotHappen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		client, err := minapp.NewClient(s.Options()...)
		require.NoError(t, err)
		defer client.CloseIdleConnections()
		rows := minapp.JSONSource("a.json", elements(article{"d", 3, nil}))

		for _, fault := range []minapptest.Fault{{Drop: minapptest.DropAfter}, {Status: 502, Processed: true}, {Drop: minapptest.DropBefore}} {
			s.ResetLog()
			fault.Operation = "imports.start"
			s.Fault(fault)
			require.ErrorIs(t, client.Imports.Start(t.Context(), table.ID(), rows), minapp.ErrOutcomeUnknown)
			assert.Equal(t, 1, s.Count("imports.start"))
		}

		s.ResetLog()
		s.Fault(minapptest.Fault{Operation: "imports.start", Status: 429})
		require.NoError(t, client.Imports.Start(t.Context(), table.ID(), rows))
		assert.Equal(t, 2, s.Count("imports.start"))

		s.ResetLog()
		s.Fault(minapptest.Fault{Operation: "imports.start", Status: 429})
		err = client.Imports.Start(t.Context(), table.ID(), minapp.ReaderSource("a.json", strings.NewReader("[{}]"), -1))
		require.ErrorIs(t, err, minapp.ErrRateLimited, "a reader is read once")
		assert.Equal(t, 1, s.Count("imports.start"))
	})
}

// Rows that fail on the way end the import, and the answer is not known.
func TestAnImportWhoseRowsFail(t *testing.T) {
	s, table := emulated(t)
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	broken, ended := errors.New("broken"), false
	err = client.Imports.Start(t.Context(), table.ID(), minapp.JSONSource("a.json", func(yield func(article, error) bool) {
		defer func() { ended = true }()
		for range 1000 {
			if !yield(article{Name: strings.Repeat("x", 1000)}, nil) {
				return
			}
		}
		yield(article{}, broken)
	}))
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
	require.ErrorContains(t, err, "row 1000")
	assert.True(t, ended, "the iterator is not left hanging")
	assert.Empty(t, s.Rows(int64(table.ID())))
}

// A service that answers before it has read everything, and a caller that
// leaves, let go of the rows.
func TestImportsLetGoOfTheirRows(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(400)
	}))
	defer server.Close()
	client, err := minapp.NewClient(minapp.WithToken(secret), minapp.WithBaseURL(server.URL))
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	ended := false
	endless := func(yield func(article, error) bool) {
		defer func() { ended = true }()
		for yield(article{Name: strings.Repeat("x", 1000)}, nil) {
		}
	}
	err = client.Imports.Start(t.Context(), 1, minapp.JSONSource("a.json", endless))
	require.Error(t, err)
	assert.True(t, ended)

	synctest.Test(t, func(t *testing.T) {
		s, table := emulated(t)
		client, err := minapp.NewClient(s.Options()...)
		require.NoError(t, err)
		defer client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ended := make(chan struct{})
		err = client.Imports.Start(ctx, table.ID(), minapp.JSONSource("a.json", func(yield func(article, error) bool) {
			defer close(ended)
			for yield(article{Name: "x"}, nil) {
				time.Sleep(time.Second) //nolint:forbidigo // rows that take their time
			}
		}))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		<-ended
	})
}

// Half a GiB goes through without being held: what is allocated does not depend
// on the file.
func TestALargeImportRunsInConstantMemory(t *testing.T) {
	const size = 512 << 20
	path := filepath.Join(t.TempDir(), "large.csv")
	file, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, file.Truncate(size)) // a hole: nothing is written
	require.NoError(t, file.Close())
	var arrived int64
	client, err := minapp.NewClient(minapp.WithToken(secret), minapp.WithHTTPClient(&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		defer r.Body.Close()
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r.Body}, make([]byte, 1<<20))
		arrived = n
		return httpmock.NewStringResponse(201, `{"status":"ok"}`), err
	})}))
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, client.Imports.Start(t.Context(), 1, minapp.FileSource(path)))
	runtime.ReadMemStats(&after)
	assert.Equal(t, client.Stats().Sent, arrived)
	assert.Greater(t, arrived, int64(size))
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "bytes allocated for %d", arrived)
}

package migrate_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

// fileOf writes a file of this name, as gzip if the name says so.
func fileOf(tb testing.TB, name, content string) string {
	tb.Helper()
	if strings.HasSuffix(name, ".gz") {
		content = gzipped(tb, content)
	}
	path := filepath.Join(tb.TempDir(), name)
	require.NoError(tb, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func gzipped(tb testing.TB, content string) string {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, content)
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return b.String()
}

// contentOf reads a file, as gzip if its name says so.
func contentOf(tb testing.TB, path string) string {
	tb.Helper()
	data, err := os.ReadFile(path)
	require.NoError(tb, err)
	if !strings.HasSuffix(path, ".gz") {
		return string(data)
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(tb, err)
	unzipped, err := io.ReadAll(r)
	require.NoError(tb, err)
	return string(unzipped)
}

// readFrom reads what is left of a part, and the parts that are left after
// each chunk.
func readFrom[T any](tb testing.TB, s migrate.Source[T], p migrate.Part) (rows []migrate.Row[T], rests []migrate.Part, err error) {
	tb.Helper()
	for c, err := range s.Chunks(tb.Context(), p) {
		if err != nil {
			return rows, rests, err
		}
		rows, rests = append(rows, c.Rows...), append(rests, c.Rest)
	}
	return rows, rests, nil
}

func readAll[T any](tb testing.TB, s migrate.Source[T]) ([]migrate.Row[T], error) {
	tb.Helper()
	parts, err := s.Parts(tb.Context(), 4)
	if err != nil {
		return nil, err
	}
	var rows []migrate.Row[T]
	for _, p := range parts {
		some, _, err := readFrom(tb, s, p)
		if rows = append(rows, some...); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// values are rows as JSON, or why they are none.
func values(rows []migrate.Row[json.RawMessage]) []string {
	list := []string{}
	for _, r := range rows {
		if r.Err != nil {
			list = append(list, "! "+r.Err.Error())
			continue
		}
		list = append(list, string(r.Value))
	}
	return list
}

// lines are rows as JSON Lines and as CSV.
func lines(n int) (jsonl, csv string) {
	var j, c strings.Builder
	c.WriteString("name,people\n")
	for i := range n {
		fmt.Fprintf(&j, `{"name":%q,"people":%d}`+"\n", "城 "+cityName(i), i)
		fmt.Fprintf(&c, "城 %s,%d\n", cityName(i), i)
	}
	return j.String(), c.String()
}

var cityColumns = []minapp.Field{{Name: "name", Type: minapp.TypeString}, {Name: "people", Type: minapp.TypeInteger}}

// sourcesOf are files with the same rows.
func sourcesOf(tb testing.TB, n int) map[string]migrate.Source[json.RawMessage] {
	tb.Helper()
	jsonl, csv := lines(n)
	sources := make(map[string]migrate.Source[json.RawMessage])
	for _, zip := range []string{"", ".gz"} {
		sources["jsonl"+zip] = migrate.FromJSONLines[json.RawMessage](fileOf(tb, "in.jsonl"+zip, jsonl), migrate.FromJSONLinesOptions{})
		sources["marked csv"+zip] = migrate.FromCSV[json.RawMessage](fileOf(tb, "in.csv"+zip, "\ufeff"+csv), migrate.FromCSVOptions{Columns: cityColumns})
	}
	return sources
}

func sinksOf(tb testing.TB) map[string]migrate.Sink[json.RawMessage] {
	tb.Helper()
	dir := tb.TempDir()
	return map[string]migrate.Sink[json.RawMessage]{
		filepath.Join(dir, "out.jsonl"):    migrate.ToJSONLines[json.RawMessage](filepath.Join(dir, "out.jsonl"), migrate.ToJSONLinesOptions{}),
		filepath.Join(dir, "out.jsonl.gz"): migrate.ToJSONLines[json.RawMessage](filepath.Join(dir, "out.jsonl.gz"), migrate.ToJSONLinesOptions{}),
		filepath.Join(dir, "out.csv"):      migrate.ToCSV[json.RawMessage](filepath.Join(dir, "out.csv"), migrate.ToCSVOptions{Columns: cityColumns}),
		filepath.Join(dir, "out.csv.gz"):   migrate.ToCSV[json.RawMessage](filepath.Join(dir, "out.csv.gz"), migrate.ToCSVOptions{Columns: cityColumns}),
	}
}

// requireLines checks that a file holds exactly the rows of lines(n).
func requireLines(t *testing.T, path string, n int) {
	t.Helper()
	want, csv := lines(n)
	if strings.Contains(path, ".csv") {
		want = csv
	}
	got := contentOf(t, path)
	require.Equal(t, len(want), len(got), "length of %s", path)
	require.True(t, want == got, "content of %s", path)
}

// Every chunk of every kind of file can be the last of a run.
func TestFilesAreResumedAfterEveryChunk(t *testing.T) {
	const rows = 3456
	for name, source := range sourcesOf(t, rows) {
		parts, err := source.Parts(t.Context(), 1)
		require.NoError(t, err)
		require.Len(t, parts, 1)
		all, rests, err := readFrom(t, source, parts[0])
		require.NoError(t, err)
		require.Len(t, all, rows)
		require.Len(t, rests, 4)
		for i, rest := range rests[:3] {
			left, _, err := readFrom(t, source, rest)
			require.NoError(t, err)
			assert.Equal(t, all[(i+1)*1000:], left, "%s after chunk %d", name, i)
		}
		assert.Empty(t, rests[3])
	}
}

// A run that is stopped and started again, over and over, ends with the file
// that one run would have made.
func TestFilesAreWrittenByManyRuns(t *testing.T) {
	const rows = 4500
	for name, source := range sourcesOf(t, rows) {
		for path, sink := range sinksOf(t) {
			p := migrate.Plan[json.RawMessage, json.RawMessage]{
				Source: source, Sink: sink,
				Checkpoint: migrate.FileCheckpoint(filepath.Join(t.TempDir(), "state")),
			}
			runs := 0
			for finished := false; !finished; runs++ {
				ctx, stop := context.WithCancelCause(t.Context())
				p.OnProgress = func(p migrate.Progress) {
					if p.Read > p.Resumed {
						stop(errEnough)
					}
				}
				report, err := migrate.Run(ctx, p)
				stop(nil)
				if finished = report.Moved == rows; !finished {
					require.ErrorIs(t, err, errEnough)
					addGarbage(t, path) // of a run that was killed while it wrote
				}
			}
			assert.Greater(t, runs, 4, name)
			requireLines(t, path, rows)
		}
	}
}

var errEnough = errors.New("enough")

func addGarbage(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"name":"half a r`)
	require.NoError(t, errors.Join(err, file.Close()))
}

// A full disk ends the run and leaves what was confirmed. With more room the
// next run goes on.
func TestFullDisk(t *testing.T) {
	const rows = 5500
	jsonl, _ := lines(rows)
	for path, sink := range sinksOf(t) {
		whole := filepath.Join(t.TempDir(), filepath.Base(path))
		room := int64(0)
		p := migrate.Plan[json.RawMessage, json.RawMessage]{
			Source:     migrate.FromJSONLines[json.RawMessage](fileOf(t, "in.jsonl", jsonl), migrate.FromJSONLinesOptions{}),
			Sink:       migrate.OnSmallDisk(sink, &room),
			Checkpoint: migrate.FileCheckpoint(filepath.Join(t.TempDir(), "state")),
		}
		full := 0
		for {
			report, err := migrate.Run(t.Context(), p)
			if err == nil {
				assert.EqualValues(t, rows, report.Written)
				break
			}
			require.ErrorIs(t, err, syscall.ENOSPC)
			assert.NotErrorIs(t, err, minapp.ErrOutcomeUnknown, "it is known that nothing of the chunk is there")
			if info, err := os.Stat(path); err == nil && info.Size() > 0 {
				require.NoError(t, os.WriteFile(whole, mustRead(t, path), 0o600))
				got := strings.Count(contentOf(t, whole), "\n")
				if strings.Contains(path, ".csv") {
					got--
				}
				assert.EqualValues(t, report.Written, got, "rows in the file are those that were confirmed")
			}
			full++
			room += 10_000
		}
		assert.Greater(t, full, 1)
		requireLines(t, path, rows)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// A file that this plan has not made is not touched.
func TestFileOfSomebodyElse(t *testing.T) {
	jsonl, _ := lines(1500)
	source := migrate.FromJSONLines[json.RawMessage](fileOf(t, "in.jsonl", jsonl), migrate.FromJSONLinesOptions{})
	for path, sink := range sinksOf(t) {
		state := filepath.Join(t.TempDir(), "state")
		p := migrate.Plan[json.RawMessage, json.RawMessage]{Source: source, Sink: sink, Checkpoint: migrate.FileCheckpoint(state)}
		require.NoError(t, os.WriteFile(path, []byte("mine\n"), 0o600))
		for range 2 { // the first leaves nothing that makes the second think otherwise
			_, err := migrate.Run(t.Context(), p)
			require.ErrorContains(t, err, "holds rows of another run")
			assert.Equal(t, "mine\n", string(mustRead(t, path)))
		}

		// What a run was killed over before its first row is no obstacle.
		require.NoError(t, os.Remove(path))
		p.Source = migrate.FromSlice[json.RawMessage]("nothing", nil)
		p.Checkpoint = nil
		for range 2 {
			_, err := migrate.Run(t.Context(), p)
			require.NoError(t, err)
		}
		requireLines(t, path, 0)
	}
}

func TestFileIsNotAsTheCheckpointKnowsIt(t *testing.T) {
	jsonl, _ := lines(2500)
	for path, sink := range sinksOf(t) {
		p := migrate.Plan[json.RawMessage, json.RawMessage]{
			Source:     migrate.FromJSONLines[json.RawMessage](fileOf(t, "in.jsonl", jsonl), migrate.FromJSONLinesOptions{}),
			Sink:       sink,
			Checkpoint: migrate.FileCheckpoint(filepath.Join(t.TempDir(), "state")),
			OnProgress: func(migrate.Progress) { addGarbage(t, path) },
		}
		_, err := migrate.Run(t.Context(), p)
		require.ErrorContains(t, err, "somebody else changes it")
		p.OnProgress = nil
		require.NoError(t, os.Truncate(path, 10))
		_, err = migrate.Run(t.Context(), p)
		require.ErrorIs(t, err, migrate.ErrCheckpoint, "a part of what was confirmed is gone")
		require.NoError(t, os.Remove(path))
		_, err = migrate.Run(t.Context(), p)
		require.ErrorIs(t, err, migrate.ErrCheckpoint)
	}
}

// A source that was changed in front of the place where a run stood is not
// read on: rows would be left out or be read twice.
func TestChangedSourceIsRefused(t *testing.T) {
	jsonl, csv := lines(2500)
	short, shortCSV := lines(900)
	for name, content := range map[string][]string{"in.jsonl": {jsonl, short}, "in.csv": {csv, shortCSV}} {
		for _, zip := range []string{"", ".gz"} {
			path := fileOf(t, name+zip, content[0])
			source := migrate.FromJSONLines[json.RawMessage](path, migrate.FromJSONLinesOptions{})
			if name == "in.csv" {
				source = migrate.FromCSV[json.RawMessage](path, migrate.FromCSVOptions{})
			}
			parts, err := source.Parts(t.Context(), 1)
			require.NoError(t, err)
			_, rests, err := readFrom(t, source, parts[0])
			require.NoError(t, err)
			changed := strings.Replace(content[0], "c00999", "c0099", 1)
			for _, other := range []string{changed, content[1]} {
				require.NoError(t, os.Rename(fileOf(t, name+zip, other), path))
				rows, _, err := readFrom(t, source, rests[0])
				require.ErrorIs(t, err, migrate.ErrCheckpoint)
				assert.Empty(t, rows)
			}
			require.NoError(t, os.Rename(fileOf(t, name+zip, content[0]+content[0][len(content[0])-20:]), path))
			_, _, err = readFrom(t, source, rests[0])
			require.NoError(t, err, "rows may be added behind it")
		}
	}
}

// Wherever a gzip file is cut, the rows before are delivered, and the error
// says so.
func TestCutGzip(t *testing.T) {
	jsonl, csv := lines(2500)
	for name, content := range map[string]string{"in.jsonl.gz": jsonl, "in.csv.gz": csv} {
		path := fileOf(t, name, content)
		whole := mustRead(t, path)
		source := migrate.FromJSONLines[city](path, migrate.FromJSONLinesOptions{})
		if name == "in.csv.gz" {
			source = migrate.FromCSV[city](path, migrate.FromCSVOptions{Columns: cityColumns})
		}
		most := 0
		for cut := 2; cut < len(whole); cut += 997 {
			require.NoError(t, os.WriteFile(path, whole[:cut], 0o600))
			rows, err := readAll(t, source)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d of %d", cut, len(whole))
			require.ErrorContains(t, err, name+":")
			for i, r := range rows {
				require.NoError(t, r.Err)
				require.Equal(t, "城 "+cityName(i), r.Value.Name)
			}
			most = max(most, len(rows))
		}
		assert.Greater(t, most, 1000)

		// A run stops there, and goes on with the whole file.
		require.NoError(t, os.WriteFile(path, whole[:len(whole)-9], 0o600))
		out := filepath.Join(t.TempDir(), "out.jsonl")
		p := migrate.Plan[city, city]{
			Source: source, Sink: migrate.ToJSONLines[city](out, migrate.ToJSONLinesOptions{}),
			Checkpoint: migrate.FileCheckpoint(filepath.Join(t.TempDir(), "state")),
		}
		report, err := migrate.Run(t.Context(), p)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.EqualValues(t, report.Written, strings.Count(contentOf(t, out), "\n"))
		assert.Greater(t, report.Written, int64(1000))
		require.NoError(t, os.WriteFile(path, whole, 0o600))
		_, err = migrate.Run(t.Context(), p)
		require.NoError(t, err)
		requireLines(t, out, 2500)
	}
}

func TestEstimateOfFiles(t *testing.T) {
	for name, source := range sourcesOf(t, 1234) {
		cost, err := source.(migrate.SourceEstimator).Estimate(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1234, cost.Rows, "%s: a short file is counted", name)
	}
	for name, source := range sourcesOf(t, 60_000) {
		cost, err := source.(migrate.SourceEstimator).Estimate(t.Context())
		require.NoError(t, err)
		assert.InDelta(t, 60_000, cost.Rows, 6_000, "%s: a long one is estimated", name)
		assert.Positive(t, cost.Bytes)
	}
}

// A dry run makes no file.
func TestDryRunOfFiles(t *testing.T) {
	jsonl, _ := lines(1500)
	for path, sink := range sinksOf(t) {
		report, err := migrate.Run(t.Context(), migrate.Plan[json.RawMessage, json.RawMessage]{
			Source: migrate.FromJSONLines[json.RawMessage](fileOf(t, "in.jsonl", jsonl), migrate.FromJSONLinesOptions{}),
			Sink:   sink, DryRun: true,
		})
		require.NoError(t, err)
		assert.EqualValues(t, 1500, report.Written)
		assert.NoFileExists(t, path)
	}
}

// Rows that were rejected are mended in their file and go through the same
// plan again.
func TestRejectedRowsAreFedBack(t *testing.T) {
	w := newWorld(t, 0)
	info, err := w.client.Tables.Get(t.Context(), w.cities.ID())
	require.NoError(t, err)
	csv := "name,people\n" + "广州,18676605\n" + "佛山,9m\n" + "深圳\n" + "东\xff莞,1\n" + "珠海,2439585\n"
	rejected := filepath.Join(t.TempDir(), "rejected.jsonl")
	p := migrate.Plan[city, city]{
		Source:   migrate.FromCSV[city](fileOf(t, "cities.csv", csv), migrate.FromCSVOptions{Columns: info.Fields}),
		Sink:     migrate.ToTable(w.cities, migrate.ToTableOptions{}),
		Rejected: rejected,
	}
	report, err := migrate.Run(t.Context(), p)
	require.NoError(t, err)
	assert.Equal(t, migrate.Totals{Read: 5, Moved: 2, Rejected: 3, Written: 2}, report.Totals)
	assert.Equal(t, strings.Join([]string{
		`{"at":"cities.csv:3","stage":"reading","reason":"cities.csv:3:8: column \"people\": \"9m\" is no integer of 64 bits","row":{"name":"佛山","people":"9m"}}`,
		`{"at":"cities.csv:4","stage":"reading","reason":"cities.csv:4: 1 cells, and there are 2 titles","row":"深圳"}`,
		`{"at":"cities.csv:5","stage":"reading","reason":"cities.csv:5:1: column \"name\": byte 0xff is not UTF-8","row":"东\\xff莞,1"}`,
		"",
	}, "\n"), contentOf(t, rejected))

	mended := strings.NewReplacer(`"9m"`, "9498863", `"row":"深圳"`, `"row":{"name":"深圳","people":17560061}`).Replace(contentOf(t, rejected))
	require.NoError(t, os.WriteFile(rejected, []byte(mended), 0o600))
	p.Source, p.Rejected = migrate.FromRejected[city](rejected), filepath.Join(t.TempDir(), "again.jsonl")
	report, err = migrate.Run(t.Context(), p)
	require.NoError(t, err)
	assert.Equal(t, migrate.Totals{Read: 3, Moved: 2, Rejected: 1, Written: 2}, report.Totals)
	assert.Contains(t, contentOf(t, p.Rejected), `{"at":"cities.csv:5",`, "a row keeps its place")
	assert.Len(t, w.Rows(int64(w.cities.ID())), 4)
}

// Rows of a table that were rejected are records again.
func TestRejectedRecordsAreFedBack(t *testing.T) {
	w := newWorld(t, 50)
	rejected := filepath.Join(t.TempDir(), "rejected.jsonl")
	p := w.plan()
	p.Rejected = rejected
	p.Transform = func(r *minapp.Record[city]) ([]place, error) {
		if r.Value.People%10 == 3 {
			return nil, errors.New("unlucky")
		}
		return toPlace(r)
	}
	report, err := migrate.Run(t.Context(), p)
	require.NoError(t, err)
	assert.EqualValues(t, 5, report.Rejected)

	p.Source, p.Transform, p.Rejected = migrate.FromRejected[*minapp.Record[city]](rejected), toPlace, ""
	_, err = migrate.Run(t.Context(), p)
	require.NoError(t, err)
	w.requirePlaces(t, upTo(50)...)
}

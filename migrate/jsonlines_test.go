package migrate_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

func TestJSONLinesAreReadExactly(t *testing.T) {
	want := []string{
		`{"n":9223372036854775807,"m":-9223372036854775808,"x":1.10,"y":1e400}`,
		`{"name":"Tom 😀 <&>","and":"tom\r\n\u2028\ud83d\ude00"}`,
		`{ "spaced" : null }`,
	}
	content := "\ufeff" + want[0] + "\r\n\n  \t\r\n" + want[1] + "\n  " + want[2]
	for _, name := range []string{"f.jsonl", "f.jsonl.gz"} {
		rows, err := readAll(t, migrate.FromJSONLines[json.RawMessage](fileOf(t, name, content), migrate.FromJSONLinesOptions{}))
		require.NoError(t, err)
		assert.Equal(t, want, values(rows))
		assert.Equal(t, []string{name + ":1", name + ":4", name + ":5"}, []string{rows[0].At, rows[1].At, rows[2].At})
	}
	fields, err := readAll(t, migrate.FromJSONLines[minapp.Fields](fileOf(t, "f.jsonl", content), migrate.FromJSONLinesOptions{}))
	require.NoError(t, err)
	assert.Equal(t, json.Number("9223372036854775807"), fields[0].Value["n"])
}

func TestBadLines(t *testing.T) {
	for _, c := range []struct{ bad, err, raw string }{
		{`{"name":"a"`, "f.jsonl:2:11: unexpected end of JSON input", `"{\"name\":\"a\""`},
		{`{"name":x}`, "f.jsonl:2:9: invalid character 'x'", `"{\"name\":x}"`},
		{`  {"name":x}`, "f.jsonl:2:11: invalid character 'x'", `"{\"name\":x}"`},
		{`{} {}`, "f.jsonl:2:4: invalid character '{'", `"{} {}"`},
		{"{\"name\":\"\xb9\xe3\"}", "f.jsonl:2:10: byte 0xb9 is not UTF-8", `"{\"name\":\"\\xb9\\xe3\"}"`},
		{`null`, "f.jsonl:2: the row is null, not a JSON object", `null`},
		{`[1]`, "f.jsonl:2: the row is [1], not a JSON object", `[1]`},
		{`{"people":9223372036854775808}`, "f.jsonl:2:29: json: cannot unmarshal number 9223372036854775808", `{"people":9223372036854775808}`},
	} {
		rows, err := readAll(t, migrate.FromJSONLines[city](fileOf(t, "f.jsonl", "{}\n"+c.bad+"\n"+`{"name":"b"}`), migrate.FromJSONLinesOptions{}))
		require.NoError(t, err)
		require.Len(t, rows, 3, c.bad)
		assert.Contains(t, rows[1].Err.Error(), c.err)
		assert.Equal(t, c.raw, string(rows[1].Raw))
		assert.Equal(t, "f.jsonl:2", rows[1].At)
		assert.Equal(t, "b", rows[2].Value.Name)
	}
}

func TestLongLine(t *testing.T) {
	content := "{}\n{}\n" + `{"a":"` + strings.Repeat("长", 1<<20) + `"}` + "\n{}\n"
	for _, name := range []string{"f.jsonl", "f.jsonl.gz"} {
		path := fileOf(t, name, content)
		rows, err := readAll(t, migrate.FromJSONLines[json.RawMessage](path, migrate.FromJSONLinesOptions{MaxRow: 1 << 20}))
		require.ErrorContains(t, err, name+":3: a row is longer than MaxRow, 1048576 bytes")
		assert.Len(t, rows, 2)
		rows, err = readAll(t, migrate.FromJSONLines[json.RawMessage](path, migrate.FromJSONLinesOptions{}))
		require.NoError(t, err)
		assert.Len(t, rows, 4)
	}
}

// Chunks of long rows end before they fill the memory.
func TestChunksOfLongRows(t *testing.T) {
	line := `{"a":"` + strings.Repeat("x", 1<<20) + `"}` + "\n"
	s := migrate.FromJSONLines[json.RawMessage](fileOf(t, "f.jsonl", strings.Repeat(line, 20)), migrate.FromJSONLinesOptions{})
	parts, err := s.Parts(t.Context(), 1)
	require.NoError(t, err)
	rows, rests, err := readFrom(t, s, parts[0])
	require.NoError(t, err)
	assert.Len(t, rows, 20)
	assert.Len(t, rests, 3)
}

func TestJSONLinesAreWritten(t *testing.T) {
	for _, c := range []struct {
		name   string
		gzip   bool
		zipped bool
	}{{"f.jsonl", false, false}, {"f.jsonl.GZ", false, true}, {"f.log", true, true}} {
		path := filepath.Join(t.TempDir(), c.name)
		sink := migrate.ToJSONLines[any](path, migrate.ToJSONLinesOptions{Gzip: c.gzip})
		require.NoError(t, sink.Begin(t.Context(), migrate.Setup{}))
		outcomes, err := sink.Write(t.Context(), []any{
			json.RawMessage("{\"a\":\n 1.10,\"b\":\"<&> 😀\"}"), city{Name: "\n"}, 7, json.RawMessage("{"), json.RawMessage("{\"a\":\"\xff\"}"), nil,
		})
		require.NoError(t, err)
		_, err = sink.Write(t.Context(), []any{minapp.Fields{"id": "5a"}})
		require.NoError(t, err)
		var states []minapp.State
		for _, o := range outcomes {
			states = append(states, o.State)
		}
		assert.Equal(t, []minapp.State{minapp.Written, minapp.Written, minapp.Rejected, minapp.Rejected, minapp.Rejected, minapp.Rejected}, states)
		text := mustRead(t, path)
		if c.zipped {
			r, err := gzip.NewReader(bytes.NewReader(text))
			require.NoError(t, err)
			text, err = io.ReadAll(r)
			require.NoError(t, err)
		}
		assert.Equal(t, "{\"a\":1.10,\"b\":\"<&> 😀\"}\n{\"name\":\"\\n\",\"people\":0}\n{\"id\":\"5a\"}\n", string(text))
	}
}

// A file without rows is a file all the same.
func TestFileWithoutRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.jsonl.gz")
	_, err := migrate.Run(t.Context(), migrate.Plan[city, city]{
		Source: migrate.FromSlice[city]("nothing", nil), Sink: migrate.ToJSONLines[city](path, migrate.ToJSONLinesOptions{}),
	})
	require.NoError(t, err)
	assert.Empty(t, contentOf(t, path))
	_, err = migrate.Run(t.Context(), migrate.Plan[city, city]{
		Source: migrate.FromSlice[city]("nothing", nil), Sink: migrate.ToJSONLines[city](filepath.Join(path, "f"), migrate.ToJSONLinesOptions{}),
	})
	require.Error(t, err, "there is no such folder")
}

// Rows that are read from any file are written as they are, and read the same.
func FuzzJSONLines(f *testing.F) {
	for _, seed := range []string{
		"{}\n", "\ufeff{\"a\":1}\r\n{\"a\":\"\\ud83d\\ude00\"}", "null\n[]\n{\"a\":1.0e5}", "{\"a\":\"\xff\"}\n{}", "\x1f\x8b\x08\x00", "\xff\xfe{", "{\n}\n", "{}{}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(t.TempDir(), "f.jsonl")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		var good []json.RawMessage
		for _, r := range restsAgree(t, migrate.FromJSONLines[json.RawMessage](path, migrate.FromJSONLinesOptions{})) {
			if r.Err == nil {
				good = append(good, r.Value)
			}
		}
		again := filepath.Join(t.TempDir(), "f.jsonl.gz")
		sink := migrate.ToJSONLines[json.RawMessage](again, migrate.ToJSONLinesOptions{})
		require.NoError(t, sink.Begin(t.Context(), migrate.Setup{}))
		outcomes, err := sink.Write(t.Context(), good)
		require.NoError(t, err)
		for _, o := range outcomes {
			require.NoError(t, o.Err)
		}
		rows, err := readAll(t, migrate.FromJSONLines[json.RawMessage](again, migrate.FromJSONLinesOptions{}))
		require.NoError(t, err)
		require.Len(t, rows, len(good))
		for i, r := range rows {
			var compact bytes.Buffer
			require.NoError(t, json.Compact(&compact, good[i]))
			require.Equal(t, compact.String(), string(r.Value))
		}
	})
}

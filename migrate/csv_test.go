package migrate_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

// everyColumn is a table with a column of each type.
var everyColumn = []minapp.Field{
	{Name: "name", Type: minapp.TypeString},
	{Name: "n", Type: minapp.TypeInteger},
	{Name: "x", Type: minapp.TypeNumber},
	{Name: "ok", Type: minapp.TypeBoolean},
	{Name: "tags", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
	{Name: "shape", Type: minapp.TypeGeoJSON, Format: minapp.FormatDefault, CoordinateType: minapp.CoordWGS84},
	{Name: "day", Type: minapp.TypeDate},
	{Name: "obj", Type: minapp.TypeObject},
	{Name: "file", Type: minapp.TypeFile},
	{Name: "owner", Type: minapp.TypePointer, SchemaID: 7},
}

func csvValues(t *testing.T, content string, o migrate.FromCSVOptions) []string {
	t.Helper()
	rows, err := readAll(t, migrate.FromCSV[json.RawMessage](fileOf(t, "f.csv", content), o))
	require.NoError(t, err)
	return values(rows)
}

func TestCSVCellsAreTyped(t *testing.T) {
	for _, c := range []struct{ title, cell, want string }{
		{"name", `广州`, `"广州"`},
		{"name", ` 007 `, `" 007 "`},
		{"name", `"say ""hi"", <b>&😀"`, `"say \"hi\", <b>&😀"`},
		{"name", "\"a\r\nb\nc\rd\"", `"a\r\nb\nc\rd"`},
		{"n", `9223372036854775807`, `9223372036854775807`},
		{"n", `-9223372036854775808`, `-9223372036854775808`},
		{"n", ` +007`, `7`},
		{"n", `9223372036854775808`, `! is no integer of 64 bits`},
		{"n", `1.0`, `! "1.0" is no integer of 64 bits`},
		{"x", `-1.50e2`, `-1.50e2`},
		{"x", `0.1`, `0.1`},
		{"x", `1e999`, `! does not fit into 64 bits`},
		{"x", `"1,000"`, `! "1,000" is no number`},
		{"x", `NaN`, `! "NaN" is no number`},
		{"x", `0x10`, `! "0x10" is no number`},
		{"x", `true`, `! "true" is no number`},
		{"ok", `TRUE`, `true`},
		{"ok", `false`, `false`},
		{"ok", `是`, `! "是" is no boolean`},
		{"tags", `"[""a"",""b""]"`, `["a","b"]`},
		{"tags", `[]`, `[]`},
		{"tags", `[1]`, `! element 0, 1, does not fit the type string`},
		{"tags", `a b`, `! "a b" is no array: it is no JSON`},
		{"shape", `"{""type"":""Point"",""coordinates"":[113.3,23.1]}"`, `{"type":"Point","coordinates":[113.3,23.1]}`},
		{"shape", `{}`, `! "{}" is no geojson`},
		{"day", `2018-01-16T18:00:00.000+08:00`, `"2018-01-16T18:00:00.000+08:00"`},
		{"day", `2018-01-16T10:00:00Z`, `"2018-01-16T10:00:00Z"`},
		{"day", `2018-01-16`, `! is no date of ISO 8601 with an offset`},
		{"obj", `"{""a"":12345678901234567890}"`, `{"a":12345678901234567890}`},
		{"obj", `null`, `! "null" is no object`},
		{"file", `"{""id"":""5a""}"`, `{"id":"5a"}`},
		{"owner", `5a2fa9b008443e59e0e67889`, `"5a2fa9b008443e59e0e67889"`},
		{"created_at", `1516118400`, `1516118400`},
		{"id", `12`, `"12"`},
		{"read_perm", `"[""user:*""]"`, `["user:*"]`},
	} {
		if c.title == "name" {
			got := csvValues(t, "name,n\r\n"+c.cell+",\r\n", migrate.FromCSVOptions{Columns: everyColumn})
			assert.Equal(t, []string{`{"name":` + c.want + `}`}, got)
			continue
		}
		got := csvValues(t, "name,"+c.title+"x\nrow,"+c.cell+"\n", migrate.FromCSVOptions{
			Columns: everyColumn, Titles: map[string]string{c.title: c.title + "x"},
		})
		require.Len(t, got, 1)
		if wrong, ok := strings.CutPrefix(c.want, "! "); ok {
			assert.Contains(t, got[0], `! f.csv:2:5: column "`+c.title+`x": `)
			assert.Contains(t, got[0], wrong)
			continue
		}
		assert.Equal(t, `{"name":"row","`+c.title+`":`+c.want+`}`, got[0])
	}
}

func TestEmptyCells(t *testing.T) {
	const file = "name,n,owner\n,,\n\"\",\"\",\"\"\nNULL,NULL,NULL\n\"NULL\",1,\n"
	for _, c := range []struct {
		empty migrate.EmptyCell
		want  [2]string
	}{
		{migrate.EmptyMissing, [2]string{`{}`, `{"name":""}`}},
		{migrate.EmptyNull, [2]string{`{"name":null,"n":null,"owner":null}`, `{"name":"","n":null,"owner":null}`}},
		{migrate.EmptyText, [2]string{`{"name":""}`, `{"name":""}`}},
	} {
		got := csvValues(t, file, migrate.FromCSVOptions{Columns: everyColumn, Empty: c.empty, Null: "NULL"})
		require.Len(t, got, 4)
		assert.Equal(t, c.want[:], got[:2])
		assert.Equal(t, `{"name":null,"n":null,"owner":null}`, got[2])
		assert.Contains(t, got[3], `{"name":"NULL","n":1`)
	}
}

func TestCSVOfText(t *testing.T) {
	o := migrate.FromCSVOptions{Titles: map[string]string{"name": "名称"}}
	assert.Equal(t, []string{`{"name":"甲","价格":"1.50"}`}, csvValues(t, "\ufeff名称,价格\n甲,1.50", o))
}

// Rows with a mistake are rejected where they are, and all others are read.
func TestBadRowsOfCSV(t *testing.T) {
	for _, c := range []struct{ bad, place, raw string }{
		{"a,1,2", ":3: 3 cells, and there are 2 titles", `"a,1,2"`},
		{"a", ":3: 1 cells", `"a"`},
		{`5" pipe,1`, ":3:2: a quote in a cell that does not begin with one", `"5\" pipe,1"`},
		{`"a"b,1`, ":3:4: text follows after a closing quote", `"\"a\"b,1"`},
		{"\"two\nlines\" ,1", ":4:7: text follows after a closing quote", `"\"two\nlines\" ,1"`},
		{"\"two\nlines\",x", `:4:8: column "n": "x" is no integer of 64 bits`, `{"name":"two\nlines","n":"x"}`},
		{"\xb9\xe3\xd6\xdd,1", `:3:1: column "name": byte 0xb9 is not UTF-8`, `"\\xb9\\xe3\\xd6\\xdd,1"`},
		{`,99999999999999999999`, `:3:2: column "n": "99999999999999999999" is no integer`, `{"n":"99999999999999999999"}`},
	} {
		for _, end := range []string{"\n", "\r\n"} {
			content := strings.Join([]string{"name,n", "first,1", c.bad, "", "last,2"}, end)
			rows, err := readAll(t, migrate.FromCSV[json.RawMessage](fileOf(t, "f.csv", content), migrate.FromCSVOptions{Columns: everyColumn}))
			require.NoError(t, err)
			require.Len(t, rows, 3, "%q", c.bad)
			assert.JSONEq(t, `{"name":"first","n":1}`, string(rows[0].Value))
			assert.JSONEq(t, `{"name":"last","n":2}`, string(rows[2].Value))
			assert.Equal(t, "f.csv:3", rows[1].At)
			assert.Contains(t, rows[1].Err.Error(), "f.csv"+c.place)
			assert.Equal(t, c.raw, string(rows[1].Raw))
			e, ok := errors.AsType[*migrate.FileError](rows[1].Err)
			require.True(t, ok)
			assert.Equal(t, "f.csv", e.File)
		}
	}
}

// A value that the type cannot hold is a mistake of its row only.
func TestCSVRowThatTheTypeCannotHold(t *testing.T) {
	type small struct {
		Name string `json:"name"`
		N    int8   `json:"n"`
	}
	rows, err := readAll(t, migrate.FromCSV[small](fileOf(t, "f.csv", "name,n\na,127\nb,128\n"), migrate.FromCSVOptions{Columns: everyColumn}))
	require.NoError(t, err)
	require.Len(t, rows, 2)
	assert.Equal(t, small{"a", 127}, rows[0].Value)
	assert.ErrorContains(t, rows[1].Err, "f.csv:3:3: ")
	assert.JSONEq(t, `{"name":"b","n":128}`, string(rows[1].Raw))
}

// What makes the rest unreadable ends the run after the rows before it, and
// says where it is.
func TestUnreadableCSV(t *testing.T) {
	long := strings.Repeat("长", 400)
	for _, c := range []struct {
		content, place string
		rows           int
	}{
		{"name,n\na,1\nb,\"2\nc,3\n" + strings.Repeat("d,4\n", 9), "f.csv:3:3: a quote is opened here and not closed: unexpected EOF", 1},
		{"name,n\na,1\nb,\"2\nc,3\n" + strings.Repeat("d,4\n", 900), "f.csv:3:3: a quote is opened here and not closed: a row is longer than MaxRow", 1},
		{"name,n\na,1\nb,1\n" + long + ",1\n", "f.csv:4: a row is longer than MaxRow, 1000 bytes", 2},
	} {
		for _, name := range []string{"f.csv", "f.csv.gz"} {
			rows, err := readAll(t, migrate.FromCSV[json.RawMessage](fileOf(t, name, c.content), migrate.FromCSVOptions{Columns: everyColumn, MaxRow: 1000}))
			require.ErrorContains(t, err, strings.Replace(c.place, "f.csv", name, 1))
			assert.Len(t, rows, c.rows)
		}
	}
}

// A file whose titles are wrong, or that is none, is refused before anything is
// written.
func TestWrongTitles(t *testing.T) {
	for content, want := range map[string]string{
		"name,prise,m\na,1,2\n": `f.csv:1: no column has the title "prise", "m"; the titles are`,
		"name,n,name\n":         `f.csv:1: the title "name" is there twice`,
		"name,\na,1\n":          `no column has the title ""`,
		"":                      "f.csv:1: the file is empty",
		"\ufeff":                "f.csv:1: the file is empty",
		"\xc3\xfb,n\n":          `f.csv:1:1: the title "\xc3\xfb" is not UTF-8`,
		"\"name,n\na,1\n":       "f.csv:1:1: a quote is opened here and not closed",
		"\xff\xfen\x00":         "UTF-16",
		"\x1f\x8bnonsense":      "the gzip file is cut or damaged",
	} {
		out := filepath.Join(t.TempDir(), "out.jsonl")
		report, err := migrate.Run(t.Context(), migrate.Plan[json.RawMessage, json.RawMessage]{
			Source:   migrate.FromCSV[json.RawMessage](fileOf(t, "f.csv", content), migrate.FromCSVOptions{Columns: everyColumn}),
			Sink:     migrate.ToJSONLines[json.RawMessage](out, migrate.ToJSONLinesOptions{}),
			Rejected: filepath.Join(t.TempDir(), "rejected"),
		})
		require.ErrorContains(t, err, want, "%q", content)
		assert.Zero(t, report.Totals)
		assert.Empty(t, contentOf(t, out))
	}
	for _, o := range []migrate.FromCSVOptions{
		{Columns: everyColumn, Titles: map[string]string{"nobody": "x"}},
		{Columns: everyColumn, Titles: map[string]string{"n": "name"}},
		{Columns: everyColumn, Null: "a,b"},
	} {
		_, err := readAll(t, migrate.FromCSV[json.RawMessage](fileOf(t, "f.csv", "name\na\n"), o))
		assert.Error(t, err, "%+v", o)
	}
	_, err := readAll(t, migrate.FromCSV[json.RawMessage](t.TempDir(), migrate.FromCSVOptions{}))
	require.ErrorContains(t, err, "no regular file")
	_, err = readAll(t, migrate.FromCSV[json.RawMessage](filepath.Join(t.TempDir(), "nothing"), migrate.FromCSVOptions{}))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func writeCSV(t *testing.T, path string, o migrate.ToCSVOptions, rows []minapp.Fields) []minapp.Outcome {
	t.Helper()
	sink := migrate.ToCSV[minapp.Fields](path, o)
	require.NoError(t, sink.Begin(t.Context(), migrate.Setup{}))
	outcomes, err := sink.Write(t.Context(), rows)
	require.NoError(t, err)
	return outcomes
}

func TestCSVIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.csv")
	outcomes := writeCSV(t, path, migrate.ToCSVOptions{
		Columns:       []minapp.Field{everyColumn[0], everyColumn[1], everyColumn[4], everyColumn[9], {Name: "id", Type: minapp.TypeString}},
		Titles:        map[string]string{"name": "名称"},
		Null:          "NULL",
		ByteOrderMark: true,
	}, []minapp.Fields{
		{"name": "a,b", "n": 1, "id": "5a", "created_at": 5, "_read_perm": nil},
		{"name": "", "n": nil, "tags": []string{"x", "y"}},
		{"name": "NULL", "owner": minapp.Fields{"id": "5b", "_table": "owner"}},
		{"name": "c", "price": 1},
		{"name": 5},
		{"n": json.Number("9223372036854775808")},
		{"name": "\"\n\r\n "},
	})
	assert.Equal(t, "\ufeff名称,n,tags,owner,id\n"+
		"\"a,b\",1,,,5a\n"+
		"\"\",NULL,\"[\"\"x\"\",\"\"y\"\"]\",,\n"+
		"\"NULL\",,,5b,\n"+
		"\"\"\"\n\r\n \",,,,\n", contentOf(t, path))
	var refused []string
	for i, o := range outcomes {
		assert.Equal(t, i, o.Index)
		if o.State == minapp.Rejected {
			refused = append(refused, fmt.Sprint(i, " ", o.Err))
		} else {
			assert.Equal(t, minapp.Written, o.State)
		}
	}
	assert.Equal(t, []string{
		`3 column "price" is not among those of the file`,
		`4 column "name": 5 does not fit the type string`,
		`5 column "n": 9223372036854775808 does not fit the type integer`,
	}, refused)

	for _, o := range []migrate.ToCSVOptions{
		{}, {Columns: []minapp.Field{everyColumn[0], everyColumn[0]}}, {Columns: everyColumn, Null: `"`},
	} {
		path := filepath.Join(t.TempDir(), "f.csv")
		assert.Error(t, migrate.ToCSV[city](path, o).Begin(t.Context(), migrate.Setup{}))
		assert.NoFileExists(t, path)
	}
}

// Whatever is written is read as the same values.
func TestCSVRoundTrip(t *testing.T) {
	for seed := range uint64(30) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		columns := g.columns()
		rows := make([]minapp.Fields, 200)
		for i := range rows {
			rows[i] = g.row(columns)
		}
		path := filepath.Join(t.TempDir(), "f.csv"+g.either("", ".gz"))
		null := g.either("NULL", `\N`)
		for i, o := range writeCSV(t, path, migrate.ToCSVOptions{Columns: columns, Null: null, ByteOrderMark: g.IntN(2) == 0}, rows) {
			require.NoError(t, o.Err, "seed %d, row %d", seed, i)
		}
		got, err := readAll(t, migrate.FromCSV[minapp.Fields](path, migrate.FromCSVOptions{Columns: columns, Null: null}))
		require.NoError(t, err)
		require.Len(t, got, len(rows))
		for i, r := range got {
			require.NoError(t, r.Err)
			want, err := json.Marshal(rows[i])
			require.NoError(t, err)
			have, err := json.Marshal(r.Value)
			require.NoError(t, err)
			require.Equal(t, string(want), string(have), "seed %d, row %d", seed, i)
		}
	}
}

// generator makes rows.
type generator struct{ *rand.Rand }

func (g generator) either(a ...string) string { return a[g.IntN(len(a))] }

func (g generator) columns() []minapp.Field {
	columns := append([]minapp.Field{}, everyColumn...)
	g.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
	return columns[:1+g.IntN(len(columns))]
}

func (g generator) row(columns []minapp.Field) minapp.Fields {
	row := minapp.Fields{}
	for _, f := range columns {
		switch g.IntN(6) {
		case 0:
		case 1:
			row[f.Name] = nil
		default:
			row[f.Name] = g.value(f.Type)
		}
	}
	return row
}

func (g generator) value(kind string) any {
	switch kind {
	case minapp.TypeInteger:
		return json.Number(g.either("0", "-1", strconv.FormatInt(math.MaxInt64, 10), strconv.FormatInt(math.MinInt64, 10), strconv.FormatUint(g.Uint64()>>1, 10)))
	case minapp.TypeNumber:
		return json.Number(g.either("0", "-0.0", "1.50", "1e-7", "-2.5E+10", "9007199254740993", strconv.FormatFloat(g.NormFloat64(), 'g', -1, 64)))
	case minapp.TypeBoolean:
		return g.IntN(2) == 0
	case minapp.TypeArray:
		list := []any{}
		for range g.IntN(3) {
			list = append(list, g.text())
		}
		return list
	case minapp.TypeGeoJSON:
		return map[string]any{"type": "Point", "coordinates": []any{json.Number("113.30"), json.Number("-23")}}
	case minapp.TypeDate:
		return g.either("2018-01-16T18:00:00.000+08:00", "2018-01-16T10:00:00Z", "2018-01-16T18:00:00.123456+0800")
	case minapp.TypeObject, minapp.TypeFile:
		return map[string]any{g.text(): g.text(), "n": json.Number("12345678901234567890")}
	case minapp.TypePointer:
		return "5a2fa9b008443e59e0e67889"
	}
	return g.text()
}

func (g generator) text() string {
	var b strings.Builder
	for range g.IntN(6) {
		b.WriteString(g.either("", " ", "\"", ",", "\n", "\r\n", "\r", "汉字", "😀", "Tom", "tom", "NULL", `\N`, "\ufeff", "'", "=1+1", "\x00", "\u2028", "<&>", "null", "{}", "\t"))
	}
	return b.String()
}

// restsAgree checks that what is left after any chunk is what one reading finds
// there, and that no row is without a value and an error.
func restsAgree[T any](t *testing.T, s migrate.Source[T]) []migrate.Row[T] {
	t.Helper()
	parts, err := s.Parts(t.Context(), 1)
	if err != nil {
		return nil
	}
	all, rests, failure := readFrom(t, s, parts[0])
	for i, rest := range rests {
		if len(rest) == 0 {
			continue
		}
		read := min(len(all), (i+1)*1000)
		left, _, err := readFrom(t, s, rest)
		require.Equal(t, failure, err)
		require.Len(t, left, len(all)-read)
		for j, r := range left {
			require.Equal(t, all[read+j], r)
		}
	}
	return all
}

// Rows of any file are the ones that encoding/csv reads, where that is strict
// and changes nothing, and never a crash.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", "\ufeffa,b\r\n\"1\",\"\"\"\"\r\n", "a,b\n\"x\ny\",2", "a\n\n\n", "a,b\n1\n1,2,3\n", "a,b\n\"1,2\n", "a,b\n1\"2,\"3\"4\n", "\x1f\x8b\b\x00",
		"a,b\n,\n\"\",\"\"\n", "a,b\n\xff,\n",
	} {
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, content string, zip bool) {
		name := "f.csv"
		if zip {
			name += ".gz"
		}
		path := fileOf(t, name, content)
		rows := restsAgree(t, migrate.FromCSV[json.RawMessage](path, migrate.FromCSVOptions{Empty: migrate.EmptyText}))
		for _, r := range rows {
			require.True(t, r.Err != nil || json.Valid(r.Value))
			require.NotEmpty(t, r.Raw)
		}
		if strings.Contains(content, "\r") || !utf8.ValidString(content) {
			return // which encoding/csv changes, or does not look at
		}
		in := csv.NewReader(strings.NewReader(strings.TrimPrefix(content, "\ufeff")))
		titles, err := in.Read()
		if err != nil || len(titles) < 2 || len(rows) == 0 {
			return // no titles, or ones that are there twice; or empty lines count
		}
		for _, r := range rows {
			want, err := in.Read()
			require.Equal(t, err == nil, r.Err == nil, "%v, %v", err, r.Err)
			if err != nil {
				if errors.Is(err, csv.ErrFieldCount) {
					continue
				}
				return // the two go on at different places
			}
			var got map[string]string
			require.NoError(t, json.Unmarshal(r.Value, &got))
			for i, title := range titles {
				require.Equal(t, want[i], got[title])
			}
		}
		_, err = in.Read()
		require.True(t, err != nil && (errors.Is(err, io.EOF) || !errors.Is(err, csv.ErrFieldCount)), "%v", err)
	})
}

// Any text comes back from a CSV file as it was.
func FuzzCSVCells(f *testing.F) {
	f.Add("a", "b", "NULL")
	f.Add("", "\"", "")
	f.Add("\r\n", " ,", " ")
	f.Fuzz(func(t *testing.T, a, b, null string) {
		if !utf8.ValidString(a + " " + b + " " + null) {
			return
		}
		columns := []minapp.Field{{Name: "a", Type: minapp.TypeString}, {Name: "b", Type: minapp.TypeString}}
		for n := 1; n <= 2; n++ {
			path := filepath.Join(t.TempDir(), "f.csv")
			sink := migrate.ToCSV[minapp.Fields](path, migrate.ToCSVOptions{Columns: columns[:n], Null: null})
			if sink.Begin(t.Context(), migrate.Setup{}) != nil {
				return // null is no cell
			}
			rows := []minapp.Fields{{"a": a, "b": b}, {"a": b}, {}, {"a": a}}
			if n == 1 {
				rows = rows[1:]
			}
			if null != "" {
				rows = append(rows, minapp.Fields{"a": nil})
			}
			_, err := sink.Write(t.Context(), rows)
			require.NoError(t, err)
			got, err := readAll(t, migrate.FromCSV[minapp.Fields](path, migrate.FromCSVOptions{Columns: columns[:n], Null: null}))
			require.NoError(t, err)
			require.Len(t, got, len(rows))
			for i, r := range got {
				require.NoError(t, r.Err)
				require.Equal(t, rows[i], r.Value)
			}
		}
	})
}

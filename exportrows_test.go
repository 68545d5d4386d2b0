package minapp_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
)

func fileOf(t *testing.T, content string) minapp.ExportFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return minapp.ExportFile{Path: path, Rows: minapp.AnyRows}
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

func zipped(tb testing.TB, files ...string) string {
	tb.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		entry, err := w.Create(files[i])
		require.NoError(tb, err)
		_, err = io.WriteString(entry, files[i+1])
		require.NoError(tb, err)
	}
	require.NoError(tb, w.Close())
	return b.String()
}

// rawRows reads all rows as they are, up to an error.
func rawRows(files ...minapp.ExportFile) (rows []string, err error) {
	for row, err := range minapp.ExportRows[json.RawMessage](files...) {
		if err != nil {
			return rows, err
		}
		rows = append(rows, string(row))
	}
	return rows, nil
}

const bom = "\xef\xbb\xbf"

func TestExportRowsFindsOutWhatAFileIs(t *testing.T) {
	two := []string{`{"a":"1","b":"x, \"y\""}`, `{"a":"2","b":""}`}
	csv := "a,b\n1,\"x, \"\"y\"\"\"\n2,\n"
	array := "[" + two[0] + ",\n " + two[1] + "]"
	lines := two[0] + "\n" + two[1] + "\n"
	for name, test := range map[string]struct {
		content string
		want    []string
	}{
		"nothing":                 {"", nil},
		"white space":             {" \r\n", nil},
		"titles only":             {"a,b\n", nil},
		"an empty array":          {"[]", nil},
		"CSV":                     {csv, two},
		"CSV of Windows":          {bom + strings.ReplaceAll(csv, "\n", "\r\n"), two},
		"array":                   {array, two},
		"array with a mark":       {bom + " \n" + array + "\n", two},
		"lines":                   {lines, two},
		"lines without an end":    {strings.TrimSpace(lines), two},
		"gzip":                    {gzipped(t, csv), two},
		"gzip in two pieces":      {gzipped(t, csv[:6]) + gzipped(t, csv[6:]), two},
		"gzip of an empty file":   {gzipped(t, ""), nil},
		"zip":                     {zipped(t, "a.json", array), two},
		"zip of several":          {zipped(t, "x/", "", "x/1.csv", csv, "__MACOSX/1.csv", "?", "x/2.json", lines), append(two[:2:2], two...)},
		"zip of nothing":          {zipped(t), nil},
		"exact numbers, as given": {`[{"n":9007199254740993}]`, []string{`{"n":9007199254740993}`}},
	} {
		rows, err := rawRows(fileOf(t, test.content))
		require.NoError(t, err, name)
		assert.Equal(t, test.want, rows, name)
	}
}

func TestExportRowsNamesWhatIsDamaged(t *testing.T) {
	array := `[{"a":1},{"a":2},{"a":3}]`
	zipFile := zipped(t, "a.json", strings.Repeat(array[:9]+" ", 1)+array[1:])
	for name, test := range map[string]struct{ content, text string }{
		"array cut in a row":     {array[:12], "cut or damaged, read up to byte"},
		"array cut between rows": {array[:9], "read up to byte 9"},
		"array cut at the end":   {array[:len(array)-1], "unexpected EOF"},
		"two arrays":             {array + array, "follows after the array"},
		"text after the array":   {array + "x", "read up to byte"},
		"an array of others":     {`[{"a":1},2]`, "a row is 2, not an object"},
		"lines cut":              {`{"a":1}` + "\n" + `{"a":`, "unexpected EOF"},
		"lines of others":        {`{"a":1}` + "\n3\n", "a row is 3, not an object"},
		"CSV with a short line":  {"a,b\n1\n", "wrong number of fields"},
		"CSV cut in a quote":     {"a,b\n1,\"x", `extraneous or missing "`},
		"a title twice":          {"a,a\n1,2\n", `the title "a" is there twice`},
		"gzip cut":               {gzipped(t, array)[:20], "unexpected EOF"},
		"gzip header cut":        {"\x1f\x8b\x08", "unexpected EOF"},
		"gzip damaged":           {damage(gzipped(t, array), -6), "checksum"},
		"zip cut":                {zipFile[:len(zipFile)-10], "zip"},
		"a zip entry is damaged": {damage(zipped(t, "a.json", `[{"a":"`+strings.Repeat("x", 100)+`"}]`), 40), "!a.json is cut or damaged"},
		"not UTF-8":              {"a\n\xd6\xd0\n", "not in UTF-8"},
	} {
		file := fileOf(t, test.content)
		_, err := rawRows(file)
		require.ErrorIs(t, err, minapp.ErrProtocol, name)
		require.ErrorContains(t, err, file.Path, name)
		require.ErrorContains(t, err, test.text, name)
	}
}

// damage changes a byte; places below 0 count from the end.
func damage(content string, at int) string {
	b := []byte(content)
	at = (at + len(b)) % len(b)
	b[at] ^= 0x55
	return string(b)
}

func TestExportRowsRefusesWhatItCannotRead(t *testing.T) {
	for name, content := range map[string]string{
		"Excel":        zipped(t, "[Content_Types].xml", "", "xl/workbook.xml", ""),
		"UTF-16":       "\xff\xfea\x00",
		"zip in gzip":  gzipped(t, zipped(t, "a.csv", "a\n1\n")),
		"GBK in a row": "a\n\xd6\xd0\n",
	} {
		_, err := rawRows(fileOf(t, content))
		require.ErrorIs(t, err, errors.ErrUnsupported, name)
	}
	_, err := rawRows(minapp.ExportFile{Path: filepath.Join(t.TempDir(), "no")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Files are read one after another, and each must have what was counted.
func TestExportRowsCountsEachFile(t *testing.T) {
	first, second := fileOf(t, "[{\"a\":1},{\"a\":2}]"), fileOf(t, "a\n3\n")
	first.Rows, second.Rows = 2, 1
	rows, err := rawRows(first, second)
	require.NoError(t, err)
	assert.Equal(t, []string{`{"a":1}`, `{"a":2}`, `{"a":"3"}`}, rows)
	for _, counted := range []int64{0, 1, 3} {
		first.Rows = counted
		rows, err = rawRows(first, second)
		require.ErrorIs(t, err, minapp.ErrProtocol)
		require.ErrorContains(t, err, "has 2 rows")
		assert.Len(t, rows, 2, "the next file is not read")
	}
}

func TestExportRowsOfATypeGoesOnAfterARowThatDoesNotFit(t *testing.T) {
	file := fileOf(t, `[{"id":"1","price":1},{"id":"2","price":"dear"},{"id":"3","price":3}]`)
	var prices []int64
	var failed []string
	for row, err := range minapp.ExportRows[article](file) {
		if e, ok := errors.AsType[*minapp.DecodeError](err); ok {
			failed = append(failed, e.ID+" "+e.Field)
			continue
		}
		require.NoError(t, err)
		prices = append(prices, row.Price)
	}
	assert.Equal(t, []int64{1, 3}, prices)
	assert.Equal(t, []string{"2 price"}, failed)
}

func TestExportRowsCanBeLeftAndBegunAnew(t *testing.T) {
	rows := minapp.ExportRows[minapp.Fields](fileOf(t, `[{"a":1},{"a":2}]`), minapp.ExportFile{Path: "not reached"})
	for range 2 {
		for row, err := range rows {
			require.NoError(t, err)
			assert.Equal(t, minapp.Fields{"a": json.Number("1")}, row)
			break
		}
	}
}

// Whatever a file holds, reading ends, every row is an object, and reading
// again gives the same.
func FuzzExportRows(f *testing.F) {
	for _, seed := range []string{
		"", "a,b\n1,2\n", `[{"a":1},{"b":[{}]}]`, "{}\n{}", bom + "a\n\"1\"", "\xff\xfe", gzipped(f, "a\n1\n"),
		zipped(f, "a.csv", "a\n1\n", "b.json", "[{}]"), "[{}", "[1]", "PK\x05\x06", "\x1f\x8b",
	} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), "export")
	f.Fuzz(func(t *testing.T, content []byte) {
		require.NoError(t, os.WriteFile(path, content, 0o600))
		file := minapp.ExportFile{Path: path, Rows: minapp.AnyRows}
		rows, err := rawRows(file)
		for _, row := range rows {
			var object map[string]json.RawMessage
			require.NoError(t, json.Unmarshal([]byte(row), &object))
		}
		file.Rows = int64(len(rows))
		again, errAgain := rawRows(file)
		assert.Equal(t, rows, again)
		assert.Equal(t, err, errAgain)
	})
}

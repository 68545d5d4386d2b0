package minapptest_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/minapp-go/minapp/minapptest"
	"github.com/stretchr/testify/require"
)

func TestLoadData(t *testing.T) {
	e := newEmulator(t)

	err := e.LoadData(strings.NewReader(`{"tables":[
		{"id":50,"name":"order","schema":{"fields":[{"name":"customer","type":"reference","schema_id":"51"},{"name":"no","type":"integer","default":1}]},
		 "row_read_perm":["user:*"],"indexes":[["no"]],"rows":[{"id":"5a2fa9b008443e59e0e678xx","customer":"c1","no":12345678901234567,"created_at":3}]},
		{"id":51,"name":"customer","schema":{"fields":[]},"rows":[{"id":"c1"}]}],
		"files":[{"id":"f","name":"n","created_at":1,"mime_type":"m","cdn_path":"c","size":1}]}`))

	require.NoError(t, err)
	rows := e.Rows(50)
	require.Equal(t, "5a2fa9b008443e59e0e678xx", rows[0]["id"])
	require.Equal(t, json.Number("12345678901234567"), rows[0]["no"])
	require.Equal(t, json.Number("3"), rows[0]["created_at"])
	require.Contains(t, e.send("GET", "/oserve/v2.4/table/50/record/5a2fa9b008443e59e0e678xx/?expand=customer", "").text, `"customer":{"_table":"customer","_id":"c1"`)
	require.Equal(t, 400, e.send("POST", "/oserve/v2.4/table/50/record/", `{"no":12345678901234567}`).status)
	require.Contains(t, e.send("GET", "/oserve/v2.2/file/f/", "").text, `"cdn_path":"c"`)
	require.Equal(t, 404, e.send("GET", "/oserve/v2.2/file/g/", "").status)
}

// A mistake in a data file is reported with its place, and nothing is loaded.
func TestLoadDataRefuses(t *testing.T) {
	e := newEmulator(t)
	table := func(rest string) string {
		return `{"tables":[{"id":50,"name":"x","schema":{"fields":[{"name":"a","type":"string"}]}` + rest + `}]}`
	}
	for data, text := range map[string]string{
		``:                                       "EOF",
		`{"table":[]}`:                           "unknown field",
		`{} {}`:                                  "more than one",
		table(`,"rows":[{"a":"1"},{"a":1}]`):     "table 0 (x): row 1: no such column, or a value that does not fit: a",
		table(`,"rows":[{"b":1}]`):               "fit: b",
		table(`,"rows":[1]`):                     "must be an object",
		table(`,"rows":[{"id":"1"},{"id":"1"}]`): "row 1: id is taken: 1",
		table(`,"rows":[{"id":{}}]`):             "id must be a text",
		table(`,"rows":[{"a":"1"},{"a":"1"}],"indexes":[["a"]]`): "row 1: duplicate data",
		table(`,"indexes":[["b"]]`):                              "unknown field in index",
		`{"tables":[{"name":"1"}]}`:                              "table 0 (1): invalid table name",
		`{"tables":[{"name":"x","id":41}]}`:                      "id is taken",
		`{"tables":[{"name":"maker"}]}`:                          "already exists",
		`{"files":[{"id":"1"}]}`:                                 "file 0",
	} {
		require.ErrorContains(t, e.LoadData(strings.NewReader(data)), text)
	}
	require.Equal(t, list("maker", "product"), e.send("GET", tableURL, "").column("name"))
}

func TestSampleDataLoads(t *testing.T) {
	data, err := os.ReadFile("../cmd/minapp-emulator/testdata/shop.json")
	require.NoError(t, err)
	s := minapptest.NewServer(t)
	require.NoError(t, s.LoadData(bytes.NewReader(data)))
	require.NotEmpty(t, s.Rows(3906))
}

func TestSeed(t *testing.T) {
	e := newEmulator(t)
	type row struct {
		Name string `json:"name"`
	}
	ids, err := e.Seed(3906, row{"a"}, map[string]any{"name": "b"}, json.RawMessage(`{"name":"c"}`))
	require.NoError(t, err)
	require.Len(t, ids, 3)

	_, err = e.Seed(3906, row{"d"}, map[string]any{"other": "e"})
	require.ErrorContains(t, err, "row 1: no such column")
	_, err = e.Seed(1, row{"a"})
	require.ErrorContains(t, err, "no table 1")
	_, err = e.Seed(3906, func() {})
	require.Error(t, err)
	require.Len(t, e.Rows(3906), 4)
}

func TestRowsAreCopies(t *testing.T) {
	e := newEmulator(t)
	e.seed(`{"tags":["a"],"obj":{"k":[1]},"price":1.50}`)
	rows := e.Rows(3906)
	require.Equal(t, json.Number("1.50"), rows[0]["price"])
	rows[0]["tags"].([]any)[0] = "changed"
	rows[0]["obj"].(map[string]any)["k"].([]any)[0] = "changed"
	require.Equal(t, []any{"a"}, e.Rows(3906)[0]["tags"])
	require.NotContains(t, e.list().text, "changed")
}

func TestCreateFile(t *testing.T) {
	e := newEmulator(t)
	require.Error(t, e.CreateFile(map[string]any{"id": "x"}))
	require.NoError(t, e.CreateFile(map[string]any{"id": "x", "name": "n", "created_at": 1, "mime_type": "m", "cdn_path": "c", "size": 2}))
	file := e.send("GET", "/oserve/v2.4/file/x/", "").text
	require.Equal(t, 201, e.send("POST", recordURL, `{"file":`+file+`}`).status)
}

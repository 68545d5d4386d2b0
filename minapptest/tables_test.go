package minapptest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/minapp-go/minapp/minapptest"
	"github.com/stretchr/testify/require"
)

const tableURL = "/oserve/v1.8/table/"

// tableBody is a valid create request with the given fields.
func tableBody(name, fields string) string {
	return fmt.Sprintf(`{"name":%q,"schema":{"fields":[%s]},"row_read_perm":["user:anonymous"],"row_write_perm":["user:*"],"write_perm":[],"indexes":[]}`, name, fields)
}

func TestCreateTable(t *testing.T) {
	e := newEmulator(t)

	r := e.send("POST", tableURL, tableBody("Book", `{"name":"title","type":"string","default":"untitled","constraints":{"required":true},
		"acl":{"clientVisibile":true}},{"name":"tags","type":"array","items":{"type":"string"}},{"name":"maker","type":"reference","schema_id":"41"}`))

	require.Equal(t, 201, r.status, r.text)
	id := r.json["id"].(json.Number)
	require.JSONEq(t, `{"id":`+string(id)+`,"name":"Book","protected_fields":null,"schema":{"fields":[
		{"name":"id","type":"id","description":"id"},
		{"name":"created_by","type":"integer","description":"created_by"},
		{"name":"created_at","type":"integer","description":"created_at"},
		{"name":"updated_at","type":"integer","description":"updated_at"},
		{"name":"title","type":"string","description":"title","default":"untitled","constraints":{"required":true},"acl":{"clientVisibile":true}},
		{"name":"tags","type":"array","description":"tags","items":{"type":"string"}},
		{"name":"maker","type":"reference","description":"maker","schema_id":41}]},
		"write_perm":[],"default_row_perm":{"_read_perm":["user:anonymous"],"_write_perm":["user:*"]},
		"created_at":1700000000,"updated_at":1700000000}`, r.text)
	require.Equal(t, r.text, e.send("GET", tableURL+string(id)+"/", "").text)
	require.Equal(t, r.text, e.send("GET", "/oserve/v1/table/"+string(id)+"/", "").text)

	row := e.send("POST", "/oserve/v2.4/table/"+string(id)+"/record/", `{"tags":["x"]}`)
	require.Equal(t, "untitled", row.json["title"])
	require.Equal(t, []any{"user:anonymous"}, row.json["read_perm"])
}

// Invalid definitions are refused with a 400 that names the mistake.
func TestCreateTableRefuses(t *testing.T) {
	e := newEmulator(t)
	for body, text := range map[string]string{
		tableBody("product", ``):                        "already exists",
		tableBody("1a", ``):                             "invalid table name",
		tableBody("_a", ``):                             "invalid table name",
		tableBody("é", ``):                              "invalid table name",
		tableBody(strings.Repeat("a", 33), ``):          "invalid table name",
		tableBody("t", `{"name":"_x","type":"id"}`):     "invalid field name",
		tableBody("t", `{"name":"a","type":"text"}`):    "unknown type",
		tableBody("t", `{"name":"a"}`):                  "unknown type",
		tableBody("t", `{"name":"id","type":"string"}`): "reserved",
		tableBody("t", `{"name":"a","type":"string"},{"name":"a","type":"string"}`):       "duplicate",
		tableBody("t", `{"name":"a","type":"array"}`):                                     "items",
		tableBody("t", `{"name":"a","type":"array","items":{"type":"array"}}`):            "items",
		tableBody("t", `{"name":"a","type":"geojson","format":"default"}`):                "coordinate_type",
		tableBody("t", `{"name":"a","type":"geojson","coordinate_type":"wgs84"}`):         "format",
		tableBody("t", `{"name":"a","type":"reference"}`):                                 "schema_id",
		tableBody("t", `{"name":"a","type":"reference","schema_id":"99"}`):                "schema_id",
		tableBody("t", `{"name":"a","type":"integer","default":"x"}`):                     "default",
		tableBody("t", pointer("a")+","+pointer("b")+","+pointer("c")+","+pointer("d")):   "at most 3 pointer",
		`{"name":"t","schema":{},"row_read_perm":[],"row_write_perm":[],"write_perm":[]}`: "fields",
		`{"name":"t","schema":{"fields":[]},"row_read_perm":[],"row_write_perm":[]}`:      "write_perm is required",
		`{"schema":{"fields":[]},"row_read_perm":[],"row_write_perm":[],"write_perm":[]}`: "name is required",
		`{"name":1,"schema":{"fields":[]},"row_read_perm":[],"row_write_perm":[]}`:        "invalid table",
		`[]`: "must be an object",
		`{`:  "not valid JSON",
	} {
		t.Run(text, func(t *testing.T) {
			r := e.send("POST", tableURL, body)
			require.Equal(t, 400, r.status, body)
			require.Contains(t, r.json["error_msg"], text)
		})
	}
	require.Equal(t, 201, e.send("POST", tableURL, tableBody("t", pointer("a")+","+pointer("b")+","+pointer("c"))).status)
}

func pointer(name string) string {
	return fmt.Sprintf(`{"name":%q,"type":"reference","schema_id":41}`, name)
}

func TestListTables(t *testing.T) {
	e := newEmulator(t)

	r := e.send("GET", tableURL, "")
	require.Equal(t, list("maker", "product"), r.column("name"))
	require.JSONEq(t, `{"limit":20,"next":null,"offset":0,"previous":null,"total_count":2}`, string(mustJSON(r.json["meta"])))

	require.Equal(t, list("product"), e.send("GET", tableURL+"?name=product", "").column("name"))
	require.Equal(t, list(), e.send("GET", tableURL+"?name=prod", "").column("name"))
	r = e.send("GET", tableURL+"?limit=1&offset=1", "")
	require.Equal(t, list("product"), r.column("name"))
	require.Equal(t, "/oserve/v1/table/?limit=1&offset=0", r.json["meta"].(map[string]any)["previous"])
	require.Equal(t, 400, e.send("GET", tableURL+"?limit=x", "").status)
}

func TestUpdateTable(t *testing.T) {
	e := newEmulator(t)
	e.seed(`{"name":"a","price":1}`)
	e.clock.Advance(time.Minute)

	r := e.send("PUT", tableURL+"3906/", `{"name":"thing","row_read_perm":["gid:1"]}`)
	require.Equal(t, 200, r.status, r.text)
	require.Equal(t, "thing", r.json["name"])
	require.Equal(t, json.Number("1700000060"), r.json["updated_at"])
	require.Contains(t, r.text, `"_read_perm":["gid:1"],"_write_perm":["user:*"]`)
	require.Contains(t, e.send("POST", recordURL, `{"name":"new"}`).text, `"read_perm":["gid:1"]`)

	r = e.send("PUT", tableURL+"3906/", `{"schema":{"fields":[{"name":"name","type":"string"}]}}`)
	require.Equal(t, 200, r.status, r.text)
	require.NotContains(t, e.list().text, "price")

	require.Equal(t, 400, e.send("PUT", tableURL+"3906/", `{"name":"maker"}`).status)
	require.Equal(t, 400, e.send("PUT", tableURL+"3906/", `{"name":"_x"}`).status)
	require.Equal(t, 400, e.send("PUT", tableURL+"3906/", `{"schema":{"fields":[{}]}}`).status)
	require.Equal(t, 404, e.send("PUT", tableURL+"1/", `{"name":"x"}`).status)
}

// A table that another one points at can be neither deleted nor renamed.
func TestDeleteTable(t *testing.T) {
	e := newEmulator(t)
	e.seed(`{"name":"a"}`)

	require.Equal(t, 400, e.send("DELETE", tableURL+"41/", "").status)
	require.Equal(t, 400, e.send("PUT", tableURL+"41/", `{"name":"other"}`).status)
	require.Equal(t, 204, e.send("DELETE", tableURL+"3906/", "").status)
	require.Equal(t, 404, e.send("DELETE", tableURL+"3906/", "").status)
	require.Equal(t, 404, e.list().status)
	require.Nil(t, e.Rows(3906))
	require.Equal(t, 204, e.send("DELETE", tableURL+"41/", "").status)
}

func TestUniqueIndexes(t *testing.T) {
	e := newEmulator(t)
	const indexURL = "/oserve/v2.6/schema/3906/index/"
	e.seed(`{"name":"a","price":1}`, `{"name":"a","price":2}`, `{"pretty":true}`, `{"pretty":false}`)

	require.Equal(t, 400, e.send("POST", indexURL, `{"fields":["name"]}`).status, "rows violate it")
	require.Equal(t, 400, e.send("POST", indexURL, `{"fields":[]}`).status)
	require.Equal(t, 400, e.send("POST", indexURL, `{"fields":["nosuch"]}`).status)
	r := e.send("POST", indexURL, `{"fields":["name","price"]}`)
	require.Equal(t, 201, r.status)
	require.JSONEq(t, `[{"fields":["name","price"],"index":"name_1_price_1"}]`, r.text)
	require.Equal(t, 400, e.send("POST", indexURL, `{"fields":["name","price"]}`).status)
	require.Len(t, e.send("GET", indexURL, "").json["objects"], 1)

	require.Equal(t, 400, e.send("POST", recordURL, `{"name":"a","price":1.0}`).status)
	id := e.send("POST", recordURL, `{"name":"a","price":3}`).json["id"].(string)
	require.Equal(t, 400, e.send("PUT", updateURL+id+"/", `{"price":{"$incr_by":-1}}`).status)
	require.Equal(t, 201, e.send("PUT", updateURL+id+"/", `{"price":3}`).status, "a row does not collide with itself")
	require.Equal(t, 201, e.send("PUT", updateURL+id+"/", `{"price":4}`).status)
	require.Equal(t, 201, e.send("POST", recordURL, `{"name":"a","price":3}`).status, "the old value is free again")
	require.Equal(t, 204, e.send("DELETE", recordURL+id+"/", "").status)
	require.Equal(t, 201, e.send("POST", recordURL, `{"name":"a","price":4}`).status)

	require.Equal(t, 204, e.send("DELETE", indexURL+"name_1_price_1/", "").status)
	require.Equal(t, 404, e.send("DELETE", indexURL+"name_1_price_1/", "").status)
	require.Equal(t, 201, e.send("POST", recordURL, `{"name":"a","price":4}`).status)
}

func TestCreateTableFromGo(t *testing.T) {
	s := minapptest.NewServer(t)
	_, err := s.CreateTable(minapptest.Table{Name: "bad name"})
	require.ErrorContains(t, err, "invalid table name")
	_, err = s.CreateTable(minapptest.Table{Name: "a", Indexes: [][]string{{"x"}}})
	require.ErrorContains(t, err, "unknown field in index: x")
	id, err := s.CreateTable(minapptest.Table{Name: "a", Rows: []json.RawMessage{[]byte(`{}`)}})
	require.NoError(t, err, "a failed attempt leaves nothing behind")
	require.Len(t, s.Rows(id), 1)
}

// Values that are equal collide, however they are written.
func TestUniqueIndexComparesValues(t *testing.T) {
	for column, values := range map[string][2]string{
		"price": {`0.1`, `0.10`}, "amount": {`9007199254740993`, `9007199254740993`}, "obj": {`{"a":[1],"b":null}`, `{"b":null,"a":[1.0]}`},
		"tags": {`["x","y"]`, `["x","y"]`}, "pretty": {`true`, `true`},
	} {
		t.Run(column, func(t *testing.T) {
			e := newEmulator(t)
			require.Equal(t, 201, e.send("POST", "/oserve/v2.6/schema/3906/index/", fmt.Sprintf(`{"fields":[%q]}`, column)).status)
			require.Equal(t, 201, e.send("POST", recordURL, fmt.Sprintf(`{%q:%s}`, column, values[0])).status)
			require.Equal(t, 400, e.send("POST", recordURL, fmt.Sprintf(`{%q:%s}`, column, values[1])).status)
			require.Equal(t, 201, e.send("POST", recordURL, fmt.Sprintf(`{%q:null}`, column)).status)
			require.Equal(t, 201, e.send("POST", recordURL, `{}`).status, "rows without a value do not collide")
		})
	}
	e := newEmulator(t)
	require.Equal(t, 201, e.send("POST", "/oserve/v2.6/schema/3906/index/", `{"fields":["amount"]}`).status)
	require.Equal(t, 201, e.send("POST", recordURL, `{"amount":9007199254740992}`).status)
	require.Equal(t, 201, e.send("POST", recordURL, `{"amount":9007199254740993}`).status)
}

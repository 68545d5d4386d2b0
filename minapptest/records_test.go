package minapptest_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minapp-go/minapp/minapptest"
	"github.com/stretchr/testify/require"
)

func TestCreateAnswersWithTheRow(t *testing.T) {
	e := newEmulator(t)

	r := e.send("POST", recordURL, `{"name":"<包>","price":1.50,"maker":"72477415"}`)

	require.Equal(t, 201, r.status)
	require.Regexp(t, `^[0-9a-f]{24}$`, r.json["id"])
	require.Equal(t, r.json["id"], r.json["_id"])
	require.NotEmpty(t, r.header.Get("X-Request-Id"))
	require.Equal(t, fmt.Sprintf(`{"_id":%q,"id":%[1]q,"created_by":36395395,"created_at":1700000000,"updated_at":1700000000,`+
		`"read_perm":["user:*"],"write_perm":["user:*"],"name":"<包>","price":1.50,"maker":{"id":"72477415","_table":"maker"}}`, r.json["id"]), r.text)
}

func TestCreateHonoursOriginAndPermissions(t *testing.T) {
	e := newEmulator(t)

	r := e.send("POST", recordURL, `{"created_by":195448780235670,"created_at":5,"updated_at":6,"read_perm":["gid:1"],"write_perm":[],"id":"mine"}`)

	require.Equal(t, 201, r.status)
	require.NotEqual(t, "mine", r.json["id"])
	require.Contains(t, r.text, `"created_by":195448780235670,"created_at":5,"updated_at":6,"read_perm":["gid:1"],"write_perm":[]`)
}

func TestIDsGrow(t *testing.T) {
	e := newEmulator(t)
	last := ""
	for range 3 {
		id := e.send("POST", recordURL, `{}`).json["id"].(string)
		require.Greater(t, id, last)
		last = id
		e.clock.Advance(-time.Hour)
	}
}

// A value of a wrong type is dropped; the write is refused only when nothing is left.
func TestWrongTypesAreDroppedSilently(t *testing.T) {
	e := newEmulator(t)
	for column, v := range map[string]string{
		"name": `1`, "price": `"1"`, "amount": `1.5`, "pretty": `0`, "tags": `"x"`, "sizes": `[1,"2"]`, "obj": `{"1a":1}`,
		"geo": `{"type":"Polygon","coordinates":[[[0,0],[1,1],[0,0]]]}`, "file": `{"id":"a"}`, "day": `"2024-01-01"`, "maker": `{"id":"x"}`,
		"nosuch": `1`, "created_at": `"now"`, "read_perm": `"user:*"`,
	} {
		t.Run(column, func(t *testing.T) {
			bad := fmt.Sprintf(`{%q:%s}`, column, v)
			r := e.send("POST", recordURL, bad)
			require.Equal(t, 400, r.status)
			require.Equal(t, "Failed to save record, type conflict on fields", r.json["error_msg"])

			other := "name"
			if column == "name" {
				other = "day"
			}
			r = e.send("POST", recordURL, fmt.Sprintf(`{%q:%s,%q:null}`, column, v, other))
			require.Equal(t, 201, r.status, r.text)
			require.NotEqual(t, v, string(mustJSON(r.json[column])))

			row := e.send("POST", recordURL, `{}`).json["id"].(string)
			require.Equal(t, 400, e.send("PUT", updateURL+row+"/", bad).status)
		})
	}
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func TestGoodValuesComeBackAsWritten(t *testing.T) {
	e := newEmulator(t)
	for column, v := range map[string]string{
		"price": `123456789012345678901234567890`, "amount": `9223372036854775807`, "sizes": `[]`, "parts": `[{"a":[{"b":null}]}]`, "obj": `{"a":1.0}`,
		"geo": `{"coordinates":[[[0,0],[1,1],[2,0],[0,0]]],"type":"Polygon"}`, "day": `"2018-09-26T11:22:51.100000+08:00"`, "name": `"\u0001\"\\ é<&>"`, "tags": `null`,
		"file": `{"cdn_path":"c","created_at":1,"id":"i","mime_type":"m","name":"n","path":"p","size":1}`,
	} {
		r := e.send("POST", recordURL, fmt.Sprintf(`{%q:%s}`, column, v))
		require.Equal(t, 201, r.status)
		require.Contains(t, r.text, fmt.Sprintf(`%q:%s`, column, v))
	}
	require.Contains(t, e.send("POST", recordURL, `{"amount":2.0}`).text, `"amount":2}`)
}

func TestRequiredAndDefault(t *testing.T) {
	e := newEmulator(t)
	id, err := e.CreateTable(minapptest.Table{Name: "strict", Schema: minapptest.Schema{Fields: []minapptest.Field{
		{Name: "a", Type: "string", Constraints: &minapptest.Constraints{Required: true}},
		{Name: "b", Type: "integer", Default: 7},
	}}})
	require.NoError(t, err)
	path := fmt.Sprintf("/oserve/v2.4/table/%d/record/", id)

	require.Equal(t, 400, e.send("POST", path, `{"b":1}`).status)
	require.Equal(t, 400, e.send("POST", path, `[{"a":"x"},{"b":1}]`).status)
	require.Empty(t, e.Rows(id))
	r := e.send("POST", path, `{"a":"x"}`)
	require.Equal(t, json.Number("7"), r.json["b"])
	row := strings.Replace(path, "v2.4", "v2.6", 1) + r.json["id"].(string) + "/"
	require.Equal(t, 400, e.send("PUT", row, `{"a":null}`).status)
	require.Equal(t, 400, e.send("PUT", row, `{"$unset":{"a":""}}`).status)
}

func TestUpdateOperators(t *testing.T) {
	e := newEmulator(t)
	for _, tt := range []struct{ body, column, want string }{
		{`{"price":{"$incr_by":-1}}`, "price", `9`},
		{`{"price":{"$incr_by":0.5}}`, "price", `10.5`},
		{`{"amount":{"$incr_by":1}}`, "amount", `9007199254740994`},
		{`{"amount":{"$incr_by":1.0}}`, "amount", `9007199254740994`},
		{`{"obj.n":{"$incr_by":2}}`, "obj", `{"n":3}`},
		{`{"obj.new":{"$incr_by":2}}`, "obj", `{"n":1,"new":2}`},
		{`{"tags":{"$append":["a","z"]}}`, "tags", `["a","b","a","z"]`},
		{`{"tags":{"$append_unique":["a","z","z"]}}`, "tags", `["a","b","z"]`},
		{`{"tags":{"$remove":["a","x"]}}`, "tags", `["b"]`},
		{`{"tags":{"$remove":["a","b"]}}`, "tags", `[]`},
		{`{"tags":{"$pop":1}}`, "tags", `["a"]`},
		{`{"tags":{"$pop":-1}}`, "tags", `["b"]`},
		{`{"sizes":{"$append":[1]}}`, "sizes", `[1]`},
		{`{"sizes":{"$remove":[1]}}`, "sizes", `[]`},
		{`{"parts":{"$remove":[{"p":1},{"p":2}]}}`, "parts", `[{"p":2}]`},
		{`{"obj":{"$update":{"m":{"x":1}}}}`, "obj", `{"m":{"x":1},"n":1}`},
		{`{"$set":{"price":{"$incr_by":1}}}`, "price", `11`},
	} {
		t.Run(tt.body, func(t *testing.T) {
			id := e.seed(`{"price":10,"amount":9007199254740993,"tags":["a","b"],"obj":{"n":1},"parts":[{"p":1},{"p":2}]}`)[0]
			r := e.send("PUT", updateURL+id+"/", tt.body)
			require.Equal(t, 200, r.status, r.text)
			require.JSONEq(t, tt.want, string(mustJSON(r.json[tt.column])))
		})
	}
}

// What the service does not know is a 400 and changes nothing.
func TestUpdateRefuses(t *testing.T) {
	e := newEmulator(t)
	id := e.seed(`{"name":"a","price":10,"amount":9223372036854775807}`)[0]
	before := e.Rows(e.table)
	for _, body := range []string{
		`{"price":{"$mul":2}}`, `{"name":{"$incr_by":1}}`, `{"name":{"$append":["x"]}}`, `{"tags":{"$append":"x"}}`, `{"tags":{"$pop":2}}`,
		`{"price":{"$incr_by":"1"}}`, `{"amount":{"$incr_by":1}}`, `{"amount":{"$incr_by":0.5}}`, `{"price":{"$incr_by":1,"$set":2}}`,
		`{"price":{"$incr_by":1,"x":2}}`, `{"$inc":{"price":1}}`, `{"$set":1}`, `{"$set":{"$unset":{}}}`, `{"$unset":["name"]}`, `{"obj":{"$update":1}}`,
		`{"tags":{"$append":[1]}}`, `{"obj.a.b":{"$incr_by":1}}`, `[]`, `1`, `{`,
	} {
		require.Equal(t, 400, e.send("PUT", updateURL+id+"/", body).status, body)
	}
	require.Equal(t, before, e.Rows(e.table))
}

func TestUnsetRemovesTheColumn(t *testing.T) {
	e := newEmulator(t)
	id := e.seed(`{"name":"a","price":10}`)[0]
	e.clock.Advance(time.Minute)

	r := e.send("PUT", updateURL+id+"/", `{"$unset":{"price":[""],"nosuch":""},"name":"b"}`)

	require.Equal(t, 200, r.status)
	require.NotContains(t, r.json, "price")
	require.Equal(t, "b", r.json["name"])
	require.Equal(t, json.Number("1700000060"), r.json["updated_at"])
	require.Equal(t, json.Number("1700000000"), r.json["created_at"])
}

// A plain update is answered with 201 on oserve, any other with 200.
func TestUpdateStatus(t *testing.T) {
	e := newEmulator(t)
	id := e.seed(`{"name":"a","price":1}`)[0]
	for body, want := range map[string]int{
		`{"name":"b"}`: 201, `{"$set":{"name":"b"}}`: 201, `{"price":{"$incr_by":1}}`: 200, `{"$unset":{"price":""}}`: 200,
		`{"read_perm":["user:1"]}`: 200, `{"maker":"x"}`: 200,
	} {
		require.Equal(t, want, e.send("PUT", updateURL+id+"/", body).status, body)
	}
	r := e.send("PUT", strings.Replace(updateURL, "oserve", "userve", 1)+id+"/", `{"name":"c"}`, "Cookie", "session=1")
	require.Equal(t, 200, r.status)
}

func TestDelete(t *testing.T) {
	e := newEmulator(t)
	id := e.seed(`{"name":"a"}`)[0]

	r := e.send("DELETE", recordURL+id+"/", "")
	require.Equal(t, 204, r.status)
	require.Empty(t, r.text)
	require.Equal(t, 404, e.send("DELETE", recordURL+id+"/", "").status)
	require.Equal(t, 404, e.send("GET", recordURL+id+"/", "").status)
	require.Equal(t, 404, e.send("PUT", updateURL+id+"/", `{"name":"b"}`).status)
	require.Empty(t, e.list().column("id"))
}

// An empty id must never address the table.
func TestEmptyIDIsNotFound(t *testing.T) {
	e := newEmulator(t)
	e.seed(`{"name":"a"}`)
	require.Equal(t, 404, e.send("DELETE", recordURL+"/", "").status)
	require.Equal(t, 404, e.send("PUT", updateURL+"/", `{"name":"b"}`).status)
	require.Len(t, e.Rows(e.table), 1)
}

func TestKeys(t *testing.T) {
	e := newEmulator(t)
	maker := e.seedMaker(`{"title":"M","city":"C"}`)
	id := e.seed(`{"name":"a","price":1,"maker":"` + maker + `"}`)[0]
	one := func(params ...string) string {
		r := e.send("GET", recordURL+id+"/"+query(params...), "")
		require.Equal(t, 200, r.status, r.text)
		delete(r.json, "_id")
		delete(r.json, "id")
		return string(mustJSON(r.json))
	}
	all := one()
	require.Equal(t, `{"name":"a","price":1}`, one("keys", "name,price"))
	require.Equal(t, `{}`, one("keys", "id"))
	require.Equal(t, all, one("keys", "name,-price"), "mixed forms have no effect")
	require.Equal(t, all, one("keys", "maker.title"), "without expand, dotted names have none either")
	require.Equal(t, strings.Replace(all, `"name":"a",`, "", 1), one("keys", "-name"))
	require.Equal(t, `{"maker":{"_table":"maker","title":"M"}}`, one("expand", "maker", "keys", "maker,maker.title,maker.nosuch"))
	require.Equal(t, `{"created_by":{"avatar":"","nickname":""}}`, one("expand", "created_by", "keys", "created_by,created_by.avatar,created_by.nickname"))
	require.NotContains(t, one("expand", "maker", "keys", "-maker.title"), "title")

	require.Equal(t, 400, e.list("keys", "nosuch").status)
	require.Equal(t, 400, e.list("expand", "name").status)
	require.Equal(t, 400, e.send("POST", recordURL+"?expand=nosuch", `{"name":"x"}`).status)
	require.Len(t, e.Rows(e.table), 1)
}

func (e *emulator) seedMaker(row string) string {
	e.t.Helper()
	ids, err := e.Seed(41, json.RawMessage(row))
	require.NoError(e.t, err)
	return ids[0]
}

func TestExpand(t *testing.T) {
	e := newEmulator(t)
	maker := e.seedMaker(`{"title":"M"}`)
	e.seed(`{"name":"a","maker":"`+maker+`","created_by":7}`, `{"name":"b","maker":"gone"}`)

	r := e.list("order_by", "created_at", "expand", "maker,created_by")

	require.Equal(t, 200, r.status)
	makers := r.column("maker")
	require.Equal(t, "maker", makers[0].(map[string]any)["_table"])
	require.Equal(t, "M", makers[0].(map[string]any)["title"])
	require.Equal(t, maker, makers[0].(map[string]any)["id"])
	require.Equal(t, map[string]any{"id": "gone", "_table": "maker"}, makers[1])
	require.Equal(t, json.Number("7"), r.column("created_by")[0].(map[string]any)["id"])
}

func TestExpandShowsSeededUsers(t *testing.T) {
	e := newEmulator(t)
	users, err := e.CreateTable(minapptest.Table{Name: "_userprofile", Schema: minapptest.Schema{Fields: []minapptest.Field{{Name: "nickname", Type: "string"}}}})
	require.NoError(t, err)
	_, err = e.Seed(users, map[string]any{"id": 195448780235670, "nickname": "Larry"})
	require.NoError(t, err)
	e.seed(`{"created_by":195448780235670}`)

	user := e.list("expand", "created_by").column("created_by")[0].(map[string]any)

	require.Equal(t, "Larry", user["nickname"])
	require.Equal(t, json.Number("195448780235670"), user["id"])
	require.NotContains(t, user, "_table")
}

func TestOrder(t *testing.T) {
	e := newEmulator(t)
	e.seed(`{"name":"a","price":2,"amount":1,"created_at":30}`, `{"name":"b","price":10,"amount":1,"created_at":20}`,
		`{"name":"c","amount":2,"created_at":10}`, `{"name":"d","price":2,"amount":2,"created_at":10}`)
	for order, want := range map[string][]any{
		"":               list("a", "b", "d", "c"),
		"-created_at":    list("a", "b", "d", "c"),
		"created_at":     list("c", "d", "b", "a"),
		"-created_at,id": list("a", "b", "c", "d"),
		"price":          list("c", "d", "a", "b"),
		"-price,name":    list("b", "a", "d", "c"),
		"amount,-price":  list("b", "a", "d", "c"),
		"-id":            list("d", "c", "b", "a"),
	} {
		require.Equal(t, want, e.list("order_by", order).column("name"), order)
	}
	require.Equal(t, 400, e.list("order_by", "nosuch").status)

	id := e.list("where", `{"name":"a"}`).column("id")[0].(string)
	e.send("PUT", updateURL+id+"/", `{"created_at":5,"price":11}`)
	require.Equal(t, list("a", "c", "d", "b"), e.list("order_by", "created_at").column("name"))
	require.Equal(t, list("a", "b", "d", "c"), e.list("order_by", "-price,-id").column("name"))
}

func TestPaging(t *testing.T) {
	e := newEmulator(t)
	for i := range 25 {
		e.seed(fmt.Sprintf(`{"amount":%d}`, i))
	}

	r := e.list("order_by", "created_at", "where", `{"amount":{"$gte":1}}`)
	require.Len(t, r.column("id"), 20)
	meta := r.json["meta"].(map[string]any)
	require.Nil(t, meta["previous"])
	require.NotContains(t, meta, "total_count")
	next, err := url.Parse(meta["next"].(string))
	require.NoError(t, err)
	require.Equal(t, "/oserve/v1/table/3906/record/", next.Path, "the link leads elsewhere")
	require.Equal(t, "20", next.Query().Get("offset"))
	require.Equal(t, `{"amount":{"$gte":1}}`, next.Query().Get("where"))
	require.Equal(t, 404, e.send("GET", meta["next"].(string), "").status)

	r = e.list("order_by", "created_at", "offset", "20", "limit", "5", "return_total_count", "1")
	require.Equal(t, []any{json.Number("20"), json.Number("21"), json.Number("22"), json.Number("23"), json.Number("24")}, r.column("amount"))
	meta = r.json["meta"].(map[string]any)
	require.Nil(t, meta["next"])
	require.NotNil(t, meta["previous"])
	require.Equal(t, json.Number("25"), meta["total_count"])

	require.Equal(t, json.Number("24"), e.list("limit", "1", "return_total_count", "1", "where", `{"amount":{"$gt":0}}`).json["meta"].(map[string]any)["total_count"])
	require.Equal(t, 1, e.Count("records.count"))
	require.Equal(t, json.Number("1000"), e.list("limit", "5000").json["meta"].(map[string]any)["limit"])
	for _, bad := range [][]string{{"limit", "0"}, {"limit", "x"}, {"limit", "-1"}, {"offset", "-1"}} {
		require.Equal(t, 400, e.list(bad...).status, bad)
	}
}

// Rows examined are what the documentation warns of: pages at an offset cost the
// rows before them, a range of created_at only what lies in it.
func TestRowsExamined(t *testing.T) {
	e := newEmulator(t)
	for i := range 100 {
		e.seed(fmt.Sprintf(`{"amount":%d,"created_at":%d}`, i, 1000+i))
	}
	for _, tt := range []struct {
		want   int
		params []string
	}{
		{10, []string{"limit", "10"}},
		{60, []string{"limit", "10", "offset", "50"}},
		{10, []string{"limit", "10", "return_total_count", "1"}},
		{11, []string{"limit", "10", "where", `{"amount":{"$gte":0}}`}},
		{100, []string{"limit", "10", "where", `{"amount":{"$gte":0}}`, "return_total_count", "1"}},
		{11, []string{"limit", "10", "order_by", "created_at", "where", `{"created_at":{"$gte":1050}}`}},
		{1, []string{"limit", "10", "order_by", "id", "where", `{"$and":[{"created_at":{"$eq":1050}}]}`}},
	} {
		e.ResetLog()
		require.Equal(t, 200, e.list(tt.params...).status)
		require.EqualValues(t, tt.want, e.RowsExamined(), tt.params)
	}
}

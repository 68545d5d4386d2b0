package minapptest_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/minapp-go/minapp/minapptest"
	"github.com/stretchr/testify/require"
)

// sample is the request that a code sample of the documentation sends, with only
// the host replaced, "where" encoded where the sample forgot it, and a table or
// record filled in where the sample leaves it open.
type sample struct {
	name   string // chapter and language
	method string
	path   string
	body   string
	want   int
	shape  string // members of the answer
	cookie bool
}

const (
	fileURL  = "/oserve/v2.4/file/5a2fe93308443e313a428cxx/"
	product  = "/oserve/v2.4/table/3906/record/"
	product6 = "/oserve/v2.6/table/3906/record/"
	one      = "/oserve/v2.4/table/1/record/"
	one6     = "/oserve/v2.6/table/1/record/"
	people   = "/oserve/v2.4/table/70264/record/"
	people6  = "/oserve/v2.6/table/70264/record/"

	tableShape = "created_at default_row_perm id name protected_fields schema updated_at write_perm"
	listShape  = "meta objects"
	rowShape   = "_id created_at created_by id read_perm updated_at write_perm"
	newTable   = `{"name":"Table199","schema":{"fields":[{"name":"String","type":"string"}]},"row_read_perm":["user:*"],"row_write_perm":["user:*"],"write_perm":["user:*"]}`
)

func q(params ...string) string { return query(params...) }

// tableSamples are those of open-api-tables.txt.
var tableSamples = []sample{
	{name: "create", method: "POST", path: "/oserve/v1/table/", body: newTable, want: 201, shape: tableShape},
	{name: "get", method: "GET", path: "/oserve/v1/table/1/", want: 200, shape: tableShape},
	{name: "list by name", method: "GET", path: "/oserve/v1/table/?name=Table", want: 200, shape: listShape},
	{name: "list", method: "GET", path: "/oserve/v1/table/", want: 200, shape: listShape},
	{name: "update", method: "PUT", path: "/oserve/v1/table/1/", body: `{"name":"table"}`, want: 200, shape: tableShape},
	{name: "delete, curl", method: "DELETE", path: "/oserve/v1/table/1/", want: 204, cookie: true},
	{name: "delete, php", method: "DELETE", path: "/oserve/v1/table/1/", want: 204},
}

// recordSamples are those of open-api-records.txt.
var recordSamples = []sample{
	{name: "query, curl: where is not JSON", method: "GET", path: one + q("where", `{"price":"$eq":10}`), want: 400, shape: "error_msg status"},
	{name: "query, nested", method: "GET", path: product + q("where", `{"$or":[{"$and":[{"price":{"$eq":10}},{"name":{"$contains":"包"}}]},{"price":{"$gt":100}}]}`), want: 200, shape: listShape},
	{name: "query, count", method: "GET", path: product + "?limit=1&return_total_count=1", want: 200, shape: listShape},
	{name: "query, ordered", method: "GET", path: product + "?order_by=created_at", want: 200, shape: listShape},
	{name: "query, ordered backwards", method: "GET", path: product + "?order_by=-created_at", want: 200, shape: listShape},
	{name: "query, node", method: "GET", path: product + q("where", `{"price":{"$eq":10}}`, "order_by", "-created_at", "offset", "0", "limit", "20", "return_total_count", "0"), want: 200, shape: listShape},
	{name: "query, python", method: "GET", path: product + q("where", `{"price": {"$gt": 100}}`, "order_by", "-created_at", "limit", "10", "offset", "0", "return_total_count", "0"), want: 200, shape: listShape},
	{name: "query, php", method: "GET", path: one + q("order_by", "-created_at", "where", `{"price":{"$gt":"test search"}}`, "limit", "10", "offset", "0", "return_total_count", "0"), want: 200, shape: listShape},

	{name: "get, node", method: "GET", path: product + "5a2fa9b008443e59e0e678xx/", want: 200, shape: rowShape + " amount name pointer price tag user"},
	{name: "get, php", method: "GET", path: one + "5a2fa9b008443e59e0e678xx/", want: 200, shape: rowShape + " name price"},

	{name: "create, file", method: "GET", path: fileURL, want: 200, shape: "cdn_path created_at id mime_type name path size"},
	{
		name: "create, node", method: "POST", path: product, want: 201, shape: rowShape + " amount code desc file geo name obj pointer price",
		body: `{"name":"nickname","desc":["description"],"price":19,"amount":19,"code":"18814098707","obj":{"a":1,"b":2},"geo":{"coordinates":[10,10],"type":"Point"},"file":FILE,"pointer":"72477415"}`,
	},
	{
		name: "create, php: file is a text and desc no array", method: "POST", path: product, want: 201, shape: rowShape + " amount code geo name obj pointer price",
		body: `{"name":"nickname","desc":"description","price":19,"amount":19,"code":"18814098707","obj":{"a":1,"b":2},"geo":{"coordinates":[10,10],"type":"Point"},"file":"{}","pointer":"72477415"}`,
	},

	{name: "update, node", method: "PUT", path: product6 + "5a6ee2ab4a7baa1fc083e3xx/", body: `{"name":"nickname"}`, want: 201, shape: rowShape + " name price released"},
	{name: "update, php", method: "PUT", path: one6 + "5a6ee2ab4a7baa1fc083e3xx/", body: `{"name":"nickname"}`, want: 201, shape: rowShape + " desc name price"},
	{name: "unset, node", method: "PUT", path: product6 + "5a33406909a805412e3169xx/", body: `{"$unset":{"example":""}}`, want: 200, shape: rowShape + " desc name price"},
	{name: "unset, php", method: "PUT", path: one6 + "5a6ee2ab4a7baa1fc083e3xx/", body: `{"$unset":{"example":[""]}}`, want: 200, shape: rowShape + " desc name price"},
	{name: "unset, text: unknown column", method: "PUT", path: product6 + "5a33406909a805412e3169xx/", body: `{"$unset":{"expample":""}}`, want: 200, shape: rowShape + " desc example name price"},
	{name: "acl", method: "PUT", path: product6 + "5a6ee2ab4a7baa1fc083e3xx/", body: `{"write_perm":["gid:656","user:37087886"],"read_perm":["user:37087886"]}`, want: 200, shape: rowShape + " name price released"},
	{name: "delete, node", method: "DELETE", path: product + "5a6ee2ab4a7baa1fc083e3xx/", want: 204},
	{name: "delete, php", method: "DELETE", path: one + "5a6ee2ab4a7baa1fc083e3xx/", want: 204},
	{name: "atomic, incr", method: "PUT", path: product6 + "5a33406909a805412e3169xx/", body: `{"price":{"$incr_by":1}}`, want: 200, shape: rowShape + " desc example name price"},
	{name: "atomic, append", method: "PUT", path: product6 + "5a33406909a805412e3169xx/", body: `{"tag":{"$append":["Hello"]}}`, want: 200, shape: rowShape + " desc example name price tag"},
	{name: "atomic, append_unique", method: "PUT", path: product6 + "5a2fa9b008443e59e0e678xx/", body: `{"tag":{"$append_unique":["Hello"]}}`, want: 200, shape: rowShape + " amount name pointer price tag user"},
	{name: "atomic, remove", method: "PUT", path: product6 + "5a2fa9b008443e59e0e678xx/", body: `{"tag":{"$remove":["Hello"]}}`, want: 200, shape: rowShape + " amount name pointer price tag user"},
	{name: "atomic, node", method: "PUT", path: product6 + "5a33406909a805412e3169xx/", body: `{"desc":{"$append":["atomic data"]},"price":{"$incr_by":-1}}`, want: 200, shape: rowShape + " desc example name price"},
	{name: "atomic, php", method: "PUT", path: one6 + "5a6ee2ab4a7baa1fc083e3xx/", body: `{"desc":{"$append":["atomic data"]},"price":{"$incr_by":-1}}`, want: 200, shape: rowShape + " desc name price"},

	{name: "pointer query, node", method: "GET", path: product + q("where", `{"user":{"$eq":"5bf4f7457fed8d6c2f5c3d6e"}}`, "order_by", "id", "offset", "0", "limit", "20"), want: 200, shape: listShape},
	{name: "pointer query, python", method: "GET", path: product + q("where", `{"user": {"$eq": "5bf4f7457fed8d6c2f5c3d6e"}}`, "order_by", "-id", "limit", "10", "offset", "0"), want: 200, shape: listShape},
	{name: "pointer query, php", method: "GET", path: one + q("where", `{"user":{"$eq":"5bf4f7457fed8d6c2f5c3d6e"}}`, "order_by", "-id", "limit", "10", "offset", "0"), want: 200, shape: listShape},
	{name: "expand, text", method: "GET", path: product + "?expand=pointer,created_by&keys=created_by.nickanme,created_by.avatar,pointer.customized_field", want: 200, shape: listShape},
	{name: "expand, node", method: "GET", path: product + q("where", `{"price":{"$eq":10}}`, "order_by", "id", "offset", "0", "limit", "20", "expand", "pointer,created_by", "keys", "pointer.customized_field"), want: 200, shape: listShape},
	{name: "expand, python", method: "GET", path: product + q("where", `{"price": {"$gt": 100}}`, "order_by", "-id", "limit", "10", "offset", "0", "expand", "pointer,created_by", "keys", "pointer.customized_field"), want: 200, shape: listShape},
	{name: "expand, php", method: "GET", path: one + q("where", `{"price":{"$gt":"test search"}}`, "order_by", "-id", "limit", "10", "offset", "0", "expand", "pointer,created_by", "keys", "pointer.customized_field"), want: 200, shape: listShape},
	{
		name: "pointer create, node", method: "POST", path: product, want: 201, shape: rowShape + " amount code desc name pointer price",
		body: `{"name":"nickname","desc":["description"],"price":19,"amount":19,"code":"18814098707","pointer":"5a2fa9b008443e59e0e67889"}`,
	},
	{name: "pointer create, php", method: "POST", path: one, body: `{"pointer":"5a2fa9b008443e59e0e67889"}`, want: 201, shape: rowShape + " pointer"},
	{name: "pointer update, node: no slash", method: "PUT", path: product6 + "5a6ee2ab4a7baa1fc083e3xx", body: `{"pointer":"5a2fa9b008443e59e0e67889"}`, want: 200, shape: rowShape + " name pointer price released"},
	{name: "pointer update, php", method: "PUT", path: one6 + "5a6ee2ab4a7baa1fc083e3xx/", body: `{"pointer":"5a2fa9b008443e59e0e67889"}`, want: 200, shape: rowShape + " desc name pointer price"},

	{name: "bulk create, curl", method: "POST", path: people, body: `[{"name": "Sam", "pretty": true}, {"name": "Sam", "pretty": true}]`, want: 201, shape: "operation_result succeed total_count"},
	{name: "bulk create, node", method: "POST", path: people, body: `[{"name":"Sam","pretty":true},{"name":"Andrew","pretty":false}]`, want: 201, shape: "operation_result succeed total_count"},
	{name: "bulk create, php", method: "POST", path: people, body: `[{"name":"Sam","pretty":true},{"name":"Andrew","pretty":true}]`, want: 201, shape: "operation_result succeed total_count"},
	{name: "bulk update", method: "PUT", path: people6, body: `{"name": "Sam"}`, want: 200, shape: "limit next offset operation_result succeed"},
	{name: "bulk delete, curl", method: "DELETE", path: people + q("where", `{"pretty": true}`), want: 200, shape: "limit next offset succeed"},
	{name: "bulk delete, node", method: "DELETE", path: people + q("where", `{"pretty":true}`), want: 200, shape: "limit next offset succeed"},
	{name: "bulk delete, php: where is not JSON", method: "DELETE", path: people + q("where", `{'pretty': true}`), want: 400, shape: "error_msg status"},
}

// shop is a server with the data that cmd/minapp-emulator ships.
func shop(t *testing.T) *emulator {
	t.Helper()
	s := minapptest.NewServer(t)
	data, err := os.ReadFile("../cmd/minapp-emulator/testdata/shop.json")
	require.NoError(t, err)
	require.NoError(t, s.LoadData(bytes.NewReader(data)))
	return &emulator{Server: s, t: t}
}

// The samples of the documentation work.
func TestDocumentedSamples(t *testing.T) {
	for _, samples := range [][]sample{tableSamples, recordSamples} {
		for _, tt := range samples {
			t.Run(tt.name, func(t *testing.T) {
				e := shop(t)
				credentials := []string{"Content-Type", "application/json; charset=utf-8"}
				if tt.cookie {
					credentials = []string{"Authorization", "", "Cookie", "sessionid=1"}
				}
				body := strings.Replace(tt.body, "FILE", e.send("GET", fileURL, "").text, 1)
				r := e.send(tt.method, tt.path, body, credentials...)
				require.Equal(t, tt.want, r.status, r.text)
				require.ElementsMatch(t, strings.Fields(tt.shape), keys(r.json))
			})
		}
	}
}

func keys(m map[string]any) []string {
	out := []string{}
	for k := range m {
		out = append(out, k)
	}
	return out
}

// What the samples find is what they say they look for.
func TestDocumentedSamplesFindTheRightRows(t *testing.T) {
	e := shop(t)
	nested := `{"$or":[{"$and":[{"price":{"$eq":10}},{"name":{"$contains":"包"}}]},{"price":{"$gt":100}}]}`
	require.Equal(t, list("帆布包", "小米无线耳机"), e.send("GET", product+q("where", nested), "").column("name"))
	require.Equal(t, list("帆布包"), e.send("GET", product+q("where", `{"user":{"$eq":"5bf4f7457fed8d6c2f5c3d6e"}}`), "").column("name"))
	require.Equal(t, list("Sam", "Lily"), e.send("GET", people+q("where", `{"pretty":true}`, "order_by", "id"), "").column("name"))
	require.Equal(t, list("Table"), e.send("GET", "/oserve/v1/table/?name=Table", "").column("name"))
}

// The documented answers before and after expanding.
func TestDocumentedExpand(t *testing.T) {
	e := shop(t)
	subset := func(text string) map[string]any {
		var all map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &all))
		got := map[string]any{}
		for _, k := range []string{"created_at", "created_by", "id", "name", "price", "pointer"} {
			got[k] = all[k]
		}
		return got
	}
	const path = product + "5a2fa9b008443e59e0e67829/"
	require.JSONEq(t, `{"created_at":1516118400,"created_by":1234,"id":"5a2fa9b008443e59e0e67829","name":"小米无线耳机","price":199,
		"pointer":{"id":"5a2fa9b008443e59e0e67889","_table":"pointer"}}`, string(mustJSON(subset(e.send("GET", path, "").text))))
	expanded := e.send("GET", path+"?expand=pointer,created_by&keys=created_by.nickname,created_by.avatar,pointer.customized_field", "").text
	require.JSONEq(t, `{"created_at":1516118400,"created_by":{"avatar":"https://media.ifanrusercontent.com/tavatar/fb/cd/xxxx.jpg","nickname":"Larry。"},
		"id":"5a2fa9b008443e59e0e67829","name":"小米无线耳机","price":199,"pointer":{"_table":"pointer","customized_field":"field_content"}}`,
		string(mustJSON(subset(expanded))))
}

// The samples of the asynchronous calls are those of the synchronous ones, with
// more than a thousand rows to change.
func TestDocumentedAsynchronousSamples(t *testing.T) {
	e := shop(t)
	rows := make([]any, 1000)
	for i := range rows {
		rows[i] = map[string]any{"name": strconv.Itoa(i), "pretty": true}
	}
	_, err := e.Seed(70264, rows...)
	require.NoError(t, err)

	require.JSONEq(t, `{"status":"ok","operation_id":1}`, e.send("PUT", people6, `{"name": "Sam"}`).text)
	r := e.send("GET", "/oserve/v1/bulk-operation/1/", "")
	require.Equal(t, 200, r.status)
	require.ElementsMatch(t, strings.Fields("id schema_id schema_name operation status created_at updated_at matched_count modified_count"), keys(r.json))
	require.JSONEq(t, `{"status":"ok","operation_id":2}`, e.send("DELETE", people+"?where="+url.QueryEscape(`{"pretty": true}`), "").text)
	require.Equal(t, list("Sam"), e.send("GET", people, "").column("name"))
}

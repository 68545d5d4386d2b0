package minapptest_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/minapp-go/minapp/minapptest"
	"github.com/stretchr/testify/require"
)

func TestBulkCreate(t *testing.T) {
	e := newEmulator(t)
	require.Equal(t, 201, e.send("POST", "/oserve/v2.6/schema/3906/index/", `{"fields":["name"]}`).status)

	r := e.send("POST", recordURL, ` [{"name":"a","created_at":5},{"name":"a"},{"name":"b","price":"wrong"}]`)

	require.Equal(t, 201, r.status)
	results := r.json["operation_result"].([]any)
	require.Len(t, results, 3)
	rows := e.Rows(e.table)
	require.Equal(t, map[string]any{"success": map[string]any{"id": rows[0]["id"], "created_at": json.Number("5")}}, results[0])
	require.Equal(t, map[string]any{"error": map[string]any{
		"code":    json.Number("11000"),
		"err_msg": "数据写入失败,具体错误信息可联系知晓云微信客服:minsupport3 获取。",
	}}, results[1])
	require.Equal(t, map[string]any{"success": map[string]any{"id": rows[1]["id"], "created_at": json.Number("1700000000")}}, results[2])
	require.Equal(t, json.Number("3"), r.json["total_count"])
	require.Equal(t, json.Number("2"), r.json["succeed"])
	require.Len(t, rows, 2)
	require.Equal(t, 1, e.Count("bulk.create"))
	require.Zero(t, e.Count("records.create"))
}

func TestBulkCreateRefuses(t *testing.T) {
	e := newEmulator(t)
	for _, body := range []string{`[]`, `[1]`, `[{"name":1}]`, `[{"name":"a"},{"name":1}]`, `[`} {
		require.Equal(t, 400, e.send("POST", recordURL, body).status, body)
	}
	items := "[" + strings.TrimSuffix(strings.Repeat(`{"name":"a"},`, 1001), ",") + "]"
	require.Equal(t, 400, e.send("POST", recordURL, items).status)
	require.Empty(t, e.Rows(e.table))
	require.Equal(t, 404, e.send("POST", "/oserve/v2.4/table/1/record/", `[{}]`).status)
}

func (e *emulator) seedMany(n int) {
	e.t.Helper()
	rows := make([]any, n)
	for i := range rows {
		rows[i] = map[string]any{"amount": i, "pretty": i%2 == 0}
	}
	_, err := e.Seed(e.table, rows...)
	require.NoError(e.t, err)
}

func TestBulkUpdate(t *testing.T) {
	e := newEmulator(t)
	e.seedMany(10)
	e.clock.Advance(time.Second)

	r := e.send("PUT", updateURL+query("where", `{"pretty":true}`, "limit", "3", "return_total_count", "1"), `{"amount":{"$incr_by":100}}`)

	require.Equal(t, 200, r.status, r.text)
	require.Len(t, r.json["operation_result"], 3)
	require.Contains(t, r.text, `{"success":{"updated_at":1700000001,"id":"`)
	require.Equal(t, json.Number("3"), r.json["succeed"])
	require.Equal(t, json.Number("5"), r.json["total_count"])
	require.Contains(t, r.json["next"], "offset=3")
	require.Len(t, e.list("where", `{"amount":{"$gte":100}}`).column("id"), 3)

	r = e.send("PUT", updateURL, `{"name":"Sam"}`)
	require.Equal(t, json.Number("10"), r.json["succeed"])
	require.Equal(t, json.Number("1000"), r.json["limit"])
	require.Nil(t, r.json["next"])
	require.NotContains(t, r.json, "total_count")

	require.Equal(t, 400, e.send("PUT", updateURL, `{"name":{"$mul":1}}`).status)
	require.Equal(t, 400, e.send("PUT", updateURL+query("where", `{"x":1}`), `{"name":"a"}`).status)
	require.Equal(t, 404, e.send("PUT", "/oserve/v2.6/table/1/record/", `{"name":"a"}`).status)
}

func TestBulkUpdateReportsEachRow(t *testing.T) {
	e := newEmulator(t)
	e.seedMany(2)
	e.seed(`{"obj":{"n":"text"},"amount":9223372036854775807}`)
	require.Equal(t, 201, e.send("POST", "/oserve/v2.6/schema/3906/index/", `{"fields":["name"]}`).status)

	r := e.send("PUT", updateURL+query("order_by", "id"), `{"amount":{"$incr_by":1}}`)
	require.Equal(t, json.Number("2"), r.json["succeed"])
	require.Contains(t, r.text, `"code":16837`)

	r = e.send("PUT", updateURL, `{"name":"same"}`)
	require.Equal(t, json.Number("1"), r.json["succeed"])
	require.Equal(t, 2, strings.Count(r.text, `"code":11000`))
}

func TestBulkDelete(t *testing.T) {
	e := newEmulator(t)
	e.seedMany(10)

	r := e.send("DELETE", recordURL+query("where", `{"pretty":true}`, "limit", "3", "return_total_count", "1"), "")

	require.Equal(t, 200, r.status)
	require.NotNil(t, r.json["next"])
	delete(r.json, "next")
	require.JSONEq(t, `{"succeed":3,"limit":3,"offset":0,"total_count":5}`, string(mustJSON(r.json)))
	require.Len(t, e.Rows(e.table), 7)
	require.JSONEq(t, `{"succeed":7,"limit":1000,"offset":0,"next":null}`, e.send("DELETE", recordURL, "").text)
	require.Empty(t, e.Rows(e.table))
	require.Equal(t, 400, e.send("DELETE", recordURL+"?where=", "").status, "an empty where is not everything")
}

// More matches than one call may touch and no limit within it: the answer names
// a job, and all rows change when it is over.
func TestBulkTurnsAsynchronous(t *testing.T) {
	e := newEmulator(t, minapptest.WithLimits(minapptest.Limits{BulkMax: 10, BulkDelay: time.Minute}))
	e.seedMany(25)
	job := func(id string) string { return e.send("GET", "/oserve/v1/bulk-operation/"+id+"/", "").text }
	named := func() int { return len(e.list("where", `{"name":"Sam"}`, "limit", "1000").column("id")) }

	require.JSONEq(t, `{"status":"ok","operation_id":1}`, e.send("PUT", updateURL, `{"name":"Sam"}`).text)
	require.JSONEq(t, `{"id":1,"schema_id":3906,"schema_name":"product","operation":"update","status":"pending",
		"created_at":1700000000,"updated_at":1700000000,"matched_count":25,"modified_count":0}`, job("1"))
	require.Zero(t, named(), "nothing changes before it is over")
	gone := e.Rows(e.table)[0]["id"].(string)
	require.Equal(t, 204, e.send("DELETE", recordURL+gone+"/", "").status)
	e.clock.Advance(59 * time.Second)
	require.Contains(t, job("1"), `"status":"pending"`)
	e.clock.Advance(time.Hour)
	require.JSONEq(t, `{"id":1,"schema_id":3906,"schema_name":"product","operation":"update","status":"success",
		"created_at":1700000000,"updated_at":1700000060,"matched_count":25,"modified_count":24}`, job("1"))
	require.Equal(t, 24, named())
	require.Equal(t, json.Number("1700000060"), e.Rows(e.table)[0]["updated_at"], "when it was over")

	require.NotContains(t, e.send("DELETE", recordURL+"?limit=10", "").json, "operation_id")
	require.JSONEq(t, `{"status":"ok","operation_id":2}`, e.send("DELETE", recordURL+"?limit=11", "").text)
	require.Contains(t, job("2"), `"deleted_count":0`)
	require.Len(t, e.Rows(e.table), 14)
	e.clock.Advance(time.Minute)
	require.Empty(t, e.Rows(e.table))
	require.Contains(t, job("2"), `"deleted_count":14`)
	require.Equal(t, 404, e.send("GET", "/oserve/v1/bulk-operation/3/", "").status)
}

// The answers of calls by filter that are carried out at once, member by member.
func TestBulkAnswers(t *testing.T) {
	e := newEmulator(t)
	ids := e.seed(`{"amount":1}`, `{"amount":9223372036854775807}`)

	require.JSONEq(t, `{"succeed":1,"limit":1000,"offset":0,"next":null,"total_count":2,"operation_result":[
		{"success":{"id":"`+ids[0]+`","updated_at":1700000000}},
		{"error":{"code":16837,"err_msg":"数据写入失败,具体错误信息可联系知晓云微信客服:minsupport3 获取。"}}]}`,
		e.send("PUT", updateURL+query("return_total_count", "1", "where", `{"id":{"$in":["`+ids[0]+`","`+ids[1]+`","gone"]}}`, "order_by", "id"), `{"amount":{"$incr_by":1}}`).text)
	require.JSONEq(t, `{"succeed":0,"limit":1000,"offset":0,"next":null,"operation_result":[]}`,
		e.send("PUT", updateURL+query("where", `{"amount":5}`), `{"amount":6}`).text)
}

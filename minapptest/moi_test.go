package minapptest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

const taskURL = "/byoa/api/v1/export/task/"

// moi sends a call of the second service and returns its data.
func (e *emulator) moi(path, body string) any {
	e.t.Helper()
	r := e.send("POST", taskURL+path, body, "moi-key", "key")
	require.Equal(e.t, 200, r.status, r.text)
	require.Equal(e.t, "ok", r.json["code"], r.text)
	return r.json["data"]
}

func newTask(files ...string) string {
	var list []string
	for _, id := range files {
		list = append(list, fmt.Sprintf(`{"file_id":%q,"full_path":["vol",%q],"is_raw":false}`, id, id+".pdf"))
	}
	return fmt.Sprintf(`{"task_name":"n","creator":"ops","connector_id":1,"connector_name":"kb","type":1,
		"config":{"dify_config":{"dataset_id":"d","dataset_name":"n","embedding_model":"m"}},"files":[%s]}`, strings.Join(list, ","))
}

func newMOI(t *testing.T) *emulator {
	t.Helper()
	e := newEmulator(t)
	e.MOI().AddConnector(minapptest.MOIConnector{ID: 1, Name: "kb"})
	return e
}

// state is status and counters of a task: total, pending, running, failed, completed.
func (e *emulator) state(id string) string {
	e.t.Helper()
	data := e.moi("info", `{"id":"`+id+`"}`).(map[string]any)
	stats := data["file_stats"].(map[string]any)
	return fmt.Sprintln(data["status"], stats["total"], stats["pending"], stats["running"], stats["failed"], stats["completed"], data["end_time"] != nil)
}

func TestMOITasksProgressOnTheClock(t *testing.T) {
	e := newMOI(t)
	e.MOI().SetPace(10 * time.Second)
	e.MOI().FailFiles("too large", "b")
	require.Nil(t, e.moi("create", newTask("a", "b")), "no id is answered")
	tasks := e.moi("list", `{}`).(map[string]any)["tasks"].([]any)
	id := tasks[0].(map[string]any)["id"].(string)
	require.Equal(t, "1 2 2 0 0 0 false\n", e.state(id))
	for _, want := range []string{"1 2 1 1 0 0 false\n", "1 2 0 1 0 1 false\n", "2 2 0 0 1 1 true\n"} {
		e.clock.Advance(10 * time.Second)
		require.Equal(t, want, e.state(id))
	}
	failed := e.moi("files", `{"task_id":"`+id+`","statuses":[3]}`).(map[string]any)["files"].([]any)
	require.Len(t, failed, 1)
	require.Equal(t, "导出失败:too large", failed[0].(map[string]any)["details"])

	e.MOI().FailFiles("", "b")
	require.Nil(t, e.moi(id+"/rerun", ""))
	require.Equal(t, "1 2 1 0 0 1 false\n", e.state(id), "only what failed runs again")
	e.clock.Advance(20 * time.Second)
	require.Equal(t, "2 2 0 0 0 2 true\n", e.state(id))
	require.Nil(t, e.moi("delete", `{"id":"`+id+`"}`))
	require.Empty(t, e.moi("list", `{}`).(map[string]any)["tasks"])
}

func TestMOIListsFilterAndOrder(t *testing.T) {
	e := newEmulator(t)
	for i, task := range []minapptest.MOITask{
		{ID: "a", Name: "n", Creator: "x", ConnectorName: "k", Files: []minapptest.MOIFile{{Status: 2}}},
		{ID: "b", Name: "n", Creator: "x", ConnectorName: "l", Files: []minapptest.MOIFile{{Status: 3}}},
		{ID: "c", Name: "n", Creator: "y", ConnectorName: "k", Files: []minapptest.MOIFile{{Status: 1}}},
	} {
		task.CreateTime = time.Unix(int64(1000+i), 0)
		e.MOI().AddTask(task)
	}
	for body, want := range map[string]string{
		`{}`:                                    "[c b a] 3",
		`{"order_direction":"asc"}`:             "[a b c] 3",
		`{"order_by":"created_at","limit":2}`:   "[c b] 3",
		`{"offset":2,"limit":2}`:                "[a] 3",
		`{"offset":9}`:                          "[] 3",
		`{"limit":0}`:                           "[] 3",
		`{"creator":"x"}`:                       "[b a] 2",
		`{"connector_name":"k"}`:                "[c a] 2",
		`{"task_id":"b"}`:                       "[b] 1",
		`{"statuses":[1,3]}`:                    "[c b] 2",
		`{"statuses":[2],"creator":"y"}`:        "[] 0",
		`{"creator":"x","connector_name":null}`: "[b a] 2",
	} {
		data := e.moi("list", body).(map[string]any)
		ids := []any{}
		for _, task := range data["tasks"].([]any) {
			ids = append(ids, task.(map[string]any)["id"])
		}
		require.Equal(t, want, fmt.Sprintf("%v %v", ids, data["total"]), body)
	}
}

func TestMOIRefusals(t *testing.T) {
	e := newMOI(t)
	for _, tt := range []struct {
		path, body string
		status     int
		text       string
	}{
		{"create", ``, 422, `{"detail":[{"loc":["body"],"msg":"Field required","type":"missing"}]}`},
		{"create", `{`, 422, `json_invalid`},
		{"create", `[]`, 422, `type_error`},
		{"create", `{}`, 422, `["body","task_name"]`},
		{"create", strings.Replace(newTask("a"), `"is_raw":false`, `"x":1`, 1), 422, `["body","files",0,"is_raw"]`},
		{"create", strings.Replace(newTask("a"), `"connector_id":1`, `"connector_id":"1"`, 1), 422, `["body","connector_id"]`},
		{"create", strings.Replace(newTask("a"), `"dataset_id":"d",`, ``, 1), 422, `["body","config","dify_config","dataset_id"]`},
		{"create", strings.Replace(newTask("a"), `"dify_config":{`, `"mo_config":{"column":{"export_column":[],"combine_column":null}`, 1), 422, `json_invalid`},
		{"create", strings.Replace(newTask("a"), `"config":{`, `"config":{"mo_config":{"database_name":"d","table_name":"t","duplicated_strategy":1,"column":{"export_column":[],"combine_column":null}},`, 1), 422, `["body","config","mo_config","column","combine_column"]`},
		{"create", strings.Replace(newTask("a"), `"connector_id":1`, `"connector_id":2`, 1), 200, `"code":"ErrServer"`},
		{"list", `{"limit":"x"}`, 422, `limit`},
		{"list", `{"offset":-1}`, 422, `offset`},
		{"list", `{"order_by":"weather"}`, 200, `ErrServer`},
		{"files", `{}`, 422, `["body","task_id"]`},
		{"files", `{"task_id":"x"}`, 200, `ErrServer`},
		{"info", `{}`, 422, `["body","id"]`},
		{"info", `{"id":"x"}`, 200, `ErrServer`},
		{"x/rerun", ``, 200, `ErrServer`},
		{"x/rerun", `{`, 400, `{"error":"invalid request body"}`},
		{"delete", `{`, 400, `{"error":"invalid request body"}`},
		{"delete", `{"id":"x"}`, 200, `ErrServer`},
	} {
		r := e.send("POST", taskURL+tt.path, tt.body, "moi-key", "key")
		require.Equal(t, tt.status, r.status, "%s %s: %s", tt.path, tt.body, r.text)
		require.Contains(t, r.text, tt.text, "%s %s", tt.path, tt.body)
	}
	require.Equal(t, 404, e.send("POST", "/byoa/api/v1/export/task/none", "", "moi-key", "key").status)
	require.Equal(t, 405, e.send("GET", taskURL+"list", "", "moi-key", "key").status)
	require.Equal(t, 400, e.send("GET", "/connectors/list?page=0", "", "moi-key", "key").status)
	require.Equal(t, 400, e.send("GET", "/connectors/list?page_size=x", "", "moi-key", "key").status)
}

func TestMOIKey(t *testing.T) {
	for _, tt := range []struct {
		server []minapptest.Option
		key    string
		want   int
	}{
		{nil, "anything", 200},
		{nil, "", 401},
		{[]minapptest.Option{minapptest.WithMOIKey("k")}, "k", 200},
		{[]minapptest.Option{minapptest.WithMOIKey("k")}, "other", 401},
		{[]minapptest.Option{minapptest.WithMOIKey("k")}, "", 401},
	} {
		e := newEmulator(t, tt.server...)
		require.Equal(t, tt.want, e.send("POST", taskURL+"list", `{}`, "moi-key", tt.key).status)
		for _, r := range e.Requests() {
			require.Empty(t, r.Header.Get("moi-key"), "the log holds no key")
		}
	}
	s := minapptest.NewServer(t, minapptest.WithMOIKey("k"))
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	_, err = client.Connectors.Find(t.Context(), "none")
	require.ErrorIs(t, err, minapp.ErrNotFound, "the options hold the key and both addresses")
}

func TestMOIDataIsChecked(t *testing.T) {
	for _, text := range []string{
		`{"moi":{"connectors":[{"id":1}]}}`, `{"moi":{"tasks":[{"id":"t"}]}}`, `{"moi":{"task":[]}}`,
	} {
		require.Error(t, minapptest.New().LoadData(strings.NewReader(text)), text)
	}
}

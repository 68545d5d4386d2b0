package minapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/internal/fixture"
	"github.com/minapp-go/minapp/internal/operation"
)

const moiHost = "https://freetier-01.cn-hangzhou.cluster.matrixonecloud.cn"

// The tasks of the samples.
var (
	difySpec = byoa.TaskSpec{
		Name: "导出到 Dify 任务", Creator: "admin", ConnectorID: "1", ConnectorName: "Dify 连接器",
		Config: byoa.Dify("dataset_123", "测试数据集", "text-embedding-ada-002"),
		Files:  []byoa.FileSpec{{ID: "file_456", Path: []string{"data", "documents", "test.pdf"}}},
	}
	storageSpec = byoa.TaskSpec{
		Name: "导出到 S3 任务", Creator: "admin", ConnectorID: "2", ConnectorName: "S3 连接器",
		Config: byoa.ObjectStorage("/export/data/", byoa.Zip),
		Files:  []byoa.FileSpec{{ID: "file_789", Path: []string{"data", "processed", "result.json"}}},
	}
	matrixOneConfig = byoa.MatrixOneConfig{
		Database: "test_db", Table: "documents", NewTable: true,
		Columns: []byoa.Column{{Source: "content", Target: "doc_content"}, {Source: "title", Target: "doc_title"}},
		Combine: []string{"content", "title"}, Duplicates: byoa.Overwrite,
	}
	matrixOneSpec = byoa.TaskSpec{
		Name: "导出到 MatrixOne 任务", Creator: "admin", ConnectorID: "3", ConnectorName: "MatrixOne 连接器", Config: matrixOneConfig,
		Files: []byoa.FileSpec{{ID: "file_101", Path: []string{"data", "documents", "report.pdf"}}},
	}
)

// createTask makes a task and sees the one that is there afterwards.
func createTask(spec byoa.TaskSpec) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		task, err := c.ExportTasks.Create(ctx, spec)
		if task == nil {
			return wireResult{err: err}
		}
		return wireResult{err: err, seen: task.ID + " " + task.Name, said: func(sent json.RawMessage, _ fixture.Response) any {
			return "task_new " + memberOf(parseJSON(sent), "task_name").(string)
		}}
	}
}

func listTasks(q byoa.TaskQuery) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		page, err := c.ExportTasks.Page(ctx, q)
		if page == nil {
			return wireResult{err: err}
		}
		tasks := []any{}
		for _, task := range page.Tasks {
			tasks = append(tasks, map[string]any{
				"id": task.ID, "name": task.Name, "connector_name": task.ConnectorName, "type": int(task.Type), "status": int(task.Status),
				"export_source": task.Sources, "create_time": orNull(task.Created), "end_time": orNull(task.Ended),
			})
		}
		return moiResult(err, map[string]any{"tasks": tasks, "total": page.Total})
	}
}

func getTask(ctx context.Context, c *minapp.Client) wireResult {
	task, err := c.ExportTasks.Get(ctx, "task_123")
	if task == nil {
		return wireResult{err: err}
	}
	return moiResult(err, map[string]any{
		"id": task.ID, "name": task.Name, "creator": task.Creator, "connector_name": task.ConnectorName, "type": int(task.Type),
		"status": int(task.Status), "config": task.Config, "create_time": orNull(task.Created), "end_time": orNull(task.Ended),
		"file_stats": map[string]any{
			"total": task.Counts.Total, "pending": task.Counts.Pending, "running": task.Counts.Running,
			"failed": task.Counts.Failed, "completed": task.Counts.Completed, "fileSuccess": task.FileSuccess, "fileFail": task.FileFail,
		},
	})
}

func listTaskFiles(q byoa.FileQuery) wireCase {
	return func(ctx context.Context, c *minapp.Client) wireResult {
		page, err := c.ExportTasks.FilePage(ctx, "task_123", q)
		if page == nil {
			return wireResult{err: err}
		}
		files := []any{}
		for _, f := range page.Files {
			files = append(files, map[string]any{
				"id": f.ID, "status": int(f.Status), "full_path": f.Path, "details": orNull(f.Details), "create_time": orNull(f.Created),
				"start_time": orNull(f.Started), "end_time": orNull(f.Ended), "file_name": f.Name, "file_type": json.RawMessage(f.Type),
			})
		}
		return moiResult(err, map[string]any{
			"files": files, "total": page.Total, "total_files": page.TotalFiles, "total_success": page.TotalSuccess, "total_failure": page.TotalFailure,
		})
	}
}

func rerunTask(ctx context.Context, c *minapp.Client) wireResult {
	return moiResult(c.ExportTasks.Rerun(ctx, "task_123"), nil)
}

func deleteTask(ctx context.Context, c *minapp.Client) wireResult {
	return moiResult(c.ExportTasks.Delete(ctx, "task_123"), nil)
}

func listConnectors(ctx context.Context, c *minapp.Client) wireResult {
	connectors := []any{}
	for x, err := range c.Connectors.All(ctx) {
		if err != nil {
			return wireResult{err: err}
		}
		object := map[string]any{
			"id": json.RawMessage(x.ID), "name": x.Name, "source_type": int(x.SourceType), "status": x.Status, "usage_type": x.Usage,
			"created_at": json.RawMessage(x.Created), "updated_at": json.RawMessage(x.Updated), "username": x.Username,
		}
		related := []any{}
		for _, id := range x.RelatedTaskIDs {
			related = append(related, json.RawMessage(id))
		}
		object["related_task_ids"] = related
		if settings := x.Settings.Reveal(); memberOf(parseJSON(settings), "oss") != nil {
			object["oss"] = memberOf(parseJSON(settings), "oss")
		} else {
			object["config"] = settings
		}
		connectors = append(connectors, object)
	}
	return moiResult(nil, map[string]any{"connectors": connectors, "total": len(connectors)})
}

// orNull spells a text that is not there as the service does.
func orNull[T ~string](s T) any {
	if s == "" {
		return nil
	}
	return s
}

// moiResult is what was seen, put together again as the service spells it.
func moiResult(err error, seen any) wireResult {
	return wireResult{err: err, seen: parseJSON(mustJSON(seen)), said: func(_ json.RawMessage, r fixture.Response) any {
		return memberOf(parseJSON(r.Body), "data")
	}}
}

func specWith(spec byoa.TaskSpec, change func(*byoa.TaskSpec)) byoa.TaskSpec {
	spec.Files = slices.Clone(spec.Files)
	change(&spec)
	return spec
}

var moiCases = map[string]wireCase{
	"exporttasks.create/dify":              createTask(difySpec),
	"exporttasks.create/no-such-connector": createTask(difySpec),
	"exporttasks.create/unauthorized":      createTask(difySpec),
	"exporttasks.create/object-storage":    createTask(storageSpec),
	"exporttasks.create/matrixone":         createTask(matrixOneSpec),
	"exporttasks.create/matrixone-explicit": createTask(specWith(matrixOneSpec, func(s *byoa.TaskSpec) {
		s.Name = "nothing left out"
		s.Config = byoa.MatrixOne("test_db", "documents", matrixOneConfig.Columns...)
		s.Files[0].Raw = true
	})),
	"exporttasks.create/connector-type": createTask(specWith(storageSpec, func(s *byoa.TaskSpec) {
		s.Name, s.Type = "a connector's own number", 5
		s.Config = byoa.ObjectStorage("archive/", byoa.Uncompressed)
	})),

	"exporttasks.list/page": listTasks(byoa.TaskQuery{
		Statuses: []byoa.TaskStatus{byoa.TaskInProgress, byoa.TaskCompleted}, Creator: "admin", OrderBy: "-created_at", PageSize: 10,
	}),
	"exporttasks.list/running":      listTasks(byoa.TaskQuery{TaskID: "task_124", ConnectorName: "Dify 连接器"}),
	"exporttasks.list/none":         listTasks(byoa.TaskQuery{TaskID: "task_9"}),
	"exporttasks.list/unauthorized": listTasks(byoa.TaskQuery{OrderBy: "-created_at", PageSize: 10}),

	"exporttasks.get/one":           getTask,
	"exporttasks.get/partly-failed": getTask,
	"exporttasks.get/no-such-task":  getTask,
	"exporttasks.get/unauthorized":  getTask,

	"exporttasks.files/page": listTaskFiles(byoa.FileQuery{
		Statuses: []byoa.FileStatus{byoa.FileRunning, byoa.FileSucceeded}, OrderBy: "-created_at", PageSize: 10,
	}),
	"exporttasks.files/failed":       listTaskFiles(byoa.FileQuery{Statuses: []byoa.FileStatus{byoa.FileFailed}}),
	"exporttasks.files/pending":      listTaskFiles(byoa.FileQuery{Statuses: []byoa.FileStatus{byoa.FilePending}}),
	"exporttasks.files/no-such-task": listTaskFiles(byoa.FileQuery{OrderBy: "-created_at", PageSize: 10}),
	"exporttasks.files/unauthorized": listTaskFiles(byoa.FileQuery{OrderBy: "-created_at", PageSize: 10}),

	"exporttasks.rerun/one":            rerunTask,
	"exporttasks.rerun/nothing-failed": rerunTask,
	"exporttasks.rerun/no-such-task":   rerunTask,
	"exporttasks.rerun/unauthorized":   rerunTask,

	"exporttasks.delete/one":          deleteTask,
	"exporttasks.delete/no-such-task": deleteTask,
	"exporttasks.delete/running":      deleteTask,
	"exporttasks.delete/unauthorized": deleteTask,

	"connectors.list/all":          listConnectors,
	"connectors.list/none":         listConnectors,
	"connectors.list/unauthorized": listConnectors,
}

// The contract of the moiError service: as TestWire and
// TestWireNoticesEveryValue for the first.
func TestWireOfMOI(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range exchanges(t) {
		if !ofMOI(e) {
			continue
		}
		seen[e.Name] = true
		call := moiCases[e.Name]
		if e.EmulatorOnly {
			assert.Nil(t, call, "%s is never sent by the client", e.Name)
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			require.NotNil(t, call, "the exchange has no case")
			got := replayMOI(t, e, call)
			if memberOf(parseJSON(e.Response.Body), "code") != "ok" {
				checkMOIRefusal(t, e, got)
				return
			}
			require.NoError(t, got.err)
			assert.Equal(t, got.said(e.Request.Body, e.Response), got.seen)
			body := parseJSON(e.Response.Body)
			if memberOf(body, "data") == nil {
				return
			}
			changeEach(memberOf(body, "data"), "", nil, func(at string) {
				said := got.said(e.Request.Body, fixture.Response{Status: e.Response.Status, Body: mustJSON(body)})
				assert.NotEqual(t, said, got.seen, "a changed %s goes unnoticed", at)
			})
		})
	}
	for name := range moiCases {
		assert.True(t, seen[name], "the case %s has no exchange", name)
	}
}

func ofMOI(e fixture.Exchange) bool {
	return slices.ContainsFunc(operation.Operations(), func(op operation.Operation) bool { return op.Name == e.Operation && op.Service == operation.MOI })
}

// replayMOI is replay for the moiError service. Around a create the list is asked
// for, which has the new task afterwards.
func replayMOI(t *testing.T, e fixture.Exchange, call wireCase) wireResult {
	t.Helper()
	looks, calls := 0, 0
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		assert.Equal(t, []string{secret}, r.Header.Values("moi-key"), e.Name)
		assert.Empty(t, r.Header.Values("Authorization"), e.Name)
		assert.Equal(t, moiHost, r.URL.Scheme+"://"+r.URL.Host, e.Name)
		if e.Operation == "exporttasks.create" && strings.HasSuffix(r.URL.Path, "/list") {
			tasks := []any{}
			if looks++; looks > 1 {
				spec := parseJSON(e.Request.Body)
				tasks = append(tasks, map[string]any{"id": "task_new", "name": memberOf(spec, "task_name"), "connector_name": memberOf(spec, "connector_name")})
			}
			return httpmock.NewJsonResponse(200, map[string]any{"code": "ok", "data": map[string]any{"tasks": tasks, "total": len(tasks)}})
		}
		calls++
		for _, diff := range e.Request.Diff(r, body) {
			t.Errorf("%s: %s", e.Name, diff)
		}
		return httpmock.NewBytesResponse(e.Response.Status, e.Response.Body), nil
	}, minapp.WithMOIKey(secret), minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1}))
	got := call(t.Context(), client)
	assert.Equal(t, 1, calls, "%s: requests", e.Name)
	return got
}

func checkMOIRefusal(t *testing.T, e fixture.Exchange, got wireResult) {
	t.Helper()
	assert.Nil(t, got.seen)
	refusal, ok := errors.AsType[*minapp.Error](got.err)
	require.True(t, ok, "%T", got.err)
	said := parseJSON(e.Response.Body)
	want := minapp.Error{
		Op: e.Operation, Method: e.Request.Method, Path: e.Request.Path, StatusCode: e.Response.Status, Attempts: 1,
		Code: memberOf(said, "code").(string), Message: memberOf(said, "msg").(string), Body: e.Response.Body,
	}
	if e.Operation == "connectors.list" {
		want.Body = nil
	}
	assert.Equal(t, want, *refusal)
	assert.Equal(t, e.Response.Status == 401, errors.Is(got.err, minapp.ErrUnauthorized))
	assert.NotErrorIs(t, got.err, minapp.ErrOutcomeUnknown)
	assert.NotErrorIs(t, got.err, minapp.ErrNotFound, "the service has no code for that")
}

package minapptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

var moiRoutes = []route{
	moiTaskRoute("create", "create", (*MOI).createTask),
	moiTaskRoute("list", "list", (*MOI).listTasks),
	moiTaskRoute("get", "info", (*MOI).getTask),
	moiTaskRoute("files", "files", (*MOI).listFiles),
	moiTaskRoute("rerun", "{task}/rerun", (*MOI).rerunTask),
	moiTaskRoute("delete", "delete", (*MOI).deleteTask),
	{"connectors.list", http.MethodGet, []string{"connectors"}, "list", moiHandler((*MOI).listConnectors)},
}

func moiTaskRoute(name, path string, handle func(*MOI, *call) answer) route {
	return route{"exporttasks." + name, http.MethodPost, []string{byoa}, "api/v1/export/task/" + path, moiHandler(handle)}
}

func moiHandler(handle func(*MOI, *call) answer) func(*Server, *call) (answer, *failure) {
	return func(s *Server, c *call) (answer, *failure) {
		s.moi.mu.Lock()
		defer s.moi.mu.Unlock()
		return handle(s.moi, c), nil
	}
}

// gateway refuses callers without the key. inferred: all of the answer; no
// document says what a wrong key gets.
func (m *MOI) gateway(c *call) (answer, bool) {
	key := c.r.Header.Get("moi-key")
	if key != "" && (m.key == "" || key == m.key) {
		return answer{}, false
	}
	return moiEnvelope(http.StatusUnauthorized, "ErrUnauthorized", "invalid api key", nil), true
}

func moiEnvelope(status int, code any, msg string, data any) answer {
	return jsonAnswer(status, object{{"code", code}, {"msg", msg}, {"data", data}})
}

func (m *MOI) ok(data any) answer { return moiEnvelope(http.StatusOK, m.code, "ok", data) }

// refuse is the failure that has no code of its own. inferred: that this
// generation of the service answers like the next one, which documents it.
func refuse(msg string) answer { return moiEnvelope(http.StatusOK, "ErrServer", msg, nil) }

// complaint is what a schema check says of one place of a body.
func complaint(kind, msg string, loc ...any) object {
	return object{{"loc", append([]any{"body"}, loc...)}, {"msg", msg}, {"type", kind}}
}

func unprocessable(complaints ...object) answer {
	return jsonAnswer(http.StatusUnprocessableEntity, object{{"detail", complaints}})
}

// parse reads the body of a call into v. The second answer is that of a body
// that is not what it should be.
func parse(c *call, v any) (answer, bool) {
	dec := json.NewDecoder(bytes.NewReader(c.body))
	dec.UseNumber()
	err := dec.Decode(v)
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case ok:
		return unprocessable(complaint("type_error", "Input should be a valid "+wrong.Type.String(), wrong.Field)), false
	case errors.Is(err, io.EOF):
		return unprocessable(complaint("missing", "Field required")), false
	case err != nil:
		return unprocessable(complaint("json_invalid", "JSON decode error")), false
	}
	return answer{}, true
}

// required lists the members that an object must have, with the Go type that
// its JSON type decodes to.
type required []struct {
	name string
	like any
}

var (
	taskMembers = required{
		{"task_name", ""},
		{"creator", ""},
		{"connector_id", json.Number("")},
		{"connector_name", ""},
		{"type", json.Number("")},
		{"config", map[string]any{}},
		{"files", []any{}},
	}
	fileMembers   = required{{"file_id", ""}, {"full_path", []any{}}, {"is_raw", false}}
	configMembers = map[string]required{
		"dify_config": {{"dataset_id", ""}, {"dataset_name", ""}, {"embedding_model", ""}},
		"s3_config":   {{"path", ""}},
		"mo_config":   {{"database_name", ""}, {"table_name", ""}, {"column", map[string]any{}}, {"duplicated_strategy", json.Number("")}},
	}
	columnMembers = required{{"export_column", []any{}}, {"combine_column", []any{}}}
)

// check complains about members that are missing or of another type.
func (r required) check(v any, loc ...any) []object {
	var complaints []object
	o, _ := v.(map[string]any)
	for _, want := range r {
		at := append(slices.Clone(loc), want.name)
		switch value, there := o[want.name]; {
		case !there:
			complaints = append(complaints, complaint("missing", "Field required", at...))
		case !sameType(want.like, value):
			complaints = append(complaints, complaint("type_error", "Input has the wrong type", at...))
		}
	}
	return complaints
}

func sameType(a, b any) bool {
	switch a.(type) {
	case string:
		_, ok := b.(string)
		return ok
	case bool:
		_, ok := b.(bool)
		return ok
	case json.Number:
		n, ok := b.(json.Number)
		_, err := n.Int64()
		return ok && err == nil
	case []any:
		_, ok := b.([]any)
		return ok
	}
	_, ok := b.(map[string]any)
	return ok
}

func checkTask(body map[string]any) []object {
	complaints := taskMembers.check(body)
	files, _ := body["files"].([]any)
	for i, f := range files {
		complaints = append(complaints, fileMembers.check(f, "files", i)...)
	}
	config, _ := body["config"].(map[string]any)
	for _, name := range []string{"dify_config", "s3_config", "mo_config"} {
		if config[name] == nil {
			continue
		}
		complaints = append(complaints, configMembers[name].check(config[name], "config", name)...)
		if mo, ok := config["mo_config"].(map[string]any); ok && name == "mo_config" {
			complaints = append(complaints, columnMembers.check(mo["column"], "config", name, "column")...)
		}
	}
	return complaints
}

// createTask does not answer an id. inferred: that a name can be taken twice,
// that a connector must exist, and that its name is not checked.
func (m *MOI) createTask(c *call) answer {
	var body map[string]any
	if a, ok := parse(c, &body); !ok {
		return a
	}
	if complaints := checkTask(body); len(complaints) > 0 {
		return unprocessable(complaints...)
	}
	var spec struct {
		Name          string          `json:"task_name"`
		Creator       string          `json:"creator"`
		ConnectorID   int64           `json:"connector_id"`
		ConnectorName string          `json:"connector_name"`
		Type          int             `json:"type"`
		Config        json.RawMessage `json:"config"`
		Files         []struct {
			ID   string   `json:"file_id"`
			Path []string `json:"full_path"`
		} `json:"files"`
	}
	if a, ok := parse(c, &spec); !ok {
		return a
	}
	if !slices.ContainsFunc(m.connectors, func(x MOIConnector) bool { return x.ID == spec.ConnectorID }) {
		return refuse("connector does not exist")
	}
	t := m.newTask(MOITask{
		Name: spec.Name, Creator: spec.Creator, ConnectorName: spec.ConnectorName, Type: spec.Type, Config: spec.Config, CreateTime: m.server.now(),
	})
	for _, f := range spec.Files {
		t.files = append(t.files, &moiFile{fileID: f.ID, MOIFile: MOIFile{
			ID: "ef-" + strconv.FormatInt(m.nextID(0), 10), FullPath: f.Path, Type: fileType(f.Path), Created: &t.CreateTime,
		}})
	}
	m.schedule(t.files)
	return m.ok(nil)
}

// fileType is the number that the pages on processing give to a suffix.
func fileType(segments []string) int {
	types := map[string]int{".txt": 1, ".pdf": 2, ".ppt": 4, ".doc": 5, ".md": 6, ".csv": 7, ".parquet": 8, ".sql": 9, ".docx": 11, ".pptx": 12}
	return types[strings.ToLower(path.Ext(path.Join(segments...)))]
}

// moiQuery is the body of a list.
type moiQuery struct {
	Offset        int    `json:"offset"`
	Limit         *int   `json:"limit"`
	Statuses      []int  `json:"statuses"`
	Creator       string `json:"creator"`
	ConnectorName string `json:"connector_name"`
	TaskID        string `json:"task_id"`
	OrderBy       string `json:"order_by"`
	Direction     string `json:"order_direction"`
}

// page cuts a page out of what matches, oldest first. inferred: that filters
// match exactly, that a page can be of any size, and that anything but asc is
// descending.
func page[T any](q moiQuery, all []T) (answer, []T, bool) {
	limit := 10
	if q.Limit != nil {
		limit = *q.Limit
	}
	switch {
	case q.Offset < 0 || limit < 0:
		return unprocessable(complaint("greater_than_equal", "Input should be greater than or equal to 0", "offset")), nil, false
	case q.OrderBy != "" && q.OrderBy != "created_at":
		return refuse("unknown order"), nil, false
	}
	if q.Direction != "asc" {
		all = slices.Clone(all)
		slices.Reverse(all)
	}
	all = all[min(q.Offset, len(all)):]
	return answer{}, all[:min(limit, len(all))], true
}

func (m *MOI) listTasks(c *call) answer {
	var q moiQuery
	if a, ok := parse(c, &q); !ok {
		return a
	}
	now := m.server.now()
	var matching []*moiTask
	for _, t := range m.tasks {
		if (q.Creator == "" || q.Creator == t.Creator) && (q.ConnectorName == "" || q.ConnectorName == t.ConnectorName) &&
			(q.TaskID == "" || q.TaskID == t.ID) && (len(q.Statuses) == 0 || slices.Contains(q.Statuses, t.status(now))) {
			matching = append(matching, t)
		}
	}
	slices.SortStableFunc(matching, func(a, b *moiTask) int { return a.CreateTime.Compare(b.CreateTime) })
	a, tasks, ok := page(q, matching)
	if !ok {
		return a
	}
	items := []object{}
	for _, t := range tasks {
		sources := [][]string{}
		for _, f := range t.files {
			sources = append(sources, f.FullPath)
		}
		items = append(items, object{
			{"id", t.ID},
			{"name", t.Name},
			{"connector_name", t.ConnectorName},
			{"type", t.Type},
			{"status", t.status(now)},
			{"export_source", sources},
			{"create_time", moiTime(&t.CreateTime)},
			{"end_time", moiTime(t.ended(now))},
		})
	}
	return m.ok(object{{"tasks", items}, {"total", len(matching)}})
}

// moiTime is a moment in the form of the samples.
func moiTime(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// named is the task that the body names.
func (m *MOI) named(c *call) (*moiTask, answer) {
	var body struct {
		ID *string `json:"id"`
	}
	if a, ok := parse(c, &body); !ok {
		return nil, a
	}
	if body.ID == nil {
		return nil, unprocessable(complaint("missing", "Field required", "id"))
	}
	return m.task(*body.ID), refuse("task does not exist")
}

// getTask answers the counters of success and failure where the sample of the
// page has them; its table has them a level above.
func (m *MOI) getTask(c *call) answer {
	t, a := m.named(c)
	if t == nil {
		return a
	}
	now := m.server.now()
	n := t.counts(now)
	var config any
	if len(t.Config) > 0 {
		config = rawJSON(t.Config)
	}
	return m.ok(object{
		{"id", t.ID},
		{"name", t.Name},
		{"creator", t.Creator},
		{"connector_name", t.ConnectorName},
		{"type", t.Type},
		{"status", t.status(now)},
		{"config", config},
		{"create_time", moiTime(&t.CreateTime)},
		{"end_time", moiTime(t.ended(now))},
		{"file_stats", object{
			{"total", n.Total},
			{"pending", n.Pending},
			{"running", n.Running},
			{"failed", n.Failed},
			{"completed", n.Completed},
			{"fileSuccess", n.Completed},
			{"fileFail", n.Failed},
		}},
	})
}

func (m *MOI) listFiles(c *call) answer {
	var q moiQuery
	if a, ok := parse(c, &q); !ok {
		return a
	}
	if q.TaskID == "" {
		return unprocessable(complaint("missing", "Field required", "task_id"))
	}
	t := m.task(q.TaskID)
	if t == nil {
		return refuse("task does not exist")
	}
	now := m.server.now()
	var matching []*moiFile
	for _, f := range t.files {
		if len(q.Statuses) == 0 || slices.Contains(q.Statuses, f.status(now)) {
			matching = append(matching, f)
		}
	}
	a, files, ok := page(q, matching)
	if !ok {
		return a
	}
	items := []object{}
	for _, f := range files {
		items = append(items, f.item(now))
	}
	n := t.counts(now)
	return m.ok(object{
		{"files", items},
		{"total", len(matching)},
		{"total_failure", n.Failed},
		{"total_files", n.Total},
		{"total_success", n.Completed},
	})
}

func (f *moiFile) item(now time.Time) object {
	var details any
	if f.Details != "" {
		details = f.Details
	}
	status := f.status(now)
	if f.planned {
		switch status {
		case moiSucceeded:
			details = "导出成功"
		case moiFailed:
			details = "导出失败:" + f.failure
		}
	}
	started, ended := f.times(now)
	name := ""
	if len(f.FullPath) > 0 {
		name = f.FullPath[len(f.FullPath)-1]
	}
	return object{
		{"id", f.ID},
		{"status", status},
		{"full_path", f.FullPath},
		{"details", details},
		{"create_time", moiTime(f.Created)},
		{"start_time", moiTime(started)},
		{"end_time", moiTime(ended)},
		{"file_name", name},
		{"file_type", f.Type},
	}
}

// unparsable is the third form of a refusal, which the next generation of the
// service documents for deletes and reruns.
func unparsable(c *call) (answer, bool) {
	if len(bytes.TrimSpace(c.body)) == 0 || json.Valid(c.body) {
		return answer{}, false
	}
	return jsonAnswer(http.StatusBadRequest, object{{"error", "invalid request body"}}), true
}

// rerunTask exports the failed files again. Counters and statuses that a data
// file had set give way to those that follow from the files.
func (m *MOI) rerunTask(c *call) answer {
	if a, bad := unparsable(c); bad {
		return a
	}
	t := m.task(c.args["task"])
	if t == nil {
		return refuse("task does not exist")
	}
	now := m.server.now()
	var failed []*moiFile
	for _, f := range t.files {
		if f.status(now) == moiFailed {
			failed = append(failed, f)
		}
	}
	if len(failed) == 0 {
		return refuse("no failed file to export again")
	}
	t.Status, t.Counts, t.Ended = nil, nil, nil
	m.schedule(failed)
	return m.ok(nil)
}

// deleteTask forgets a task. inferred: that one that runs is refused.
func (m *MOI) deleteTask(c *call) answer {
	if a, bad := unparsable(c); bad {
		return a
	}
	t, a := m.named(c)
	switch {
	case t == nil:
		return a
	case t.status(m.server.now()) == 1:
		return refuse("task is running")
	}
	m.tasks = slices.DeleteFunc(m.tasks, func(other *moiTask) bool { return other == t })
	return m.ok(nil)
}

// listConnectors knows the page parameters only.
func (m *MOI) listConnectors(c *call) answer {
	number, size := queryInt(c, "page", 1), queryInt(c, "page_size", 10)
	if number < 1 || size < 1 {
		return moiEnvelope(http.StatusBadRequest, "ErrParamInvalid", "page and page_size are positive", nil)
	}
	rest := m.connectors[min((number-1)*size, len(m.connectors)):]
	items := []object{}
	for _, x := range rest[:min(size, len(rest))] {
		items = append(items, x.item())
	}
	return m.ok(object{{"connectors", items}, {"total", len(m.connectors)}})
}

func queryInt(c *call, name string, otherwise int) int {
	if !c.query.Has(name) {
		return otherwise
	}
	n, err := strconv.Atoi(c.query.Get(name))
	if err != nil {
		return -1
	}
	return n
}

func (x MOIConnector) item() object {
	related := append([]int64{}, x.RelatedTaskIDs...)
	o := object{
		{"id", x.ID},
		{"name", x.Name},
		{"source_type", x.SourceType},
		{"status", x.Status},
		{"usage_type", x.Usage},
		{"created_at", x.CreatedAt},
		{"updated_at", x.UpdatedAt},
		{"username", x.Username},
		{"related_task_ids", related},
	}
	if x.Nested {
		return append(o, member{"config", x.Settings})
	}
	for name, value := range x.Settings {
		o = append(o, member{name, value})
	}
	return o
}

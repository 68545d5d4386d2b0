package byoa_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/byoa"
)

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

func TestVerdictComesFromCounters(t *testing.T) {
	counts := func(total, pending, running, failed, completed int64) *byoa.Counts {
		return &byoa.Counts{Total: total, Pending: pending, Running: running, Failed: failed, Completed: completed}
	}
	for name, tt := range map[string]struct {
		task byoa.Task
		want byoa.Verdict
	}{
		"all completed":                        {byoa.Task{Counts: counts(4, 0, 0, 0, 4)}, byoa.Succeeded},
		"all completed, whatever the status":   {byoa.Task{Status: 77, Counts: counts(4, 0, 0, 0, 4)}, byoa.Succeeded},
		"all completed, and at an end":         {byoa.Task{Status: byoa.TaskCompleted, Ended: "2024-01-01T00:00:00Z", Counts: counts(4, 0, 0, 0, 4)}, byoa.Succeeded},
		"all accounted for before the end":     {byoa.Task{Status: byoa.TaskInProgress, Counts: counts(4, 0, 0, 1, 3)}, byoa.PartlyFailed},
		"completed status, one failed":         {byoa.Task{Status: byoa.TaskCompleted, Counts: counts(4, 0, 0, 1, 3)}, byoa.PartlyFailed},
		"all failed":                           {byoa.Task{Status: byoa.TaskCompleted, Counts: counts(4, 0, 0, 4, 0)}, byoa.Failed},
		"completed status, files running":      {byoa.Task{Status: byoa.TaskCompleted, Ended: "2024-01-01T00:00:00Z", Counts: counts(100, 10, 20, 5, 65)}, byoa.Unfinished},
		"one running":                          {byoa.Task{Status: byoa.TaskCompleted, Counts: counts(4, 0, 1, 0, 3)}, byoa.Unfinished},
		"one pending":                          {byoa.Task{Status: byoa.TaskCompleted, Counts: counts(4, 1, 0, 0, 3)}, byoa.Unfinished},
		"nothing counted yet":                  {byoa.Task{Status: byoa.TaskCompleted, Counts: counts(0, 0, 0, 0, 0)}, byoa.Unfinished},
		"failed before a file was counted":     {byoa.Task{Status: byoa.TaskFailed, Ended: "2024-01-01T00:00:00Z", Counts: counts(0, 0, 0, 0, 0)}, byoa.Failed},
		"files that nobody accounts for":       {byoa.Task{Status: byoa.TaskInProgress, Counts: counts(4, 0, 0, 0, 3)}, byoa.Unfinished},
		"unaccounted at the end":               {byoa.Task{Status: byoa.TaskCompleted, Counts: counts(4, 0, 0, 0, 3)}, byoa.PartlyFailed},
		"only unaccounted at the end":          {byoa.Task{Status: byoa.TaskCompleted, Counts: counts(4, 0, 0, 0, 0)}, byoa.Failed},
		"the other counter knows a failure":    {byoa.Task{Status: byoa.TaskCompleted, FileFail: 1, Counts: counts(4, 0, 0, 0, 4)}, byoa.PartlyFailed},
		"no counters, in progress":             {byoa.Task{Status: byoa.TaskInProgress}, byoa.Unfinished},
		"no counters, status unknown":          {byoa.Task{Status: 9}, byoa.Unfinished},
		"no counters, completed":               {byoa.Task{Status: byoa.TaskCompleted}, byoa.Uncounted},
		"no counters, ended, status unknown":   {byoa.Task{Status: 9, Ended: "2024-01-01T00:00:00Z"}, byoa.Uncounted},
		"no counters, failed":                  {byoa.Task{Status: byoa.TaskFailed}, byoa.Failed},
		"no counters, failed after a success":  {byoa.Task{Status: byoa.TaskFailed, FileSuccess: 1}, byoa.Uncounted},
		"nothing said":                         {byoa.Task{}, byoa.Unfinished},
		"more completed than counted":          {byoa.Task{Counts: counts(4, 0, 0, 0, 5)}, byoa.Succeeded},
		"negative total is no number of files": {byoa.Task{Status: byoa.TaskCompleted, Counts: counts(-1, 0, 0, 0, 0)}, byoa.Unfinished},
	} {
		assert.Equal(t, tt.want, tt.task.Verdict(), name)
	}
}

func TestTaskIsReadInEverySpelling(t *testing.T) {
	task := decode[byoa.Task](t, `{"id":1889223922712281088,"name":"n","type":"6","status":9,"end_time":null,
		"file_stats":{"total":"4","pending":0,"running":0,"failed":1,"completed":3},"fileSuccess":3,"fileFail":1,"news":[1]}`)
	assert.Equal(t, "1889223922712281088", task.ID, "exact")
	assert.Equal(t, byoa.Type(6), task.Type)
	assert.Equal(t, byoa.TaskStatus(9), task.Status)
	assert.Equal(t, byoa.Time(""), task.Ended)
	assert.Equal(t, &byoa.Counts{Total: 4, Failed: 1, Completed: 3}, task.Counts)
	assert.Equal(t, []int64{3, 1}, []int64{task.FileSuccess, task.FileFail}, "beside file_stats")
	assert.Contains(t, string(task.Raw), `"news"`, "what is not known is kept")
	assert.Nil(t, task.Config)

	task = decode[byoa.Task](t, `{"id":"t-81","file_stats":{"total":4,"fileSuccess":3,"fileFail":1}}`)
	assert.Equal(t, []int64{3, 1}, []int64{task.FileSuccess, task.FileFail}, "within file_stats")

	task = decode[byoa.Task](t, `{"id":"t-81","fileSuccess":3,"fileFail":1}`)
	assert.Nil(t, task.Counts, "no counters are not counters of zero")

	for _, text := range []string{`{"id":{}}`, `{"id":true}`, `{"status":"running"}`, `{"type":1.5}`} {
		assert.Error(t, json.Unmarshal([]byte(text), new(byoa.Task)), text)
	}
}

func TestFileTypeIsNumberOrName(t *testing.T) {
	for text, want := range map[string]string{
		`{"id":"f","file_type":2}`: "pdf (2)", `{"id":"f","file_type":"csv"}`: "csv", `{"id":"f","file_type":33}`: "33",
		`{"id":"f","file_type":-1}`: "-1", `{"id":"f"}`: "", `{"id":"f","file_type":"7"}`: "csv (7)",
		`{"id":"f","file_type":0}`: "none (0)", `{"id":"f","file_type":23}`: "bmp (23)", `{"id":"f","file_type":24}`: "24",
	} {
		assert.Equal(t, want, decode[byoa.File](t, text).Type.String(), text)
	}
}

func TestPagesAreReadWithTheirTotals(t *testing.T) {
	tasks := decode[byoa.TaskPage](t, `{"tasks":[{"id":"t-81"}],"total":"7"}`)
	require.Len(t, tasks.Tasks, 1)
	assert.Equal(t, "t-81", tasks.Tasks[0].ID)
	assert.Equal(t, int64(7), tasks.Total)

	files := decode[byoa.FilePage](t, `{"files":[{"id":"f-1"}],"total":4,"total_files":9,"total_success":6,"total_failure":3}`)
	assert.Equal(t, byoa.FilePage{Files: []*byoa.File{{ID: "f-1"}}, Total: 4, TotalFiles: 9, TotalSuccess: 6, TotalFailure: 3}, files)

	for text, page := range map[string]any{
		`{"tasks":{}}`: new(byoa.TaskPage), `{"files":{}}`: new(byoa.FilePage), `{"files":[{"id":{}}]}`: new(byoa.FilePage),
	} {
		assert.Error(t, json.Unmarshal([]byte(text), page), text)
	}
	assert.Error(t, json.Unmarshal([]byte(`{"status":"running"}`), new(byoa.File)))
}

func TestTimesGuessNoZone(t *testing.T) {
	shanghai := time.FixedZone("CST", 8*60*60)
	moment := time.Date(2025, 1, 15, 10, 30, 0, 0, time.UTC)
	for text, known := range map[string]bool{
		`"2025-01-15T10:30:00Z"`: true, `"2025-01-15T18:30:00+08:00"`: true, `"2025-01-15T10:30:00.000000+0000"`: true,
		`"2025-01-15 10:30:00+00:00"`: true, `1736937000`: true, `"1736937000"`: true, `1736937000000`: true,
		`"2025-01-15T18:30:00"`: false, `"2025-01-15 18:30:00"`: false, `"2025-01-15T18:30:00.000000"`: false,
	} {
		at := decode[byoa.Time](t, text)
		assert.Equal(t, strings.Trim(text, `"`), string(at), "the text is kept")
		got, ok := at.Time()
		assert.Equal(t, known, ok, text)
		if known {
			assert.True(t, got.Equal(moment), "%s is %s", text, got)
		}
		got, ok = at.In(shanghai)
		assert.True(t, ok && got.Equal(moment), "%s in Shanghai is %s", text, got)
	}
	for _, text := range []string{`null`, `""`, `"soon"`, `"2025-13-01T00:00:00Z"`} {
		_, ok := decode[byoa.Time](t, text).In(time.UTC)
		assert.False(t, ok, text)
	}
	assert.Error(t, json.Unmarshal([]byte(`{}`), new(byoa.Time)))
}

func TestConfigIsWrittenAndReadBack(t *testing.T) {
	dify := byoa.Dify("ds-9", "Manuals", "bge-m3")
	dify.MergeTitle = true
	columns := []byoa.Column{{Source: "file_id", Target: "id"}}
	for _, tt := range []struct {
		config byoa.Config
		text   string
	}{
		{dify, `{"dify_config":{"dataset_id":"ds-9","dataset_name":"Manuals","embedding_model":"bge-m3"},"merge_title_to_text":true}`},
		{byoa.ObjectStorage("a/", byoa.Gzip), `{"s3_config":{"path":"a/","need_compress":true,"compress_method":"gzip"}}`},
		{byoa.ObjectStorage("a/", byoa.Uncompressed), `{"s3_config":{"path":"a/","need_compress":false}}`},
		{
			byoa.MatrixOneConfig{Database: "kb", Table: "c", Columns: columns, Combine: []string{}, Duplicates: byoa.KeepBoth},
			`{"mo_config":{"database_name":"kb","table_name":"c","new_table":false,"column":{"export_column":[{"source_column":"file_id","mapping_column":"id"}],"combine_column":[]},"duplicated_strategy":3},"merge_title_to_text":false}`,
		},
	} {
		data, err := json.Marshal(tt.config)
		require.NoError(t, err)
		assert.JSONEq(t, tt.text, string(data))
		require.NoError(t, tt.config.Err())
		assert.Equal(t, tt.config, decode[byoa.Task](t, `{"config":`+tt.text+`}`).Config)
	}
	data, err := json.Marshal(byoa.MatrixOne("kb", "c"))
	require.NoError(t, err)
	assert.Contains(t, string(data), `"export_column":[],"combine_column":[]`, "nil lists are not null")
	assert.Contains(t, string(data), `"new_table":false`)
}

func TestOtherConfigsAreKeptAndNotCreated(t *testing.T) {
	for _, text := range []string{
		`{"oss_config":{"path":"a/"}}`,
		`{"dify_config":{"dataset_id":"d"},"s3_config":{"path":"a/"}}`,
		`{"dify_config":"?"}`, `{}`, `[]`, `"x"`,
	} {
		config := decode[byoa.Task](t, `{"config":`+text+`}`).Config
		other, ok := config.(byoa.OtherConfig)
		require.True(t, ok, "%s is a %T", text, config)
		assert.JSONEq(t, text, string(other.Raw))
		assert.Error(t, config.Err())
		assert.Zero(t, config.Type())
	}
	config := decode[byoa.Task](t, `{"config":{"s3_config":{"path":"a/","need_compress":false,"compress_method":"no"},"dify_config":null,"future":1}}`).Config
	assert.Equal(t, byoa.ObjectStorage("a/", byoa.Uncompressed), config, "null is not there, and need not be a config")
}

// fits is a task without a mistake.
func fits() byoa.TaskSpec {
	return byoa.TaskSpec{
		Name: "n", Creator: "c", ConnectorID: "1889223922712281088", ConnectorName: "k", Config: byoa.Dify("d", "n", "m"),
		Files: []byoa.FileSpec{{ID: "f", Path: []string{"a", "b.pdf"}}},
	}
}

func TestSpecNamesEveryMistake(t *testing.T) {
	require.NoError(t, fits().Err())
	for _, tt := range []struct {
		change func(*byoa.TaskSpec)
		want   string
	}{
		{func(s *byoa.TaskSpec) { s.Name = " " }, "TaskSpec.Name is blank"},
		{func(s *byoa.TaskSpec) { s.Creator = "" }, "TaskSpec.Creator is blank"},
		{func(s *byoa.TaskSpec) { s.ConnectorID = "conn_42" }, `TaskSpec.ConnectorID is "conn_42", not an integer`},
		{func(s *byoa.TaskSpec) { s.ConnectorID = "" }, `TaskSpec.ConnectorID is "", not an integer`},
		{func(s *byoa.TaskSpec) { s.ConnectorName = "" }, "TaskSpec.ConnectorName is blank"},
		{func(s *byoa.TaskSpec) { s.Files = nil }, "TaskSpec.Files is empty"},
		{func(s *byoa.TaskSpec) { s.Files[0].ID = "" }, "TaskSpec.Files[0].ID is blank"},
		{func(s *byoa.TaskSpec) { s.Files[0].Path = nil }, "TaskSpec.Files[0].Path is empty"},
		{func(s *byoa.TaskSpec) { s.Files[0].Path = []string{"a", ""} }, "TaskSpec.Files[0].Path[1] is blank"},
		{func(s *byoa.TaskSpec) { s.Config = nil }, "TaskSpec.Config is nil"},
		{func(s *byoa.TaskSpec) { s.Config = (*byoa.DifyConfig)(nil) }, "TaskSpec.Config is a *byoa.DifyConfig"},
		{func(s *byoa.TaskSpec) { s.Config = byoa.Dify("", "n", "m") }, "DifyConfig.DatasetID is blank"},
		{func(s *byoa.TaskSpec) { s.Config = byoa.Dify("d", "", "m") }, "DifyConfig.DatasetName is blank"},
		{func(s *byoa.TaskSpec) { s.Config = byoa.Dify("d", "n", "") }, "DifyConfig.EmbeddingModel is blank"},
		{func(s *byoa.TaskSpec) { s.Config = byoa.ObjectStorage("", "") }, "ObjectStorageConfig.Path is blank"},
		{func(s *byoa.TaskSpec) { s.Config = byoa.ObjectStorage("a", "") }, "does not end in a slash"},
		{func(s *byoa.TaskSpec) { s.Config = byoa.MatrixOne("", "t", byoa.Column{"a", "b"}) }, "MatrixOneConfig.Database is blank"},
		{func(s *byoa.TaskSpec) { s.Config = byoa.MatrixOne("d", "", byoa.Column{"a", "b"}) }, "MatrixOneConfig.Table is blank"},
		{func(s *byoa.TaskSpec) { s.Config = byoa.MatrixOne("d", "t") }, "MatrixOneConfig.Columns is empty"},
		{func(s *byoa.TaskSpec) { s.Config = byoa.MatrixOne("d", "t", byoa.Column{"", "b"}) }, "MatrixOneConfig.Columns[0].Source is blank"},
		{func(s *byoa.TaskSpec) { s.Config = byoa.MatrixOne("d", "t", byoa.Column{"a", ""}) }, "MatrixOneConfig.Columns[0].Target is blank"},
		{func(s *byoa.TaskSpec) {
			s.Config = byoa.MatrixOneConfig{Database: "d", Table: "t", Columns: []byoa.Column{{"a", "b"}}, Combine: []string{""}}
		}, "MatrixOneConfig.Combine[0] is blank\nMatrixOneConfig.Duplicates is not set"},
		{func(s *byoa.TaskSpec) { s.Type = byoa.TypeMatrixOne }, "TaskSpec.Type is MatrixOne (3), and the Config is for Dify (1)"},
		{func(s *byoa.TaskSpec) { s.Config = byoa.OtherConfig{} }, "OtherConfig is not exactly one"},
	} {
		spec := fits()
		tt.change(&spec)
		assert.ErrorContains(t, spec.Err(), tt.want)
	}
	spec := fits()
	spec.Type = 6
	require.NoError(t, spec.Err(), "a number of another deployment")
	assert.Equal(t, byoa.Type(6), spec.TargetType())
	data, err := json.Marshal(spec)
	require.NoError(t, err)
	assert.Contains(t, string(data), `"connector_id":1889223922712281088,`)
	assert.Contains(t, string(data), `"is_raw":false`)
}

func TestUniqueNames(t *testing.T) {
	a, b := byoa.UniqueName("kb"), byoa.UniqueName("kb")
	assert.Regexp(t, `^kb-[a-z2-7]{8}$`, a)
	assert.NotEqual(t, a, b)
}

func TestNumbersPassThroughWithTheirNumber(t *testing.T) {
	for _, tt := range []struct {
		value fmt.Stringer
		want  string
	}{
		{byoa.TypeDify, "Dify (1)"},
		{byoa.TypeObjectStorage, "object storage (2)"},
		{byoa.TypeMatrixOne, "MatrixOne (3)"},
		{byoa.Type(14), "unknown (14)"},
		{byoa.TaskInProgress, "in progress (1)"},
		{byoa.TaskStatus(0), "unknown (0)"},
		{byoa.FilePending, "pending (0)"},
		{byoa.FileFailed, "failed (3)"},
		{byoa.FileStatus(4), "unknown (4)"},
		{byoa.Overwrite, "overwrite (1)"},
		{byoa.Skip, "skip (2)"},
		{byoa.KeepBoth, "keep both (3)"},
		{byoa.UsageImport, "import (1)"},
		{byoa.Usage(4), "unknown (4)"},
		{byoa.Uncounted, "ended, its files not counted"},
		{byoa.Verdict(9), "Verdict(9)"},
		{&byoa.Task{ID: "7", Name: "news", ConnectorName: "kb", Status: byoa.TaskInProgress}, `task 7 "news" to "kb", in progress (1)`},
		{
			&byoa.Task{ID: "7", Name: "news", ConnectorName: "kb", Status: 2, Counts: &byoa.Counts{Total: 1, Completed: 1}},
			`task 7 "news" to "kb", completed (2): 1 of 1 files completed, 0 failed, 0 pending, 0 running`,
		},
	} {
		assert.Equal(t, tt.want, tt.value.String())
	}
}

const secretKey = "LTAI-that-nobody-may-see"

func TestConnectorIsReadInEverySpelling(t *testing.T) {
	flat := decode[byoa.Connector](t, `{"id":7,"name":"lake","source_type":4,"status":"active","usage_type":[1,2],"created_at":1752000000,
		"related_task_ids":[1889223922712281088],"oss":{"access_key_secret":"`+secretKey+`"},"s3":null}`)
	nested := decode[byoa.Connector](t, `{"id":"conn_7","name":"lake","source_type":"4","usage_type":3,"related_task_ids":["18"],
		"config":{"oss":{"access_key_secret":"`+secretKey+`"}}}`)
	assert.Equal(t, "7", flat.ID)
	assert.Equal(t, "conn_7", nested.ID)
	assert.Equal(t, []string{"1889223922712281088"}, flat.RelatedTaskIDs)
	for _, c := range []byoa.Connector{flat, nested} {
		assert.Equal(t, []byoa.Usage{byoa.UsageImport, byoa.UsageExport}, c.Usage)
		assert.True(t, c.CanExport())
		assert.JSONEq(t, `{"oss":{"access_key_secret":"`+secretKey+`"}}`, string(c.Settings.Reveal()))
	}
	assert.Nil(t, decode[byoa.Connector](t, `{"id":1,"usage_type":null}`).Settings.Reveal())
	assert.False(t, decode[byoa.Connector](t, `{"id":1,"usage_type":1}`).CanExport())
	assert.Error(t, json.Unmarshal([]byte(`{"id":1,"usage_type":{}}`), new(byoa.Connector)))
	spec := flat.Task("n", "c", byoa.ObjectStorage("a/", ""), byoa.FileSpec{ID: "f", Path: []string{"a"}})
	require.NoError(t, spec.Err())
	assert.Equal(t, byoa.Type(4), spec.TargetType(), "the connector's own number")
}

func TestSecretsOfConnectorsAreNotPrinted(t *testing.T) {
	c := decode[byoa.Connector](t, `{"id":7,"name":"lake","oss":{"access_key_secret":"`+secretKey+`"}}`)
	hidden := struct{ c byoa.Connector }{c}
	var out bytes.Buffer
	for _, v := range []any{c, &c, c.Settings, []byoa.Connector{c}, hidden, &hidden, struct{ S byoa.Settings }{c.Settings}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			_, _ = fmt.Fprintf(&out, verb+"\n", v)
		}
		data, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(data)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
	}
	for _, form := range []string{secretKey, fmt.Sprintf("%x", secretKey), strings.Trim(fmt.Sprintf("%d", []byte(secretKey)), "[]")} {
		assert.NotContains(t, out.String(), form)
	}
	assert.Contains(t, out.String(), "lake")
}

func TestTaskErrorTellsTheFirstReason(t *testing.T) {
	e := &byoa.TaskError{
		Task:  &byoa.Task{ID: "t-81", Name: "kb", Status: byoa.TaskCompleted, Counts: &byoa.Counts{Total: 4, Failed: 1, Completed: 3}},
		Files: []*byoa.File{{Name: "old.doc", Details: "unsupported format"}},
		Err:   fmt.Errorf("list: %w", assert.AnError),
	}
	assert.EqualError(t, e, "export task t-81 (kb) partly failed: 3 of 4 files completed, 1 failed, 0 pending, 0 running; "+
		"first, old.doc: unsupported format; its files could not be read: list: "+assert.AnError.Error())
	assert.ErrorIs(t, e, assert.AnError)

	e = &byoa.TaskError{Task: &byoa.Task{ID: "t-81", Name: "kb", Status: byoa.TaskFailed}}
	assert.EqualError(t, e, "export task t-81 (kb) failed", "without files or counters")
}

// Whatever a service answers, reading it neither panics nor turns a doubt into
// a success.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"id":1889223922712281088,"config":{"mo_config":{"column":null}},"file_stats":{"total":4},"fileSuccess":"3"}`,
		`{"id":"x","usage_type":3,"config":{"dify":{"api_key":"k"}},"file_type":"csv","create_time":1752000000}`,
		`{"id":-1.5e3,"tasks":[null,{}],"files":[{}],"total":"7"}`, `null`, `[]`, `{"id":null,"config":{"a_config":1,"b_config":2}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var task byoa.Task
		if json.Unmarshal(data, &task) == nil {
			if task.Verdict() == byoa.Succeeded && (task.Counts == nil || task.Counts.Failed > 0 || task.Counts.Pending > 0 || task.Counts.Completed < task.Counts.Total) {
				t.Fatalf("%s is a success", data)
			}
			if task.Config != nil {
				if _, err := json.Marshal(task.Config); err != nil {
					t.Fatalf("config of %s: %v", data, err)
				}
			}
		}
		var connector byoa.Connector
		if json.Unmarshal(data, &connector) == nil {
			if settings := connector.Settings.Reveal(); settings != nil && !json.Valid(settings) {
				t.Fatalf("settings of %s: %s", data, settings)
			}
		}
		_ = json.Unmarshal(data, new(byoa.File))
		_ = json.Unmarshal(data, new(byoa.TaskPage))
		_ = json.Unmarshal(data, new(byoa.FilePage))
	})
}

func FuzzTime(f *testing.F) {
	for _, seed := range []string{"2025-01-15T10:30:00", "2025-01-15 10:30:00.5+0800", "1752000000", "-9223372036854775808", "", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		known, ok := byoa.Time(text).Time()
		in, okIn := byoa.Time(text).In(time.UTC)
		if ok && (!okIn || !known.Equal(in)) {
			t.Fatalf("%q: a stated zone is not the last word: %s, %s", text, known, in)
		}
	})
}

package minapp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/minapptest"
)

// moiTest is what a test in a bubble has.
type moiTest struct {
	t     *testing.T
	s     *minapptest.Server
	tasks *minapp.ExportTaskService
}

// inMOI runs a test in a bubble with an emulated MOI that has one connector.
func inMOI(t *testing.T, test func(moiTest)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := minapptest.NewServer(t)
		s.MOI().AddConnector(minapptest.MOIConnector{ID: 1, Name: "kb", SourceType: 1})
		client, err := minapp.NewClient(s.Options()...)
		require.NoError(t, err)
		defer client.CloseIdleConnections()
		test(moiTest{t, s, client.ExportTasks})
	})
}

// taskOf is a task of a name with files of these ids.
func taskOf(name string, files ...string) byoa.TaskSpec {
	s := byoa.TaskSpec{Name: name, Creator: "ops", ConnectorID: "1", ConnectorName: "kb", Config: byoa.Dify("ds", "n", "m")}
	for _, id := range files {
		s.Files = append(s.Files, byoa.FileSpec{ID: id, Path: []string{"vol", id + ".pdf"}})
	}
	return s
}

func TestCreateFindsTheTaskItMade(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		ctx := t.Context()
		var ids []string
		for range 3 { // all in the same second, with the same name
			task, err := tasks.Create(ctx, taskOf("same", "f-1"))
			require.NoError(t, err)
			assert.Equal(t, "same", task.Name)
			assert.NotContains(t, ids, task.ID)
			ids = append(ids, task.ID)
		}
		// Somebody else's tasks do not matter.
		s.MOI().AddTask(minapptest.MOITask{Name: "same", Creator: "other", ConnectorName: "kb"})
		s.MOI().AddTask(minapptest.MOITask{Name: "same", Creator: "ops", ConnectorName: "other"})
		task, err := tasks.Create(ctx, taskOf("same", "f-1"))
		require.NoError(t, err)
		assert.NotContains(t, ids, task.ID)
		assert.Equal(t, 4, s.Count("exporttasks.create"))
	})
}

func TestCreateLooksForATaskAmongMany(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		for range 350 {
			s.MOI().AddTask(minapptest.MOITask{Name: "old", Creator: "ops", ConnectorName: "kb"})
		}
		task, err := tasks.Create(t.Context(), taskOf("new", "f-1"))
		require.NoError(t, err)
		assert.Equal(t, "new", task.Name)
		assert.Equal(t, 2, s.Count("exporttasks.list"), "a page before and a page after are enough")
	})
}

func TestLostCreateIsLookedForAndNotRepeated(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		for name, fault := range map[string]minapptest.Fault{
			"answer lost": {Drop: minapptest.DropAfter},
			"answer cut":  {Drop: minapptest.CutBody},
			"gateway":     {Status: 502, Body: "<html>", Processed: true},
			"no envelope": {Status: 200, Body: `{"error":"?"}`, Processed: true},
		} {
			s.ResetLog()
			fault.Operation = "exporttasks.create"
			s.Fault(fault)
			task, err := tasks.Create(t.Context(), taskOf(name, "f-1"))
			require.NoError(t, err, name)
			assert.Equal(t, name, task.Name)
			assert.Equal(t, 1, s.Count("exporttasks.create"), name)
		}
		// It never arrived, which nobody can know: the list is all there is.
		s.ResetLog()
		s.Fault(minapptest.Fault{Operation: "exporttasks.create", Drop: minapptest.DropBefore})
		task, err := tasks.Create(t.Context(), taskOf("lost", "f-1"))
		assert.Nil(t, task)
		require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
		assert.ErrorContains(t, err, `no new task is named "lost"`)
		assert.Equal(t, 1, s.Count("exporttasks.create"))
		assert.Equal(t, 5, s.Count("exporttasks.list"), "once before, and not only once after")
	})
}

func TestCreateThatIsRefusedIsNotLookedFor(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		unknown := taskOf("n", "f-1")
		unknown.ConnectorID = "9"
		_, err := tasks.Create(t.Context(), unknown)
		refusal, ok := errors.AsType[*minapp.Error](err)
		require.True(t, ok)
		assert.Equal(t, "ErrServer", refusal.Code)
		assert.NotErrorIs(t, err, minapp.ErrOutcomeUnknown)
		assert.Equal(t, 1, s.Count("exporttasks.list"))

		s.Fault(minapptest.Fault{Operation: "exporttasks.create", Status: 422, Body: `{"detail":[{"loc":["body","files",0],"msg":"Field required","type":"missing"}]}`})
		_, err = tasks.Create(t.Context(), taskOf("n", "f-1"))
		require.ErrorIs(t, err, minapp.ErrInvalid)
		assert.ErrorContains(t, err, "body.files.0: Field required")
		assert.Equal(t, 2, s.Count("exporttasks.list"))
	})
}

func TestSeveralNewTasksOfTheNameAreAmbiguous(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		s.Fault(minapptest.Fault{Operation: "exporttasks.create", Drop: minapptest.DropAfter})
		task, err := tasks.Create(t.Context(), taskOf("twice", "f-1"), minapp.CallReplay())
		assert.Nil(t, task)
		require.ErrorIs(t, err, minapp.ErrAmbiguous)
		assert.NotErrorIs(t, err, minapp.ErrOutcomeUnknown, "the second one was answered")
		assert.Equal(t, 2, s.Count("exporttasks.create"))
	})
}

func TestCreateWhoseContextEndsIsUnknown(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		for _, fault := range []minapptest.Fault{
			{Operation: "exporttasks.create", AnswerDelay: time.Minute},
			{Operation: "exporttasks.list", Skip: 1, Delay: time.Minute},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			s.Fault(fault)
			_, err := tasks.Create(ctx, taskOf("slow", "f-1"))
			cancel()
			require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
	})
}

// scriptedMOI is a client whose calls are answered by path suffix, each in turn;
// the last answer repeats.
func scriptedMOI(t *testing.T, answers map[string][]string) *minapp.Client {
	t.Helper()
	calls := map[string]int{}
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		call := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		script := answers[call]
		if len(script) == 0 {
			return nil, fmt.Errorf("no answer for %s", call)
		}
		text := script[min(calls[call], len(script)-1)]
		calls[call]++
		return httpmock.NewStringResponse(200, text), nil
	}, minapp.WithMOIKey(secret))
	return client
}

func TestCreateTakesAnIDWhereTheServiceAnswersOne(t *testing.T) {
	const (
		none = `{"code":"ok","data":{"tasks":[],"total":0}}`
		info = `{"code":"ok","data":{"id":"t-9","name":"n"}}`
		list = `{"code":"ok","data":{"tasks":[{"id":"t-1","name":"n","connector_name":"kb"}],"total":1}}`
	)
	for data, want := range map[string]string{
		`"t-9"`: "t-9", `{"id":"t-9"}`: "t-9", `{"task_id":"t-9"}`: "t-9", `{"id":9}`: "t-9", `9`: "t-9",
		`null`: "t-1", `{}`: "t-1", `[]`: "t-1", `true`: "t-1", `""`: "t-1", `{"id":{}}`: "t-1",
	} {
		client := scriptedMOI(t, map[string][]string{"create": {`{"code":0,"data":` + data + `}`}, "list": {none, list}, "info": {info}})
		task, err := client.ExportTasks.Create(t.Context(), taskOf("n", "f-1"))
		require.NoError(t, err, data)
		assert.Equal(t, want, task.ID, data)
	}
	// What looks like an id need not be one.
	client := scriptedMOI(t, map[string][]string{"create": {`{"code":"ok","data":"success"}`}, "list": {none, list}, "info": {`{"code":"ErrServer"}`}})
	task, err := client.ExportTasks.Create(t.Context(), taskOf("n", "f-1"))
	require.NoError(t, err)
	assert.Equal(t, "t-1", task.ID)
}

func TestCreateDoesNotTakeAnOlderTask(t *testing.T) {
	before := `{"code":"ok","data":{"tasks":[{"id":"t-2","name":"x","connector_name":"kb","create_time":"2025-01-02T00:00:00"}],"total":2}}`
	after := `{"code":"ok","data":{"tasks":[{"id":"t-1","name":"n","connector_name":"kb","create_time":"2025-01-01T00:00:00"}],"total":1}}`
	synctest.Test(t, func(t *testing.T) {
		client := scriptedMOI(t, map[string][]string{"create": {`{"code":"ok","data":null}`}, "list": {before, after}})
		_, err := client.ExportTasks.Create(t.Context(), taskOf("n", "f-1"))
		require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
	})
}

func TestRunSucceedsWhenEveryFileDid(t *testing.T) {
	for _, code := range []any{"ok", "OK", 0} {
		inMOI(t, func(m moiTest) {
			t, s, tasks := m.t, m.s, m.tasks
			s.MOI().SetCode(code)
			s.MOI().SetPace(10 * time.Second)
			var polled []string
			start := time.Now()
			task, err := tasks.Run(t.Context(), taskOf("n", "f-1", "f-2"), minapp.WaitOptions{OnPoll: func(status string) { polled = append(polled, status) }})
			require.NoError(t, err)
			assert.Equal(t, byoa.Succeeded, task.Verdict())
			assert.Equal(t, byoa.Counts{Total: 2, Completed: 2}, *task.Counts)
			assert.Equal(t, "unfinished: 0 of 2 files completed, 0 failed, 2 pending, 0 running", polled[0])
			assert.Equal(t, "succeeded: 2 of 2 files completed, 0 failed, 0 pending, 0 running", polled[len(polled)-1])
			assert.Less(t, len(polled), 8, "pauses grow")
			assert.Less(t, time.Since(start), time.Minute)
		})
	}
}

func TestRunTellsWhichFilesFailed(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		s.MOI().FailFiles("no text", "f-2", "f-3")
		task, err := tasks.Run(t.Context(), taskOf("n", "f-1", "f-2", "f-3"), minapp.WaitOptions{})
		failure, ok := errors.AsType[*byoa.TaskError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, byoa.TaskCompleted, task.Status, "which is not success")
		assert.Same(t, task, failure.Task)
		assert.Equal(t, byoa.PartlyFailed, failure.Task.Verdict())
		require.NoError(t, failure.Err)
		require.Len(t, failure.Files, 2)
		assert.Equal(t, []string{"f-2.pdf", "f-3.pdf"}, []string{failure.Files[0].Name, failure.Files[1].Name})
		assert.ErrorContains(t, err, "1 of 3 files completed, 2 failed")
		assert.ErrorContains(t, err, "f-2.pdf: 导出失败:no text")

		s.Fault(minapptest.Fault{Operation: "exporttasks.files", Status: 200, Body: `{"code":"ErrServer","msg":"down"}`})
		_, err = tasks.Wait(t.Context(), task.ID, minapp.WaitOptions{})
		failure, ok = errors.AsType[*byoa.TaskError](err)
		require.True(t, ok, "a failed task is one, also when its files cannot be listed")
		assert.ErrorContains(t, failure.Err, "down")
	})
}

func TestWaitAfterRerun(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		s.MOI().FailFiles("passing", "f-2")
		task, err := tasks.Run(t.Context(), taskOf("n", "f-1", "f-2"), minapp.WaitOptions{})
		require.Error(t, err)
		s.MOI().FailFiles("", "f-2")
		require.NoError(t, tasks.Rerun(t.Context(), task.ID))
		start := time.Now()
		task, err = tasks.Wait(t.Context(), task.ID, minapp.WaitOptions{})
		require.NoError(t, err)
		assert.Less(t, time.Since(start), 5*time.Second)
		assert.Equal(t, byoa.Succeeded, task.Verdict())
	})
}

func TestWaitBelievesAFailureThatItSawComing(t *testing.T) {
	inMOI(t, func(m moiTest) {
		m.s.MOI().FailFiles("no text", "f-1")
		created, err := m.tasks.Create(m.t.Context(), taskOf("n", "f-1"))
		require.NoError(m.t, err)
		start := time.Now()
		_, err = m.tasks.Wait(m.t.Context(), created.ID, minapp.WaitOptions{})
		require.Error(m.t, err)
		assert.Less(m.t, time.Since(start), 5*time.Second)
	})
}

func TestWaitAfterRerunDoesNotBelieveTheCountersOfBefore(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		s.MOI().FailFiles("passing", "f-2")
		task, err := tasks.Run(t.Context(), taskOf("n", "f-1", "f-2"), minapp.WaitOptions{})
		require.Error(t, err)
		s.MOI().FailFiles("", "f-2")
		require.NoError(t, tasks.Rerun(t.Context(), task.ID))
		// The service shows the counters of the run before for a while.
		stale := fmt.Sprintf(`{"code":"ok","data":%s}`, task.Raw)
		s.Fault(minapptest.Fault{Operation: "exporttasks.get", Times: 2, Status: 200, Body: stale})
		task, err = tasks.Wait(t.Context(), task.ID, minapp.WaitOptions{})
		require.NoError(t, err)
		assert.Equal(t, byoa.Succeeded, task.Verdict())

		require.Error(t, tasks.Rerun(t.Context(), task.ID), "nothing has failed")
	})
}

// Nobody asked for a rerun: the failure is believed, if not at once.
func TestWaitForATaskThatHadFailedBefore(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		id := s.MOI().AddTask(minapptest.MOITask{Name: "n", Files: []minapptest.MOIFile{{FullPath: []string{"a"}, Status: 3, Details: "why"}}})
		start := time.Now()
		_, err := tasks.Wait(t.Context(), id, minapp.WaitOptions{})
		failure, ok := errors.AsType[*byoa.TaskError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, byoa.Failed, failure.Task.Verdict())
		assert.GreaterOrEqual(t, time.Since(start), 10*time.Second)
		assert.Less(t, time.Since(start), 20*time.Second)
	})
}

func TestWaitEndsWithTheContextAndTheLastLook(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		s.MOI().SetPace(24 * time.Hour)
		created, err := tasks.Create(t.Context(), taskOf("for ever", "f-1"))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		task, err := tasks.Wait(ctx, created.ID, minapp.WaitOptions{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		wait, ok := errors.AsType[*minapp.WaitError](err)
		require.True(t, ok)
		last, ok := wait.Last.(*byoa.Task)
		require.True(t, ok, "%T", wait.Last)
		assert.Same(t, task, last)
		assert.Equal(t, byoa.Counts{Total: 1, Pending: 1}, *last.Counts)
		assert.Equal(t, time.Hour, wait.Waited)
		assert.EqualError(t, err, "exporttasks.get: stopped waiting after 1h0m0s for task "+created.ID+
			", last seen as unfinished: 0 of 1 files completed, 0 failed, 1 pending, 0 running: context deadline exceeded")
		looks := s.Count("exporttasks.get")
		assert.Greater(t, looks, 100)
		assert.Less(t, looks, 130, "every 30 s and a little jitter")
	})
}

func TestWaitSitsOutPassingFaults(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		s.MOI().SetPace(time.Minute)
		created, err := tasks.Create(t.Context(), taskOf("n", "f-1"))
		require.NoError(t, err)
		fault := minapptest.Fault{Operation: "exporttasks.get", Times: 3, Status: 200, Body: `{"code":"ErrServer","msg":"passing","data":null}`}
		s.Fault(fault)
		_, err = tasks.Wait(t.Context(), created.ID, minapp.WaitOptions{})
		require.NoError(t, err)

		_, err = tasks.Wait(t.Context(), "task_404", minapp.WaitOptions{})
		wait, ok := errors.AsType[*minapp.WaitError](err)
		require.True(t, ok)
		assert.Nil(t, wait.Last)
		refusal, ok := errors.AsType[*minapp.Error](err)
		require.True(t, ok)
		assert.Equal(t, "ErrServer", refusal.Code)

		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		_, err = tasks.Wait(ctx, "task_404", minapp.WaitOptions{})
		require.ErrorIs(t, err, context.DeadlineExceeded, "also while a fault is sat out")

		s.Fault(minapptest.Fault{Operation: "exporttasks.get", Status: 403, Body: `{"code":"ErrForbidden","msg":"no","data":null}`})
		_, err = tasks.Wait(t.Context(), created.ID, minapp.WaitOptions{})
		require.ErrorIs(t, err, minapp.ErrForbidden, "other refusals end the wait at once")
	})
}

// An older service has no counters: the files are counted.
func TestWaitOnAServiceThatCountsNothing(t *testing.T) {
	const (
		running = `{"code":"ok","data":{"id":"t","name":"n","status":1,"end_time":null}}`
		ended   = `{"code":"ok","data":{"id":"t","name":"n","status":2,"end_time":"2025-01-01T00:00:00"}}`
		good    = `{"code":"ok","data":{"files":[{"id":"a","status":2},{"id":"b","status":2}],"total":2}}`
		bad     = `{"code":"ok","data":{"files":[{"id":"a","status":2},{"id":"b","status":3,"file_name":"b.doc"}],"total":2}}`
		strange = `{"code":"ok","data":{"files":[{"id":"a","status":2},{"id":"b","status":17}],"total":2}}`
	)
	synctest.Test(t, func(t *testing.T) { // nor does it list any files
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		none := []string{`{"code":"ok","data":{"files":[],"total":0}}`}
		task, err := scriptedMOI(t, map[string][]string{"info": {ended}, "files": none}).ExportTasks.Wait(ctx, "t", minapp.WaitOptions{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, byoa.Uncounted, task.Verdict())
		failed := strings.Replace(ended, `"status":2`, `"status":3`, 1)
		task, err = scriptedMOI(t, map[string][]string{"info": {failed}, "files": none}).ExportTasks.Wait(t.Context(), "t", minapp.WaitOptions{})
		_, ok := errors.AsType[*byoa.TaskError](err)
		assert.True(t, ok, "%v", err)
		assert.Equal(t, byoa.Failed, task.Verdict())
	})
	synctest.Test(t, func(t *testing.T) { // it calls a task ended whose files are on their way
		busy := strings.NewReplacer(`"a","status":2`, `"a","status":0`, `"b","status":2`, `"b","status":1`).Replace(good)
		var said []string
		client := scriptedMOI(t, map[string][]string{"info": {ended}, "files": {busy, good}})
		_, err := client.ExportTasks.Wait(t.Context(), "t", minapp.WaitOptions{OnPoll: func(status string) { said = append(said, status) }})
		require.NoError(t, err)
		assert.Equal(t, []string{
			"unfinished: 0 of 2 files completed, 0 failed, 1 pending, 1 running",
			"succeeded: 2 of 2 files completed, 0 failed, 0 pending, 0 running",
		}, said)
	})
	synctest.Test(t, func(t *testing.T) { // its files cannot be read, for a while or at all
		fault := `{"code":"ErrServer","msg":"no files"}`
		client := scriptedMOI(t, map[string][]string{"info": {ended}, "files": {fault, fault, fault, good}})
		_, err := client.ExportTasks.Wait(t.Context(), "t", minapp.WaitOptions{})
		require.NoError(t, err)
		client = scriptedMOI(t, map[string][]string{"info": {ended}, "files": {fault}})
		_, err = client.ExportTasks.Wait(t.Context(), "t", minapp.WaitOptions{})
		gaveUp, ok := errors.AsType[*minapp.WaitError](err)
		require.True(t, ok, "%v", err)
		assert.ErrorContains(t, gaveUp.Err, "exporttasks.files")
		assert.Nil(t, gaveUp.Last, "it has not been looked at as a whole")
	})
	for files, want := range map[string]byoa.Verdict{good: byoa.Succeeded, bad: byoa.PartlyFailed, strange: byoa.PartlyFailed} {
		synctest.Test(t, func(t *testing.T) {
			client := scriptedMOI(t, map[string][]string{"info": {running, ended}, "files": {files}})
			task, err := client.ExportTasks.Wait(t.Context(), "t", minapp.WaitOptions{})
			assert.Equal(t, want, task.Verdict())
			assert.Equal(t, want == byoa.Succeeded, err == nil, "%v", err)
			if failure, ok := errors.AsType[*byoa.TaskError](err); ok && files == bad {
				require.Len(t, failure.Files, 1, "the filter was ignored")
				assert.Equal(t, "b.doc", failure.Files[0].Name)
			}
		})
	}
}

// listedTasks is an answer of a list with tasks of these ids.
func listedTasks(total int, ids ...string) string {
	tasks := make([]string, len(ids))
	for i, id := range ids {
		tasks[i] = `{"id":"` + id + `"}`
	}
	return fmt.Sprintf(`{"code":"ok","data":{"tasks":[%s],"total":%d}}`, strings.Join(tasks, ","), total)
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		pages []string
		want  []string
		ok    bool
	}{
		"one page":                   {[]string{listedTasks(2, "a", "b")}, []string{"a", "b"}, true},
		"nothing":                    {[]string{listedTasks(0)}, nil, true},
		"a limit that is not kept":   {[]string{listedTasks(3, "a"), listedTasks(3, "b"), listedTasks(3, "c")}, []string{"a", "b", "c"}, true},
		"edges that repeat":          {[]string{listedTasks(3, "a", "b"), listedTasks(3, "b", "c")}, []string{"a", "b", "c"}, true},
		"no total":                   {[]string{listedTasks(0, "a"), listedTasks(0, "b"), listedTasks(0)}, []string{"a", "b"}, true},
		"tasks that come meanwhile":  {[]string{listedTasks(2, "b"), listedTasks(3, "b", "a"), listedTasks(3)}, []string{"b", "a"}, true},
		"tasks that go meanwhile":    {[]string{listedTasks(3, "a", "b"), listedTasks(2)}, []string{"a", "b"}, true},
		"an end before the total":    {[]string{listedTasks(5, "a", "b"), listedTasks(5)}, []string{"a", "b"}, false},
		"a page that repeats itself": {[]string{listedTasks(5, "a", "b")}, []string{"a", "b"}, false},
		"a task without an id":       {[]string{listedTasks(2, "a"), listedTasks(2, "")}, []string{"a"}, false},
		"no data":                    {[]string{`{"code":"ok","data":null}`}, nil, false},
		"no code":                    {[]string{`{"data":{"tasks":[]}}`}, nil, false},
	} {
		client := scriptedMOI(t, map[string][]string{"list": tt.pages})
		var got []string
		var failed error
		for task, err := range client.ExportTasks.All(t.Context(), byoa.TaskQuery{}) {
			if err != nil {
				failed = err
				continue
			}
			got = append(got, task.ID)
		}
		assert.Equal(t, tt.want, got, name)
		if tt.ok {
			assert.NoError(t, failed, name)
		} else {
			assert.ErrorIs(t, failed, minapp.ErrProtocol, name)
		}
	}
}

// Loops over one list that run at once do not move each other on.
func TestAListIsReadBySeveralAtOnce(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		files := make([]minapptest.MOIFile, 25)
		for i := range files {
			files[i].FullPath = []string{"vol", strconv.Itoa(i)}
		}
		id := s.MOI().AddTask(minapptest.MOITask{Name: "n", Files: files})
		for range 24 {
			s.MOI().AddTask(minapptest.MOITask{Name: "n"})
		}
		allTasks := tasks.All(t.Context(), byoa.TaskQuery{PageSize: 7})
		allFiles := tasks.Files(t.Context(), id, byoa.FileQuery{PageSize: 7})
		var readers sync.WaitGroup
		for range 3 {
			readers.Go(func() { assert.Equal(t, 25, countAll(allTasks)) })
			readers.Go(func() { assert.Equal(t, 25, countAll(allFiles)) })
		}
		readers.Wait()
	})
}

func TestListsAdvanceByWhatWasReceived(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		for i := range 25 {
			s.MOI().AddTask(minapptest.MOITask{ID: fmt.Sprintf("t-%02d", i), Name: "n"})
		}
		var ids []string
		for task, err := range tasks.All(t.Context(), byoa.TaskQuery{PageSize: 7, Offset: 2, OrderBy: "-" + byoa.OrderCreated}) {
			require.NoError(t, err)
			ids = append(ids, task.ID)
		}
		require.Len(t, ids, 23)
		assert.Equal(t, "t-22", ids[0])
		assert.True(t, slices.IsSortedFunc(ids, func(a, b string) int { return strings.Compare(b, a) }))
		assert.Equal(t, 4, s.Count("exporttasks.list"))
		// Leaving the loop asks for nothing more, and each loop starts anew.
		s.ResetLog()
		all := tasks.All(t.Context(), byoa.TaskQuery{PageSize: 7})
		assert.Zero(t, s.Count(""))
		for range 2 {
			for _, err := range all {
				require.NoError(t, err)
				break
			}
		}
		assert.Equal(t, 2, s.Count("exporttasks.list"))
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		n := 0
		for _, err := range tasks.All(ctx, byoa.TaskQuery{PageSize: 7}) {
			if n++; n == 3 {
				cancel(errors.New("enough"))
			} else if n > 3 {
				require.EqualError(t, err, "enough")
			}
		}
		assert.Equal(t, 4, n)
	})
}

func TestReadsAreRepeatedAndTaskWritesAreNot(t *testing.T) {
	inMOI(t, func(m moiTest) {
		t, s, tasks := m.t, m.s, m.tasks
		id := s.MOI().AddTask(minapptest.MOITask{Name: "n", Files: []minapptest.MOIFile{{FullPath: []string{"a"}, Status: 3}}})
		for operation, call := range map[string]func() error{
			"exporttasks.get":    func() error { _, err := tasks.Get(t.Context(), id); return err },
			"exporttasks.list":   func() error { _, err := tasks.Page(t.Context(), byoa.TaskQuery{}); return err },
			"exporttasks.files":  func() error { _, err := tasks.FilePage(t.Context(), id, byoa.FileQuery{}); return err },
			"exporttasks.rerun":  func() error { return tasks.Rerun(t.Context(), id) },
			"exporttasks.delete": func() error { return tasks.Delete(t.Context(), id) },
		} {
			s.ResetLog()
			s.Fault(minapptest.Fault{Operation: operation, Status: 503})
			err := call()
			if operation == "exporttasks.rerun" || operation == "exporttasks.delete" {
				require.ErrorIs(t, err, minapp.ErrOutcomeUnknown, operation)
				assert.Equal(t, 1, s.Count(operation))
			} else {
				require.NoError(t, err, operation)
				assert.Equal(t, 2, s.Count(operation))
			}
		}
	})
}

func TestMistakesAreRefusedBeforeAnythingIsSent(t *testing.T) {
	client, transport := mocked(t, httpmock.NewStringResponder(200, `{"code":"ok","data":null}`), minapp.WithMOIKey(secret))
	tasks, ctx := client.ExportTasks, t.Context()
	for want, err := range map[string]error{
		"exporttasks.get: invalid argument: task id is blank":    moiError(tasks.Get(ctx, " ")),
		"exporttasks.files: invalid argument: task id is blank":  moiError(tasks.FilePage(ctx, "", byoa.FileQuery{})),
		"exporttasks.delete: invalid argument: task id is blank": tasks.Delete(ctx, ""),
		"exporttasks.rerun: invalid argument: task id is blank":  tasks.Rerun(ctx, ""),
		"exporttasks.rerun: invalid argument: task is \"..\"":    tasks.Rerun(ctx, ".."),
		"TaskSpec.Files is empty":                                moiError(tasks.Create(ctx, taskOf("n"))),
		"PageSize -1 or Offset 0 is negative":                    moiError(tasks.Page(ctx, byoa.TaskQuery{PageSize: -1})),
		"PageSize 0 or Offset -1 is negative":                    moiError(tasks.FilePage(ctx, "t", byoa.FileQuery{Offset: -1})),
		`OrderBy[0] is "a b"`:                                    moiError(tasks.Page(ctx, byoa.TaskQuery{OrderBy: "a b"})),
		"WaitOptions intervals -1ns":                             moiError(tasks.Wait(ctx, "t", minapp.WaitOptions{Interval: -1})),
		"WaitOptions intervals 0s and -1ns":                      moiError(tasks.Run(ctx, taskOf("n", "f"), minapp.WaitOptions{MaxInterval: -1})),
		"CallReplay does not apply to this call":                 moiError(tasks.Wait(ctx, "t", minapp.WaitOptions{}, minapp.CallReplay())),
		"CallKeys does not apply to this call":                   moiError(tasks.Create(ctx, taskOf("n", "f"), minapp.CallKeys("a"))),
		"connectors.list: invalid argument: name is blank":       moiError(client.Connectors.Find(ctx, "")),
	} {
		require.ErrorIs(t, err, minapp.ErrInvalid, want)
		assert.ErrorContains(t, err, want)
	}
	assert.Zero(t, transport.GetTotalCallCount())

	client, transport = mocked(t, httpmock.NewStringResponder(200, `{}`))
	_, err := client.ExportTasks.Create(ctx, taskOf("n", "f"))
	require.ErrorIs(t, err, minapp.ErrNoCredentials)
	_, err = client.Connectors.Find(ctx, "kb")
	require.ErrorIs(t, err, minapp.ErrNoCredentials)
	assert.Zero(t, transport.GetTotalCallCount())
}

// moiError is the error of a call with a result.
func moiError[T any](_ T, err error) error { return err }

func TestAnswersWithoutDataOrID(t *testing.T) {
	client, _ := mocked(t, httpmock.NewStringResponder(200, `{"code":"ok","data":null}`), minapp.WithMOIKey(secret))
	ctx := t.Context()
	for _, err := range []error{
		moiError(client.ExportTasks.Get(ctx, "t")), moiError(client.ExportTasks.Page(ctx, byoa.TaskQuery{})),
		moiError(client.ExportTasks.FilePage(ctx, "t", byoa.FileQuery{})), moiError(client.Connectors.Find(ctx, "kb")),
	} {
		require.ErrorIs(t, err, minapp.ErrProtocol)
		require.NotErrorIs(t, err, minapp.ErrOutcomeUnknown)
	}
	require.NoError(t, client.ExportTasks.Delete(ctx, "t"), "nothing is expected of it")
	client, _ = mocked(t, httpmock.NewStringResponder(200, `{"code":"ok","data":{"anything":1}}`), minapp.WithMOIKey(secret))
	require.NoError(t, client.ExportTasks.Rerun(ctx, "t"))
	require.ErrorIs(t, moiError(client.ExportTasks.Get(ctx, "t")), minapp.ErrProtocol)
}

func TestTaskIDIsEscapedInThePath(t *testing.T) {
	var path string
	client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
		path = r.URL.EscapedPath()
		assert.Nil(t, r.Body)
		assert.Empty(t, r.Header.Values("Content-Type"))
		return httpmock.NewStringResponse(200, `{"code":"ok"}`), nil
	}, minapp.WithMOIKey(secret))
	require.NoError(t, client.ExportTasks.Rerun(t.Context(), "a/b?c"))
	assert.Equal(t, "/byoa/api/v1/export/task/a%2Fb%3Fc/rerun", path)
}

func TestConnectorsStandBesideThePrefix(t *testing.T) {
	for base, want := range map[string]string{
		"https://moi.example/byoa/api/v1":        "https://moi.example/connectors/list",
		"https://moi.example/byoa/api/v1/":       "https://moi.example/connectors/list",
		"https://proxy.example/moi/byoa/api/v1":  "https://proxy.example/moi/connectors/list",
		"https://moi.example/newmoi":             "https://moi.example/newmoi/connectors/list",
		"https://moi.example/byoa/api/v1/byoa-2": "https://moi.example/byoa/api/v1/byoa-2/connectors/list",
	} {
		client, _ := mocked(t, func(r *http.Request) (*http.Response, error) {
			u := *r.URL
			u.RawQuery = ""
			assert.Equal(t, want, u.String())
			return httpmock.NewStringResponse(200, `{"code":"OK","data":{"connectors":[]}}`), nil
		}, minapp.WithMOIKey(secret), minapp.WithMOIBaseURL(base))
		require.ErrorIs(t, moiError(client.Connectors.Find(t.Context(), "kb")), minapp.ErrNotFound)
	}
}

func TestFindWantsExactlyOneConnector(t *testing.T) {
	s := minapptest.NewServer(t)
	for i := range 250 {
		s.MOI().AddConnector(minapptest.MOIConnector{Name: fmt.Sprintf("c%d", i%249)})
	}
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	c, err := client.Connectors.Find(t.Context(), "c248")
	require.NoError(t, err)
	assert.Equal(t, "249", c.ID)
	assert.Equal(t, 3, s.Count("connectors.list"))
	_, err = client.Connectors.Find(t.Context(), "c0")
	require.ErrorIs(t, err, minapp.ErrAmbiguous)
	assert.ErrorContains(t, err, "1 and 250")
	_, err = client.Connectors.Find(t.Context(), "C1")
	require.ErrorIs(t, err, minapp.ErrNotFound)
}

// The list of connectors is the one answer that holds secrets of others.
func TestConnectorSecretsStayOutOfErrors(t *testing.T) {
	const answer = `{"code":"ok","data":{"connectors":[{"id":1,"name":"lake","oss":{"access_key_secret":"s3cr3t-of-others"}}],"total":1}}`
	for name, body := range map[string]string{
		"cut":       answer[:len(answer)-4],
		"no JSON":   `oops: ` + answer,
		"a refusal": strings.Replace(answer, `"ok"`, `"ErrServer","msg":"no"`, 1),
		"no code":   strings.Replace(answer, `"code":"ok",`, ``, 1),
		"bad type":  strings.Replace(answer, `"id":1`, `"id":{"x":"s3cr3t-of-others"}`, 1),
	} {
		for _, status := range []int{200, 400} {
			client, _ := mocked(t, httpmock.NewStringResponder(status, body), minapp.WithMOIKey(secret), minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1}))
			err := moiError(client.Connectors.Find(t.Context(), "none"))
			require.Error(t, err)
			e, ok := errors.AsType[*minapp.Error](err)
			require.True(t, ok)
			assert.NotContains(t, fmt.Sprintf("%v %+v %s %s", err, *e, e.Body, e.LogValue()), "s3cr3t", "%s, %d", name, status)
		}
	}
}

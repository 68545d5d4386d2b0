package minapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/pace"
)

// ExportTaskService runs the export tasks of MatrixOne Intelligence (MOI). They
// copy files of a MOI volume, which are in MOI already, to Dify, to object
// storage or to a MatrixOne database. They do not move rows of minapp tables.
// It needs [WithMOIKey]. Source: MOI data_export_api.
type ExportTaskService struct{ client *Client }

const (
	// moiPage is the size of a page when the caller names none. The service's
	// own default is 10, and it documents no maximum.
	moiPage = 100
	// maxMOIPages bounds a list that never ends.
	maxMOIPages = 10_000
	// codeServer is the code of every failure that has no other: a task that
	// does not exist, one with nothing to do again, a passing fault.
	codeServer = "ErrServer"
	// toleratedFaults is how many such answers in a row a wait takes for a passing
	// fault.
	toleratedFaults = 3
	// rerunGrace is how long a wait that began with a failed task looks on:
	// counters can be those of before a rerun (inferred).
	rerunGrace = 10 * time.Second
	// maxFailed is the most files that a *byoa.TaskError lists.
	maxFailed = 1000
)

// Create makes a task, which starts at once, and returns it as the list has
// it. The service answers no id, so that the task is looked for: of the same
// creator, by exact name and connector, not among the tasks that were there
// before, and not older than they are. Use a name of its own for every task
// ([byoa.UniqueName]).
//
// Before anything is sent the spec is checked ([ErrInvalid] names the field),
// and the tasks that are there are listed. A create is not repeated after a
// failure whose outcome is unknown without [CallReplay]; the task is looked for
// instead, and returned if it is there. If it is not there after several looks
// the error is [ErrOutcomeUnknown]; if several tasks match, [ErrAmbiguous].
// Options apply to the create itself. Source: MOI data_export_api.
func (s *ExportTaskService) Create(ctx context.Context, spec byoa.TaskSpec, opts ...CallOption) (*byoa.Task, error) {
	op := operation.ExportTasksCreate
	if err := spec.Err(); err != nil {
		return nil, invalid(op, "%w", err)
	}
	call, err := newCall(op, opts)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(spec)
	if err != nil {
		return nil, invalid(op, "%w", err)
	}
	call.Body = api.JSONBody(body)
	l := &taskLookup{service: s, spec: spec}
	if err := l.before(ctx); err != nil {
		return nil, err
	}
	res, err := s.client.api.Do(ctx, op, call)
	if err != nil {
		err = toError(err)
		if !errors.Is(err, ErrOutcomeUnknown) || ctx.Err() != nil {
			return nil, err
		}
		return l.after(ctx, err)
	}
	if id := createdID(res.Body); id != "" {
		if task, err := s.Get(ctx, id); err == nil && task.Name == spec.Name {
			return task, nil
		}
	}
	return l.after(ctx, nil)
}

// createdID reads the id that a later generation of the API promises, in the
// places where it may be (inferred); "" if there is none.
func createdID(data []byte) string {
	var object struct {
		ID     json.RawMessage `json:"id"`
		TaskID json.RawMessage `json:"task_id"`
	}
	_ = json.Unmarshal(data, &object)
	for _, id := range [][]byte{object.ID, object.TaskID, data} {
		isScalar := len(id) > 0 && strings.IndexByte(`"123456789`, id[0]) >= 0
		if isScalar && text(id) != "" {
			return text(id)
		}
	}
	return ""
}

// taskLookup finds the task that a create has made.
type taskLookup struct {
	service *ExportTaskService
	spec    byoa.TaskSpec
	known   map[string]bool // the newest tasks before the create
	newest  time.Time       // when the newest of them was made, by the service's clock
}

func (l *taskLookup) query() byoa.TaskQuery {
	return byoa.TaskQuery{Creator: l.spec.Creator, ConnectorName: l.spec.ConnectorName, OrderBy: "-" + byoa.OrderCreated}
}

// before remembers the newest tasks. Their order on the service tells what is
// newer: clocks need not agree, and times need not state a zone.
func (l *taskLookup) before(ctx context.Context) error {
	page, err := l.service.Page(ctx, l.query())
	if err != nil {
		return err
	}
	l.known = make(map[string]bool, len(page.Tasks))
	for _, task := range page.Tasks {
		l.known[task.ID] = true
		if at, ok := task.Created.In(time.UTC); ok && at.After(l.newest) {
			l.newest = at
		}
	}
	return nil
}

// after looks until the task is there. lost is the error of a create whose
// answer was lost.
func (l *taskLookup) after(ctx context.Context, lost error) (*byoa.Task, error) {
	for pause := time.Second; ; pause *= 2 {
		found, err := l.matches(ctx)
		switch {
		case err == nil && len(found) == 1:
			return found[0], nil
		case err == nil && len(found) > 1:
			ids := make([]string, len(found))
			for i, task := range found {
				ids[i] = task.ID
			}
			return nil, l.failed(lost, lost != nil, fmt.Errorf("%w: the new tasks %s are all named %q", ErrAmbiguous, strings.Join(ids, ", "), l.spec.Name))
		case err == nil && pause > 4*time.Second:
			return nil, l.failed(lost, true, fmt.Errorf("no new task is named %q", l.spec.Name))
		case err == nil:
			err = pace.Sleep(ctx, pause)
		}
		if err != nil {
			return nil, l.failed(lost, true, err)
		}
	}
}

func (l *taskLookup) failed(lost error, unknown bool, err error) error {
	op := operation.ExportTasksCreate
	if lost != nil {
		err = fmt.Errorf("%w; looking for the task: %w", lost, err)
	} else {
		err = fmt.Errorf("accepted, but looking for the task: %w", err)
	}
	return &Error{Op: op.Name, Method: op.Method, Err: err, unknown: unknown}
}

// matches lists the tasks that can be the one made. Tasks of one second have
// no order among themselves, so that a page is read to its end.
func (l *taskLookup) matches(ctx context.Context) ([]*byoa.Task, error) {
	var found []*byoa.Task
	position, reached := 0, false
	for task, err := range l.service.All(ctx, l.query()) {
		if err != nil {
			return nil, err
		}
		at, dated := task.Created.In(time.UTC)
		older := dated && at.Before(l.newest)
		switch {
		case l.known[task.ID]:
			reached = true
		case task.Name == l.spec.Name && task.ConnectorName == l.spec.ConnectorName && !older:
			found = append(found, task)
		}
		if position++; reached && position%moiPage == 0 {
			break
		}
	}
	return found, nil
}

// Get looks at one task. The service has no code for a task that does not
// exist: the error's Code is then "ErrServer", as for other failures, and
// [ExportTaskService.Page] with TaskID tells. Repeated automatically. Source:
// MOI data_export_api.
func (s *ExportTaskService) Get(ctx context.Context, id string, opts ...CallOption) (*byoa.Task, error) {
	op := operation.ExportTasksGet
	call, err := taskCall(op, id, opts)
	if err != nil {
		return nil, err
	}
	var task byoa.Task
	if err := s.client.send(ctx, op, call, taskID{id}, &task); err != nil {
		return nil, err
	}
	if task.ID == "" {
		return nil, noID(op)
	}
	return &task, nil
}

// taskID is the body of calls about one task.
type taskID struct {
	ID string `json:"id"`
}

// taskCall refuses an empty id: parts of the service take it for no id at all.
func taskCall(op operation.Operation, id string, opts []CallOption, path ...string) (api.Call, error) {
	switch {
	case strings.TrimSpace(id) == "":
		return api.Call{}, invalid(op, "task id is blank")
	case !utf8.ValidString(id): // JSON would hold another one
		return api.Call{}, invalid(op, "task id is not UTF-8")
	}
	return newCall(op, opts, path...)
}

func noID(op operation.Operation) error {
	return &Error{Op: op.Name, Method: op.Method, StatusCode: http.StatusOK, Err: fmt.Errorf("%w: no id in the answer", ErrProtocol)}
}

// moiList is the body of the calls that list.
type moiList[S ~int] struct {
	Offset        int    `json:"offset"`
	Limit         int    `json:"limit"`
	TaskID        string `json:"task_id,omitempty"`
	Statuses      []S    `json:"statuses,omitempty"`
	Creator       string `json:"creator,omitempty"`
	ConnectorName string `json:"connector_name,omitempty"`
	OrderBy       string `json:"order_by"`
	Direction     string `json:"order_direction"`
}

// newMOIList checks what all lists have in common.
func newMOIList[S ~int](op operation.Operation, statuses []S, orderBy string, size, offset int) (moiList[S], error) {
	if size < 0 || offset < 0 {
		return moiList[S]{}, invalid(op, "PageSize %d or Offset %d is negative", size, offset)
	}
	by, latestFirst := strings.CutPrefix(cmp.Or(orderBy, byoa.OrderCreated), "-")
	if err := checkNames("OrderBy", []string{by}); err != nil {
		return moiList[S]{}, invalid(op, "%w", err)
	}
	list := moiList[S]{Offset: offset, Limit: cmp.Or(size, moiPage), Statuses: statuses, OrderBy: by, Direction: "asc"}
	if latestFirst {
		list.Direction = "desc"
	}
	return list, nil
}

// Page reads one page of tasks. Repeated automatically. Source: MOI
// data_export_api.
func (s *ExportTaskService) Page(ctx context.Context, q byoa.TaskQuery, opts ...CallOption) (*byoa.TaskPage, error) {
	op := operation.ExportTasksList
	list, err := newMOIList(op, q.Statuses, q.OrderBy, q.PageSize, q.Offset)
	if err != nil {
		return nil, err
	}
	list.TaskID, list.Creator, list.ConnectorName = q.TaskID, q.Creator, q.ConnectorName
	call, err := newCall(op, opts)
	if err != nil {
		return nil, err
	}
	var page byoa.TaskPage
	if err := s.client.send(ctx, op, call, list, &page); err != nil {
		return nil, err
	}
	for _, task := range page.Tasks {
		if task == nil || task.ID == "" {
			return nil, noID(op)
		}
	}
	return &page, nil
}

// All reads every task of the query, page after page, each task once. Nothing
// is sent before the loop begins, and each loop starts anew. A list that ends
// before it has given as many tasks as it counts, or that repeats itself, is
// [ErrProtocol].
//
// Pages are counted by offset: of tasks that others create while the loop runs,
// those behind the position are yielded and those before it are not; one that
// is deleted before it hides another, which is then missed. Repeated
// automatically. Source: MOI data_export_api.
func (s *ExportTaskService) All(ctx context.Context, q byoa.TaskQuery, opts ...CallOption) iter.Seq2[*byoa.Task, error] {
	return walkMOI(ctx, operation.ExportTasksList, q.Offset, func(task *byoa.Task) string { return task.ID },
		func(_, offset int) ([]*byoa.Task, int64, error) {
			q.Offset = offset
			page, err := s.Page(ctx, q, opts...)
			if err != nil {
				return nil, 0, err
			}
			return page.Tasks, page.Total, nil
		})
}

// FilePage reads one page of the files of a task, and how many files of the
// whole task succeeded and failed. Repeated automatically. Source: MOI
// data_export_api.
func (s *ExportTaskService) FilePage(ctx context.Context, id string, q byoa.FileQuery, opts ...CallOption) (*byoa.FilePage, error) {
	op := operation.ExportTasksFiles
	call, err := taskCall(op, id, opts)
	if err != nil {
		return nil, err
	}
	list, err := newMOIList(op, q.Statuses, q.OrderBy, q.PageSize, q.Offset)
	if err != nil {
		return nil, err
	}
	list.TaskID = id
	var page byoa.FilePage
	if err := s.client.send(ctx, op, call, list, &page); err != nil {
		return nil, err
	}
	for _, file := range page.Files {
		if file == nil || file.ID == "" {
			return nil, noID(op)
		}
	}
	return &page, nil
}

// Files reads the files of a task, page after page, as
// [ExportTaskService.All] reads tasks. Repeated automatically. Source: MOI
// data_export_api.
func (s *ExportTaskService) Files(ctx context.Context, id string, q byoa.FileQuery, opts ...CallOption) iter.Seq2[*byoa.File, error] {
	return walkMOI(ctx, operation.ExportTasksFiles, q.Offset, func(file *byoa.File) string { return file.ID },
		func(_, offset int) ([]*byoa.File, int64, error) {
			q.Offset = offset
			page, err := s.FilePage(ctx, id, q, opts...)
			if err != nil {
				return nil, 0, err
			}
			return page.Files, page.Total, nil
		})
}

// walkMOI yields the elements of a list of MOI. fetch gets the number of the page
// and the number of elements before it. The service has repeated elements at
// the edges of pages, and does not promise to honour a limit: what counts is
// what was received.
func walkMOI[E any](ctx context.Context, op operation.Operation, start int, id func(*E) string, fetch func(page, offset int) ([]*E, int64, error)) iter.Seq2[*E, error] {
	return func(yield func(*E, error) bool) {
		seen := map[string]bool{}
		offset := start
		promised := int64(math.MaxInt64) // the least total: elements come and go meanwhile
		for page := range maxMOIPages {
			elements, total, err := fetch(page, offset)
			if err != nil {
				yield(nil, err)
				return
			}
			offset += len(elements)
			before := len(seen)
			for _, e := range elements {
				if ctx.Err() != nil {
					yield(nil, context.Cause(ctx))
					return
				}
				if key := id(e); !seen[key] {
					seen[key] = true
					if !yield(e, nil) {
						return
					}
				}
			}
			got := int64(start + len(seen))
			if total > 0 {
				promised = min(promised, total)
			}
			switch {
			case total > 0 && got >= total, len(elements) == 0 && (got >= promised || promised == math.MaxInt64):
				return
			case len(elements) == 0:
				yield(nil, unreliable(op, "the list counts %d and ends after %d", promised, got))
				return
			case len(seen) == before:
				yield(nil, unreliable(op, "the list repeats itself after %d", got))
				return
			}
		}
		yield(nil, unreliable(op, "the list has not ended after %d pages", maxMOIPages))
	}
}

func unreliable(op operation.Operation, format string, args ...any) error {
	return &Error{Op: op.Name, Method: op.Method, StatusCode: http.StatusOK, Err: fmt.Errorf("%w: "+format, append([]any{ErrProtocol}, args...)...)}
}

// Rerun exports the files of a task that failed once more, within the same
// task. The service refuses if none failed (Code "ErrServer"). It answers
// before the work begins; [ExportTaskService.Wait] knows that the counters of
// the last run can stand for a while.
//
// Not repeated after a failure whose outcome is unknown without [CallReplay]:
// [ErrOutcomeUnknown]. [ExportTaskService.Get] tells: files that are pending
// or running again mean that it happened. Source: MOI data_export_api.
func (s *ExportTaskService) Rerun(ctx context.Context, id string, opts ...CallOption) error {
	op := operation.ExportTasksRerun
	call, err := taskCall(op, id, opts, id)
	if err != nil {
		return err
	}
	return s.client.send(ctx, op, call, nil, nil)
}

// Delete removes a task from the service's lists. What it has written to the
// target stays, and a task that runs cannot be cancelled: the service may
// refuse to delete it (Code "ErrServer", as for a task that does not exist).
//
// Not repeated after a failure whose outcome is unknown without [CallReplay]:
// [ErrOutcomeUnknown]. [ExportTaskService.Page] with TaskID tells whether the
// task is still there. Source: MOI data_export_api.
func (s *ExportTaskService) Delete(ctx context.Context, id string, opts ...CallOption) error {
	op := operation.ExportTasksDelete
	call, err := taskCall(op, id, opts)
	if err != nil {
		return err
	}
	return s.client.send(ctx, op, call, taskID{id}, nil)
}

// Wait looks at a task until it has ended, by the verdict of its counters
// ([byoa.Task.Verdict]). It returns the last look and nil if every file
// succeeded. If not, the error is a *[byoa.TaskError] with the files that
// failed; counters that say so at the first look are watched for 10 s, since
// they can be older than a [ExportTaskService.Rerun]. On a service that does
// not count, the files themselves are counted.
//
// Tasks have been seen to stay in progress for ever: the context bounds the
// wait, and the error is then a *[WaitError] whose Last is the last *byoa.Task.
// Three answers with the code ErrServer in a row are taken for a passing fault,
// a fourth ends the wait in the same way. Options apply to every look. Source:
// MOI data_export_api.
func (s *ExportTaskService) Wait(ctx context.Context, id string, o WaitOptions, opts ...CallOption) (*byoa.Task, error) {
	return s.wait(ctx, id, o, rerunGrace, opts)
}

// Run creates a task and waits for its end: [ExportTaskService.Create], to
// which the options apply, then [ExportTaskService.Wait]. The task is returned
// also with the errors of Wait. Source: MOI data_export_api.
func (s *ExportTaskService) Run(ctx context.Context, spec byoa.TaskSpec, o WaitOptions, opts ...CallOption) (*byoa.Task, error) {
	if err := o.check(); err != nil {
		return nil, invalid(operation.ExportTasksCreate, "%w", err)
	}
	task, err := s.Create(ctx, spec, opts...)
	if err != nil {
		return nil, err
	}
	last, err := s.wait(ctx, task.ID, o, 0, nil)
	return cmp.Or(last, task), err
}

func (s *ExportTaskService) wait(ctx context.Context, id string, o WaitOptions, grace time.Duration, opts []CallOption) (*byoa.Task, error) {
	op := operation.ExportTasksGet
	if err := o.check(); err != nil {
		return nil, invalid(op, "%w", err)
	}
	if _, err := taskCall(op, id, opts); err != nil {
		return nil, err
	}
	settled := time.Now().Add(grace)
	task, err := poll(ctx, op.Name, "task "+id, o,
		func(ctx context.Context) (*byoa.Task, error) { return s.look(ctx, id, o, opts) },
		func(task *byoa.Task) (string, bool, error) {
			verdict := task.Verdict()
			status := verdict.String()
			if task.Counts != nil {
				status += ": " + task.Counts.String()
			}
			switch verdict {
			case byoa.Succeeded:
				return status, true, nil
			case byoa.PartlyFailed, byoa.Failed:
				return status, !time.Now().Before(settled), nil
			case byoa.Unfinished:
				settled = time.Time{} // what ends from here on is the end of this run
			case byoa.Uncounted:
			}
			return status, false, nil
		})
	if err != nil || task.Verdict() == byoa.Succeeded {
		return task, err
	}
	return task, s.taskError(ctx, task)
}

// look is one look of a wait: passing faults are sat out, and what a service
// does not count is counted here.
func (s *ExportTaskService) look(ctx context.Context, id string, o WaitOptions, opts []CallOption) (*byoa.Task, error) {
	for faults := 0; ; faults++ {
		task, err := s.Get(ctx, id, opts...)
		if e, ok := errors.AsType[*Error](err); ok && e.Code == codeServer && faults < toleratedFaults {
			if err := pace.Sleep(ctx, cmp.Or(o.Interval, 3*time.Second)); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil || task.Counts != nil || task.Verdict() == byoa.Unfinished {
			return task, err
		}
		counts, err := s.count(ctx, id)
		if err == nil && counts.Total > 0 {
			task.Counts = counts
		}
		return task, err
	}
}

// count does what a service without counters leaves undone. A file of a status
// that nobody knows is in the total only.
func (s *ExportTaskService) count(ctx context.Context, id string) (*byoa.Counts, error) {
	var c byoa.Counts
	for file, err := range s.Files(ctx, id, byoa.FileQuery{}) {
		if err != nil {
			return nil, err
		}
		c.Total++
		switch file.Status {
		case byoa.FilePending:
			c.Pending++
		case byoa.FileRunning:
			c.Running++
		case byoa.FileSucceeded:
			c.Completed++
		case byoa.FileFailed:
			c.Failed++
		}
	}
	return &c, nil
}

func (s *ExportTaskService) taskError(ctx context.Context, task *byoa.Task) *byoa.TaskError {
	e := &byoa.TaskError{Task: task}
	for file, err := range s.Files(ctx, task.ID, byoa.FileQuery{Statuses: []byoa.FileStatus{byoa.FileFailed}}) {
		if err != nil {
			e.Err = err
			break
		}
		if file.Status == byoa.FileFailed { // the filter might be ignored
			e.Files = append(e.Files, file)
		}
		if len(e.Files) == maxFailed {
			break
		}
	}
	return e
}

package minapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/pace"
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
		case err != nil:
			return nil, l.failed(lost, true, err)
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return nil, l.failed(lost, lost != nil, l.ambiguous(found))
		case pause > 4*time.Second:
			return nil, l.failed(lost, true, fmt.Errorf("no new task is named %q", l.spec.Name))
		}
		if err := pace.Sleep(ctx, pause); err != nil {
			return nil, l.failed(lost, true, err)
		}
	}
}

func (l *taskLookup) ambiguous(found []*byoa.Task) error {
	ids := make([]string, len(found))
	for i, task := range found {
		ids[i] = task.ID
	}
	return fmt.Errorf("%w: the new tasks %s are all named %q", ErrAmbiguous, strings.Join(ids, ", "), l.spec.Name)
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

func (l *taskLookup) failed(lost error, unknown bool, err error) error {
	op := operation.ExportTasksCreate
	if lost != nil {
		err = fmt.Errorf("%w; looking for the task: %w", lost, err)
	} else {
		err = fmt.Errorf("accepted, but looking for the task: %w", err)
	}
	return &Error{Op: op.Name, Method: op.Method, Err: err, unknown: unknown}
}

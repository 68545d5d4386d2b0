package minapp

import (
	"context"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
)

// ExportTaskService runs the export tasks of MatrixOne Intelligence (MOI). They
// copy files of a MOI volume, which are in MOI already, to Dify, to object
// storage or to a MatrixOne database. They do not move rows of minapp tables.
// It needs [WithMOIKey], or calls are [ErrNoCredentials]. Source: MOI
// data_export_api.
type ExportTaskService struct{ client *Client }

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
	if err := wantIDs(op, page.Tasks, idOfTask); err != nil {
		return nil, err
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
	return walkMOI(ctx, operation.ExportTasksList, q.Offset, idOfTask,
		func(_, offset int) ([]*byoa.Task, int64, error) {
			here := q // of this loop: several may run at once
			here.Offset = offset
			page, err := s.Page(ctx, here, opts...)
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
	if err := wantIDs(op, page.Files, idOfFile); err != nil {
		return nil, err
	}
	return &page, nil
}

// Files reads the files of a task, page after page, as
// [ExportTaskService.All] reads tasks. Repeated automatically. Source: MOI
// data_export_api.
func (s *ExportTaskService) Files(ctx context.Context, id string, q byoa.FileQuery, opts ...CallOption) iter.Seq2[*byoa.File, error] {
	return walkMOI(ctx, operation.ExportTasksFiles, q.Offset, idOfFile,
		func(_, offset int) ([]*byoa.File, int64, error) {
			here := q // of this loop: several may run at once
			here.Offset = offset
			page, err := s.FilePage(ctx, id, here, opts...)
			if err != nil {
				return nil, 0, err
			}
			return page.Files, page.Total, nil
		})
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

func idOfTask(task *byoa.Task) string { return task.ID }

func idOfFile(file *byoa.File) string { return file.ID }

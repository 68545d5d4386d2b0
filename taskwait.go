package minapp

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/pace"
)

const (
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
// a fourth ends the wait in the same way. Options apply to every look, and each
// is repeated automatically. Source: MOI data_export_api.
func (s *ExportTaskService) Wait(ctx context.Context, id string, o WaitOptions, opts ...CallOption) (*byoa.Task, error) {
	return s.wait(ctx, id, o, rerunGrace, opts)
}

// Run creates a task and waits for its end: [ExportTaskService.Create], to
// which the options apply, then [ExportTaskService.Wait]. The task is returned
// also with the errors of Wait. Repetitions are those of
// [ExportTaskService.Create] and of Wait. Source: MOI data_export_api.
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

// look is one look of a wait: passing faults are sat out.
func (s *ExportTaskService) look(ctx context.Context, id string, o WaitOptions, opts []CallOption) (*byoa.Task, error) {
	for faults := 0; ; faults++ {
		task, err := s.getCounted(ctx, id, opts)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Code != codeServer || faults == toleratedFaults {
			return task, err
		}
		if err := pace.Sleep(ctx, o.first()); err != nil {
			return nil, err
		}
	}
}

// getCounted gets a task, and counts its files if it has ended on a service that
// does not.
func (s *ExportTaskService) getCounted(ctx context.Context, id string, opts []CallOption) (*byoa.Task, error) {
	task, err := s.Get(ctx, id, opts...)
	if err != nil || task.Counts != nil || task.Verdict() == byoa.Unfinished {
		return task, err
	}
	counts, err := s.count(ctx, id)
	if err != nil {
		return nil, err
	}
	if counts.Total > 0 {
		task.Counts = counts
	}
	return task, nil
}

// count counts the files of a task. One of a status that nobody knows is in the
// total only.
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

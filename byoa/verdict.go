package byoa

import (
	"cmp"
	"fmt"
)

// Verdict is what became of a task.
type Verdict int

const (
	// Unfinished is a task that is not known to have ended. It is the zero
	// value, and what every doubt ends in.
	Unfinished Verdict = iota
	// Succeeded is a task of which every file succeeded.
	Succeeded
	// PartlyFailed is a task that has ended, and of which some files
	// succeeded and some did not.
	PartlyFailed
	// Failed is a task that has ended, and of which no file succeeded.
	Failed
	// Uncounted is a task that has ended on a service that counts no files:
	// only its files tell how.
	Uncounted
)

// String is the verdict in words.
func (v Verdict) String() string {
	switch v {
	case Unfinished:
		return "unfinished"
	case Succeeded:
		return "succeeded"
	case PartlyFailed:
		return "partly failed"
	case Failed:
		return "failed"
	case Uncounted:
		return "ended, its files not counted"
	}
	return fmt.Sprintf("Verdict(%d)", int(v))
}

// Verdict judges by the counters, never by the status alone: status 2 is that
// of tasks that have failed files, and a sample of the documents has it while
// files are running. No file counted means that the service has not looked yet,
// unless status and a time of end both say that the task failed before it did.
// Files that no counter accounts for are unfinished until the status or a time
// of end says otherwise, and then they did not succeed (inferred).
func (t *Task) Verdict() Verdict {
	ended := t.Status == TaskCompleted || t.Status == TaskFailed || t.Ended != ""
	if t.Counts == nil {
		switch {
		case t.Status == TaskFailed && t.FileSuccess == 0:
			return Failed
		case ended:
			return Uncounted
		}
		return Unfinished
	}
	c := *t.Counts
	failed := max(c.Failed, t.FileFail) // two counters of the same: believe the worse
	switch {
	case c.Pending+c.Running > 0:
		return Unfinished
	case c.Total <= 0 && t.Status == TaskFailed && t.Ended != "":
		return Failed
	case c.Total <= 0:
		return Unfinished
	case failed == 0 && c.Completed >= c.Total:
		return Succeeded
	case c.Completed+failed < c.Total && !ended:
		return Unfinished
	case c.Completed > 0:
		return PartlyFailed
	}
	return Failed
}

// TaskError is a task that has ended and of which not every file succeeded.
type TaskError struct {
	Task  *Task   // the last look at it
	Files []*File // the files that failed, at most 1000
	Err   error   // why Files cannot be complete; nil if they could be read
}

// Error names the task, counts its files, and quotes the first failure.
func (e *TaskError) Error() string {
	s := fmt.Sprintf("export task %s (%s) %s", e.Task.ID, e.Task.Name, e.Task.Verdict())
	if e.Task.Counts != nil {
		s += ": " + e.Task.Counts.String()
	}
	if len(e.Files) > 0 {
		s += fmt.Sprintf("; first, %s: %s", e.Files[0].Name, cmp.Or(e.Files[0].Details, "no reason given"))
	}
	if e.Err != nil {
		s += "; its files could not be read: " + e.Err.Error()
	}
	return s
}

// Unwrap returns why the files could not be read, if so.
func (e *TaskError) Unwrap() error { return e.Err }

package byoa

import (
	"encoding/json"
	"fmt"
)

// Task is an export task as the service describes it. Lists have fewer facts
// than a look at one task: no creator, configuration and counters.
type Task struct {
	ID            string
	Name          string
	Creator       string // of one task
	ConnectorName string
	Type          Type
	Status        TaskStatus // whether it has ended, not whether it succeeded: see [Task.Verdict]
	Config        Config     // of one task; nil if the service says none
	Sources       [][]string // of lists: one path per source, in segments
	Created       Time
	Ended         Time            // "" while it runs
	Counts        *Counts         // of one task; nil if the service says none
	FileSuccess   int64           // files that succeeded, counted apart; 0 if not said
	FileFail      int64           // files that failed, counted apart; 0 if not said
	Raw           json.RawMessage // as received: also what this package does not know
}

// String is one line for people: what the service says, and how far the files are.
func (t *Task) String() string {
	text := fmt.Sprintf("task %s %q to %q, %s", t.ID, t.Name, t.ConnectorName, t.Status)
	if t.Counts != nil {
		text += ": " + t.Counts.String()
	}
	return text
}

// Counts is how many files of a task are how far.
type Counts struct {
	Total     int64 // 0: not counted yet
	Pending   int64
	Running   int64
	Failed    int64
	Completed int64 // with success
}

// counters is a place where counters stand.
type counters struct {
	Total, Pending, Running, Failed, Completed number
	FileSuccess, FileFail                      number
}

// UnmarshalJSON reads a task of a list or a single one.
func (t *Task) UnmarshalJSON(data []byte) error {
	var w struct {
		ID            text            `json:"id"`
		Name          text            `json:"name"`
		Creator       text            `json:"creator"`
		ConnectorName text            `json:"connector_name"`
		Type          number          `json:"type"`
		Status        number          `json:"status"`
		Config        json.RawMessage `json:"config"`
		Sources       [][]string      `json:"export_source"`
		Created       Time            `json:"create_time"`
		Ended         Time            `json:"end_time"`
		Files         *counters       `json:"file_stats"`
		FileSuccess   number          `json:"fileSuccess"` // here, or within file_stats
		FileFail      number          `json:"fileFail"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*t = Task{
		ID: string(w.ID), Name: string(w.Name), Creator: string(w.Creator), ConnectorName: string(w.ConnectorName),
		Type: Type(w.Type), Status: TaskStatus(w.Status), Config: readConfig(w.Config), Sources: w.Sources,
		Created: w.Created, Ended: w.Ended, FileSuccess: int64(w.FileSuccess), FileFail: int64(w.FileFail),
		Raw: append(json.RawMessage(nil), data...),
	}
	if c := w.Files; c != nil {
		t.Counts = &Counts{int64(c.Total), int64(c.Pending), int64(c.Running), int64(c.Failed), int64(c.Completed)}
		t.FileSuccess = max(t.FileSuccess, int64(c.FileSuccess))
		t.FileFail = max(t.FileFail, int64(c.FileFail))
	}
	return nil
}

// File is a file of a task and how its export went.
type File struct {
	ID      string // of this record of the export, not of the file in its volume
	Name    string
	Type    FileType
	Path    []string // in segments
	Status  FileStatus
	Details string // the service's own words, such as why it failed
	Created Time
	Started Time // "" before it runs
	Ended   Time // "" before it has ended
}

// UnmarshalJSON reads a file of a list.
func (f *File) UnmarshalJSON(data []byte) error {
	var w struct {
		ID      text     `json:"id"`
		Name    text     `json:"file_name"`
		Type    text     `json:"file_type"`
		Path    []string `json:"full_path"`
		Status  number   `json:"status"`
		Details text     `json:"details"`
		Created Time     `json:"create_time"`
		Started Time     `json:"start_time"`
		Ended   Time     `json:"end_time"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*f = File{
		ID: string(w.ID), Name: string(w.Name), Type: FileType(w.Type), Path: w.Path, Status: FileStatus(w.Status),
		Details: string(w.Details), Created: w.Created, Started: w.Started, Ended: w.Ended,
	}
	return nil
}

// The orders of lists. Their names are not those of the fields. The first one
// is documented for this generation of the API, the others for 5.0 only.
const (
	OrderCreated = "created_at" // Created; the default
	OrderStarted = "started_at" // Started, of files
	OrderEnded   = "ended_at"   // Ended
	OrderStatus  = "status"     // Status
	OrderName    = "name"       // Name, of tasks
)

// TaskQuery chooses tasks. The zero value is every task, oldest first.
type TaskQuery struct {
	Statuses      []TaskStatus
	Creator       string
	ConnectorName string
	TaskID        string // tells whether a task exists: a look at one that does not has no code of its own
	OrderBy       string // OrderCreated and so on, with "-" in front for the latest first; "" is OrderCreated
	PageSize      int    // tasks per request; 0 is 100. The service documents no maximum
	Offset        int    // tasks to leave out first
}

// FileQuery chooses files of a task. The zero value is every file, oldest
// first.
type FileQuery struct {
	Statuses []FileStatus
	OrderBy  string // OrderCreated and so on, with "-" in front for the latest first; "" is OrderCreated
	PageSize int    // files per request; 0 is 100. The service documents no maximum
	Offset   int    // files to leave out first
}

// TaskPage is a page of tasks.
type TaskPage struct {
	Tasks []*Task
	Total int64 // tasks that match
}

// UnmarshalJSON reads the data of a list of tasks.
func (p *TaskPage) UnmarshalJSON(data []byte) error {
	var w struct {
		Tasks []*Task `json:"tasks"`
		Total number  `json:"total"`
	}
	err := json.Unmarshal(data, &w)
	*p = TaskPage{w.Tasks, int64(w.Total)}
	return err
}

// FilePage is a page of the files of a task.
type FilePage struct {
	Files []*File
	Total int64 // files that match

	TotalFiles, TotalSuccess, TotalFailure int64 // of the whole task; 0 if the service does not count them
}

// UnmarshalJSON reads the data of a list of files.
func (p *FilePage) UnmarshalJSON(data []byte) error {
	var w struct {
		Files        []*File `json:"files"`
		Total        number  `json:"total"`
		TotalFiles   number  `json:"total_files"`
		TotalSuccess number  `json:"total_success"`
		TotalFailure number  `json:"total_failure"`
	}
	err := json.Unmarshal(data, &w)
	*p = FilePage{w.Files, int64(w.Total), int64(w.TotalFiles), int64(w.TotalSuccess), int64(w.TotalFailure)}
	return err
}

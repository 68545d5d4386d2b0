package byoa

import "encoding/json"

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

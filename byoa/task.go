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

// String counts: "3 of 4 files completed, 1 failed, 0 pending, 0 running".
func (c Counts) String() string {
	return fmt.Sprintf("%d of %d files completed, %d failed, %d pending, %d running", c.Completed, c.Total, c.Failed, c.Pending, c.Running)
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

package minapptest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// MOI is the second service of a [Server]: export tasks and connectors of
// MatrixOne Intelligence. Tasks are below /byoa/api/v1, connectors at the root.
//
// A task that is created exports one file after the other on the server's
// clock, one per pace; each is pending, then running, then succeeded or failed.
type MOI struct {
	server *Server
	key    string

	mu         sync.Mutex
	code       any
	pace       time.Duration
	failures   map[string]string // reasons, by id of the file
	connectors []MOIConnector
	tasks      []*moiTask
	lastID     int64
}

// MOIData is what a data file says of MatrixOne Intelligence.
type MOIData struct {
	Connectors []MOIConnector `json:"connectors,omitempty"`
	Tasks      []MOITask      `json:"tasks,omitempty"`
}

// MOIConnector is a connector. Only a name is needed.
type MOIConnector struct {
	ID             int64          `json:"id"`              // 0 is the next free one
	Name           string         `json:"name"`            //
	SourceType     int            `json:"source_type"`     // what the service calls the type of a task
	Status         string         `json:"status"`          // "active" if empty
	Usage          []int          `json:"usage_type"`      // exports if empty
	CreatedAt      int64          `json:"created_at"`      // Unix seconds; now if 0
	UpdatedAt      int64          `json:"updated_at"`      // Unix seconds; CreatedAt if 0
	Username       string         `json:"username"`        //
	RelatedTaskIDs []int64        `json:"related_tasks"`   //
	Settings       map[string]any `json:"settings"`        // {"oss": {…}}: stand beside the other members
	Nested         bool           `json:"nested_settings"` // they stand in the member config
}

// MOITask is a task that is there already. Its files do not change with the
// clock before a rerun.
type MOITask struct {
	ID            string          `json:"id"` // "" is the next free one
	Name          string          `json:"name"`
	Creator       string          `json:"creator"`
	ConnectorName string          `json:"connector_name"`
	Type          int             `json:"type"`
	Config        json.RawMessage `json:"config"`
	CreateTime    time.Time       `json:"create_time"` // now if zero
	Files         []MOIFile       `json:"files"`

	// What does not follow from the files.
	Status *int       `json:"status"`
	Counts *MOICounts `json:"file_stats"`
	Ended  *time.Time `json:"end_time"`
}

// MOIFile is a file of a task that is there already.
type MOIFile struct {
	ID       string     `json:"id"` // of the record, not of the file; "" is the next free one
	FullPath []string   `json:"full_path"`
	Type     int        `json:"file_type"`
	Status   int        `json:"status"`  // 0 pending, 1 running, 2 succeeded, 3 failed; others stay as they are
	Details  string     `json:"details"` //
	Created  *time.Time `json:"create_time"`
	Started  *time.Time `json:"start_time"`
	Ended    *time.Time `json:"end_time"`
}

// MOICounts are the counters of a task.
type MOICounts struct {
	Total     int `json:"total"`
	Pending   int `json:"pending"`
	Running   int `json:"running"`
	Failed    int `json:"failed"`
	Completed int `json:"completed"`
}

// moiTask is a task of the store.
type moiTask struct {
	MOITask
	seq   int64
	files []*moiFile
}

// moiFile is a file of a task. A file without a plan is as MOIFile has it.
type moiFile struct {
	MOIFile
	fileID  string
	planned bool
	start   time.Time // when it begins to run
	end     time.Time // when it succeeds or fails
	failure string
}

const (
	moiPending = iota
	moiRunning
	moiSucceeded
	moiFailed
)

func newMOI(s *Server) *MOI {
	return &MOI{server: s, code: "ok", pace: time.Second, failures: map[string]string{}}
}

// MOI returns the second service.
func (s *Server) MOI() *MOI { return s.moi }

// SetPace sets how long each file of later tasks and reruns takes; it is a
// second at first.
func (m *MOI) SetPace(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pace = d
}

// SetCode sets the code of answers that succeed: "ok" at first, "OK" or 0 on
// other deployments.
func (m *MOI) SetCode(code any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.code = code
}

// FailFiles makes files, by their ids in the volume, fail in tasks created and
// reruns asked for from now on. Without a reason they succeed again.
func (m *MOI) FailFiles(reason string, fileIDs ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range fileIDs {
		m.failures[id] = reason
	}
}

// AddConnector adds a connector and returns its id.
func (m *MOI) AddConnector(c MOIConnector) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.ID = m.nextID(c.ID)
	c.Status = cmp.Or(c.Status, "active")
	c.CreatedAt = cmp.Or(c.CreatedAt, m.server.now().Unix())
	c.UpdatedAt = cmp.Or(c.UpdatedAt, c.CreatedAt)
	if len(c.Usage) == 0 {
		c.Usage = []int{2}
	}
	m.connectors = append(m.connectors, c)
	return c.ID
}

// AddTask adds a task as it is and returns its id.
func (m *MOI) AddTask(def MOITask) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if def.CreateTime.IsZero() {
		def.CreateTime = m.server.now()
	}
	t := m.newTask(def)
	for _, f := range def.Files {
		if f.ID == "" {
			f.ID = "ef-" + strconv.FormatInt(m.nextID(0), 10)
		}
		if f.Created == nil {
			f.Created = &t.CreateTime
		}
		t.files = append(t.files, &moiFile{MOIFile: f})
	}
	return t.ID
}

func (m *MOI) load(d MOIData) error {
	for i, c := range d.Connectors {
		if c.Name == "" {
			return fmt.Errorf("moi: connector %d has no name", i)
		}
		m.AddConnector(c)
	}
	for i, t := range d.Tasks {
		if t.Name == "" || len(t.Config) > 0 && !json.Valid(t.Config) {
			return errors.New("moi: task " + strconv.Itoa(i) + " has no name, or a config that is not JSON")
		}
		m.AddTask(t)
	}
	return nil
}

// nextID is id, or the next free one; m.mu is held.
func (m *MOI) nextID(id int64) int64 {
	if id != 0 {
		m.lastID = max(m.lastID, id)
		return id
	}
	m.lastID++
	return m.lastID
}

func (m *MOI) newTask(def MOITask) *moiTask {
	t := &moiTask{MOITask: def, seq: m.nextID(0)}
	if t.ID == "" {
		t.ID = "task_" + strconv.FormatInt(t.seq, 10)
	}
	m.tasks = append(m.tasks, t)
	return t
}

// schedule lets files run one after the other; m.mu is held.
func (m *MOI) schedule(files []*moiFile) {
	now := m.server.now()
	for i, f := range files {
		f.planned = true
		f.start = now.Add(time.Duration(i+1) * m.pace)
		f.end = f.start.Add(m.pace)
		f.failure = m.failures[f.fileID]
	}
}

func (f *moiFile) status(now time.Time) int {
	switch {
	case !f.planned:
		return f.Status
	case now.Before(f.start):
		return moiPending
	case now.Before(f.end):
		return moiRunning
	case f.failure != "":
		return moiFailed
	}
	return moiSucceeded
}

// counts are the counters of a task.
func (t *moiTask) counts(now time.Time) MOICounts {
	if t.Counts != nil {
		return *t.Counts
	}
	c := MOICounts{Total: len(t.files)}
	for _, f := range t.files {
		switch f.status(now) {
		case moiPending:
			c.Pending++
		case moiRunning:
			c.Running++
		case moiSucceeded:
			c.Completed++
		case moiFailed:
			c.Failed++
		}
	}
	return c
}

// status is 1 while files are under way, and then 2; 3 if no file succeeded.
// inferred: the last.
func (t *moiTask) status(now time.Time) int {
	c := t.counts(now)
	switch {
	case t.Status != nil:
		return *t.Status
	case c.Pending+c.Running > 0:
		return 1
	case c.Total > 0 && c.Completed == 0:
		return 3
	}
	return 2
}

// ended is when the last file ended; nil while files are under way.
func (t *moiTask) ended(now time.Time) *time.Time {
	if t.Ended != nil || t.status(now) == 1 {
		return t.Ended
	}
	end := t.CreateTime
	for _, f := range t.files {
		if _, at := f.times(now); at != nil && at.After(end) {
			end = *at
		}
	}
	return &end
}

// times are when the file began to run and when it ended, as far as it has.
func (f *moiFile) times(now time.Time) (started, ended *time.Time) {
	if !f.planned {
		return f.Started, f.Ended
	}
	if !now.Before(f.start) {
		started = &f.start
	}
	if !now.Before(f.end) {
		ended = &f.end
	}
	return started, ended
}

// task finds a task; m.mu is held.
func (m *MOI) task(id string) *moiTask {
	i := slices.IndexFunc(m.tasks, func(t *moiTask) bool { return t.ID == id })
	if i < 0 {
		return nil
	}
	return m.tasks[i]
}

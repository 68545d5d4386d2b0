package minapp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/wholefile"
)

// exportState is the content of a state file.
type exportState struct {
	Table   TableID         `json:"table"`
	Request json.RawMessage `json:"request"`
	MaxRows int64           `json:"max_rows"`
	Parts   []exportPart    `json:"parts"` // none until the table is counted
}

// exportPart is the export of the rows of one period.
type exportPart struct {
	From    Timestamp `json:"from,omitempty"`  // of created_at; both are 0 for a table that is not cut
	Until   Timestamp `json:"until,omitempty"` // exclusive
	Rows    int64     `json:"rows"`
	Started time.Time `json:"started,omitzero"` // noted before the create is sent
	Job     string    `json:"job,omitempty"`
	File    string    `json:"file,omitempty"` // once it is downloaded
	Bytes   int64     `json:"bytes,omitempty"`
}

func (r *exportRun) statePath() string {
	return filepath.Join(r.options.Dir, r.options.Name+".state.json")
}

func (r *exportRun) save() error {
	if err := wholefile.WriteJSON(r.statePath(), r.state); err != nil {
		return fmt.Errorf("state of the run: %w", err)
	}
	return nil
}

// load goes on with an earlier run, if there is one, and it is the same.
func (r *exportRun) load() error {
	data, err := os.ReadFile(r.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var before exportState
	var request bytes.Buffer
	if err == nil {
		err = json.Unmarshal(data, &before)
	}
	if err == nil {
		err = json.Compact(&request, before.Request) // the file is indented
	}
	if err != nil {
		return fmt.Errorf("state of the run: %s: %w", r.statePath(), err)
	}
	if before.Table != r.table || before.MaxRows != r.state.MaxRows || !bytes.Equal(request.Bytes(), r.state.Request) {
		return invalid(operation.ExportsCreate, "%s is the state of another run; delete it or choose another RunOptions.Name", r.statePath())
	}
	r.state.Parts = before.Parts
	for i := range r.state.Parts {
		r.reload(&r.state.Parts[i])
	}
	return nil
}

// reload believes a part's file if it is there, and its minute.
func (r *exportRun) reload(p *exportPart) {
	info, err := os.Stat(filepath.Join(r.options.Dir, p.File))
	if p.File != "" && (err != nil || info.Size() != p.Bytes) {
		p.File, p.Bytes = "", 0
	}
	if !p.Started.IsZero() {
		r.service.client.api.Exports.Hold(p.Started.Add(r.service.client.api.ExportPause))
	}
}

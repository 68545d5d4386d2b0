package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// Rejection is one line of the file of rejected rows.
type Rejection struct {
	At     string          `json:"at"`     // where the row is from
	Stage  Stage           `json:"stage"`  // where it failed
	Reason string          `json:"reason"` // why
	Row    json.RawMessage `json:"row"`    // as it was read
}

// Stage is where a row was rejected.
type Stage string

// The stages of a row.
const (
	Reading      Stage = "reading"
	Transforming Stage = "transforming"
	Writing      Stage = "writing"
)

// rejects is the file of rejected rows. Its length is part of the checkpoint:
// what a killed run added beyond it is cut off.
type rejects struct {
	path string
	file *os.File
	size int64
}

// open prepares the file for a run that knows so much of it. A file that a new
// run finds is not touched.
func (r *rejects) open(size int64, resumed bool) error {
	if r.path == "" {
		return nil
	}
	file, err := os.OpenFile(r.path, os.O_RDWR|os.O_CREATE, 0o600) // rows can be private
	if err != nil {
		return err
	}
	r.file, r.size = file, size
	info, err := file.Stat()
	switch {
	case err != nil:
	case !resumed && info.Size() > 0:
		err = fmt.Errorf("%s holds rows of another run: move it away, or give another Plan.Rejected", r.path)
	case info.Size() < size:
		err = fmt.Errorf("%w: %s has %d bytes, the checkpoint knows %d", ErrCheckpoint, r.path, info.Size(), size)
	default:
		err = file.Truncate(size)
	}
	if err != nil {
		return errors.Join(err, r.close())
	}
	return nil
}

// add appends rows, onto the disk.
func (r *rejects) add(list []Rejection) error {
	if len(list) == 0 || r.file == nil {
		return nil
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for _, rejection := range list {
		if err := encoder.Encode(rejection); err != nil {
			return err
		}
	}
	if _, err := r.file.WriteAt(lines.Bytes(), r.size); err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	if err := r.file.Sync(); err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	r.size += int64(lines.Len())
	return nil
}

// close removes a file that holds nothing.
func (r *rejects) close() error {
	if r.file == nil {
		return nil
	}
	info, err := r.file.Stat()
	err = errors.Join(err, r.file.Close())
	if err == nil && info.Size() == 0 {
		err = os.Remove(r.path)
	}
	r.file = nil
	return err
}

// rawOf is a row as it was read.
func rawOf[S any](r Row[S]) json.RawMessage {
	if json.Valid(r.Raw) {
		return r.Raw
	}
	if r.Raw != nil {
		text, _ := json.Marshal(string(r.Raw)) // a string always encodes
		return text
	}
	raw, err := json.Marshal(r.Value)
	if err != nil {
		raw, _ = json.Marshal(fmt.Sprintf("%+v", r.Value))
	}
	return raw
}

package migrate

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// IDs knows the new ids of rows that were copied, by table and old id, so that
// pointers to them can be rewritten. It is kept in a file of JSON Lines, which
// only grows, and in memory: about 100 bytes for each row. Its methods can be
// called from several goroutines.
type IDs struct {
	mu     sync.Mutex
	path   string
	file   *os.File
	lines  *bufio.Writer
	err    error // of the first line that could not be written
	tables map[string]map[string]string
}

// idLine is one line of the file.
type idLine struct {
	Table string `json:"table"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// OpenIDs reads the file of an earlier run, if there is one, to go on with it.
// A last line that was not written to its end is cut off; any other line that
// cannot be read is an error that names it. Close it when all is copied.
func OpenIDs(path string) (*IDs, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	ids := &IDs{path: path, file: file, lines: bufio.NewWriter(file), tables: make(map[string]map[string]string)}
	if err := ids.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	return ids, nil
}

// load reads the file and stands at the end of its last whole line.
func (ids *IDs) load() error {
	lines := bufio.NewReader(ids.file)
	size := int64(0)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		var l idLine
		if err == nil {
			err = json.Unmarshal(line, &l)
		}
		if err == nil && (l.Table == "" || l.From == "" || l.To == "") {
			err = errors.New("table, from and to are needed")
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		ids.put(l.Table, l.From, l.To)
		size += int64(len(line))
	}
	if err := ids.file.Truncate(size); err != nil {
		return err
	}
	_, err := ids.file.Seek(size, io.SeekStart)
	return err
}

// put reports whether the pair is new.
func (ids *IDs) put(table, from, to string) bool {
	rows := ids.tables[table]
	if rows == nil {
		rows = make(map[string]string)
		ids.tables[table] = rows
	}
	if rows[from] == to {
		return false
	}
	pair := from + to // one piece of memory for both
	rows[pair[:len(from)]] = pair[len(from):]
	return true
}

// Add notes the new id of a row. A failure to write it is returned by the next
// Sync or Close.
func (ids *IDs) Add(table, from, to string) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if !ids.put(table, from, to) {
		return
	}
	line, err := json.Marshal(idLine{table, from, to})
	if err == nil {
		_, err = ids.lines.Write(append(line, '\n'))
	}
	if ids.err == nil {
		ids.err = err
	}
}

// Get is the new id of a row.
func (ids *IDs) Get(table, from string) (to string, ok bool) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	to, ok = ids.tables[table][from]
	return to, ok
}

// Sync brings everything onto the disk.
func (ids *IDs) Sync() error {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	return ids.sync()
}

func (ids *IDs) sync() error {
	if ids.err == nil && ids.lines.Buffered() > 0 {
		ids.err = errors.Join(ids.lines.Flush(), ids.file.Sync())
	}
	return wrap(ids.path, ids.err)
}

// Close brings everything onto the disk and closes the file.
func (ids *IDs) Close() error {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	return errors.Join(ids.sync(), ids.file.Close())
}

// idsCheckpoint brings ids onto the disk before the checkpoint, which so never
// counts a row as written whose new id could be forgotten.
type idsCheckpoint struct {
	CheckpointStore // nil keeps nothing
	ids             *IDs
}

func (c idsCheckpoint) Load(ctx context.Context) ([]byte, error) {
	if c.CheckpointStore == nil {
		return nil, nil
	}
	return c.CheckpointStore.Load(ctx)
}

func (c idsCheckpoint) Save(ctx context.Context, data []byte) error {
	if err := c.ids.Sync(); err != nil || c.CheckpointStore == nil {
		return err
	}
	return c.CheckpointStore.Save(ctx, data)
}

package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"path/filepath"
	"strings"

	"github.com/minapp-go/minapp"
)

// FromExport reads the files of finished export jobs, as values of T: those
// that [github.com/minapp-go/minapp.ExportService.Run] has brought, which goes
// on where it stood just as a plan does, or of one job:
//
//	run, err := client.Exports.Run(ctx, table, minapp.RunOptions{…})
//	source := migrate.FromExport[Book](info.Fields, run.Files...)
//
//	_, err = client.Exports.DownloadFile(ctx, job, path)
//	source = migrate.FromExport[Book](info.Fields, minapp.ExportFile{Path: path, Rows: minapp.AnyRows})
//
// Files may be of all forms that [github.com/minapp-go/minapp.ExportRows]
// reads, with its errors. The values of a CSV file are texts; those in columns
// of other types become values of these, and an empty one is missing there. A
// row with a text that is none, or that T cannot hold, is rejected. nil columns
// leave all as it is. Prefer files of JSON, which tell null, missing and the
// empty text apart.
//
// A file is a part, which is read again from its beginning when it is resumed.
func FromExport[T any](columns []minapp.Field, files ...minapp.ExportFile) Source[T] {
	s := &exportSource[T]{files: files}
	if columns != nil {
		s.columns = newColumns(withSystem(columns))
	}
	return s
}

type exportSource[T any] struct {
	columns columns
	files   []minapp.ExportFile
}

// exportPlace is what is left of a file.
type exportPlace struct {
	File int  `json:"file"`
	Rest Part `json:"rest"`
}

func (s *exportSource[T]) String() string {
	paths := make([]string, len(s.files))
	for i, f := range s.files {
		paths[i] = f.Path
	}
	return "export " + strings.Join(paths, " ")
}

func (s *exportSource[T]) Parts(context.Context, int) ([]Part, error) {
	parts := make([]Part, len(s.files))
	for i := range s.files {
		parts[i] = encodePart(exportPlace{i, encodePart(place{})})
	}
	return parts, nil
}

// Estimate adds the counted rows of the files, if all were counted.
func (s *exportSource[T]) Estimate(context.Context) (Cost, error) {
	var cost Cost
	for _, f := range s.files {
		if f.Rows == minapp.AnyRows {
			return Cost{}, nil
		}
		cost.Rows += f.Rows
	}
	return cost, nil
}

func (s *exportSource[T]) Chunks(ctx context.Context, p Part) iter.Seq2[Chunk[T], error] {
	return func(yield func(Chunk[T], error) bool) {
		var from exportPlace
		if err := json.Unmarshal(p, &from); err != nil || from.File < 0 || from.File >= len(s.files) {
			yield(Chunk[T]{}, fmt.Errorf("part %s is none of these files: %w", p, ErrCheckpoint))
			return
		}
		file := s.files[from.File]
		raw := seqSource[json.RawMessage]{filepath.Base(file.Path), minapp.ExportRows[json.RawMessage](file)}
		for c, err := range raw.Chunks(ctx, from.Rest) {
			if !yield(s.chunk(from.File, c), err) {
				return
			}
		}
	}
}

func (s *exportSource[T]) chunk(file int, c Chunk[json.RawMessage]) Chunk[T] {
	out := Chunk[T]{Rows: make([]Row[T], len(c.Rows))}
	for i, r := range c.Rows {
		at := filepath.Base(s.files[file].Path) + r.At
		typed, err := s.typed(r.Value)
		if err == nil {
			out.Rows[i], err = newRow[T](at, typed)
		}
		if err != nil {
			out.Rows[i] = unreadable[T](at, r.Value, err)
		}
	}
	if len(c.Rest) > 0 {
		out.Rest = encodePart(exportPlace{file, c.Rest})
	}
	return out
}

// typed makes values of texts that stand in columns of another type.
func (s *exportSource[T]) typed(row json.RawMessage) (json.RawMessage, error) {
	if s.columns == nil {
		return row, nil
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(row, &values); err != nil {
		return nil, err
	}
	changed := false
	for name, value := range values {
		var text string
		f, known := s.columns[name]
		switch {
		case !known, value[0] != '"', f.Type == minapp.TypeString, isText(f.Type) && string(value) != `""`:
			continue
		case json.Unmarshal(value, &text) == nil && text == "":
			delete(values, name)
		default:
			cell, err := parseCell(f, text)
			if err != nil {
				return nil, fmt.Errorf("column %q: %w", name, err)
			}
			values[name] = cell
		}
		changed = true
	}
	if !changed {
		return row, nil
	}
	return json.Marshal(values)
}

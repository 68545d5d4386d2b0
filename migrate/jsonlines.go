package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// FromJSONLinesOptions steers [FromJSONLines].
type FromJSONLinesOptions struct {
	MaxRow int // bytes of a line at most; 0 is 16 MiB
}

// FromJSONLines reads a file with a JSON object in every line, plain or gzip,
// as values of T: a struct with JSON tags, [github.com/minapp-go/minapp.Fields]
// or json.RawMessage. A byte-order mark and empty lines are passed over. Memory
// does not grow with the file.
//
// A line that is no object in UTF-8, or that T cannot hold, is rejected with a
// *[FileError], and the rest goes on. A line that is longer than MaxRow and a
// damaged gzip file end the run after the lines before it.
//
// A file is one part. A plain file is resumed where it stood, a gzip file is
// read again until there; a file that was changed in front of that place is an
// [ErrCheckpoint].
func FromJSONLines[T any](path string, o FromJSONLinesOptions) Source[T] {
	return lineSource("JSON Lines file "+path, path, o.MaxRow, newRow[T])
}

// FromRejected reads a file of rejected rows ([Plan].Rejected): the rows as they
// were read, which may have been mended in that file since. With it in place of
// the source, the same plan deals with them again. Rows keep their Row.At; one
// of which only text is there, such as a CSV line with too many cells, is
// rejected again. The new run needs a checkpoint and a file of rejected rows of
// its own.
func FromRejected[S any](path string) Source[S] {
	return lineSource("rejected rows of "+path, path, 0, func(at string, line json.RawMessage) (Row[S], error) {
		var r Rejection
		if err := json.Unmarshal(line, &r); err != nil {
			return Row[S]{At: at, Raw: line}, err
		}
		if r.At != "" {
			at = r.At
		}
		return newRow[S](at, r.Row)
	})
}

// lineSource reads lines of JSON.
func lineSource[T any](name, path string, maxRow int, row func(at string, line json.RawMessage) (Row[T], error)) Source[T] {
	read := func(t *textFile) (Row[T], error) {
		line, number, err := t.nextLine()
		if err != nil {
			return Row[T]{}, err
		}
		at := fmt.Sprintf("%s:%d", t.name, number)
		if err := checkLine(line); err != nil {
			return unreadable[T](at, rejectedText(line), t.misfit(line, number, err)), nil
		}
		r, err := row(at, bytes.Clone(line))
		if err != nil {
			r.Err = t.misfit(line, number, err)
		}
		return r, nil
	}
	return &fileSource[T]{name: name, path: path, maxRow: maxRow, prepare: func(*textFile) (rowReader[T], error) { return read, nil }}
}

// nextLine is the next line that is not empty, without the space around it,
// and its number.
func (t *textFile) nextLine() (line []byte, number int64, err error) {
	for {
		t.newRow()
		number = t.at.Line
		if err := t.readLine(); err != nil {
			return nil, 0, err
		}
		if line = bytes.Trim(t.row, " \t\r\n"); len(line) > 0 {
			return line, number, nil
		}
	}
}

// checkLine refuses what is no JSON, and what is not UTF-8, which encoding/json
// would mend without a word.
func checkLine(line []byte) error {
	if i := invalidUTF8(line); i >= 0 {
		return &utf8Error{i, line[i]}
	}
	if json.Valid(line) {
		return nil
	}
	return json.Unmarshal(line, new(json.RawMessage))
}

// utf8Error is a byte that is not UTF-8.
type utf8Error struct {
	at    int
	value byte
}

func (e *utf8Error) Error() string { return fmt.Sprintf("byte %#x is not UTF-8", e.value) }

// misfit is an error about a line, with the column if it says where.
func (t *textFile) misfit(line []byte, number int64, err error) error {
	e := &FileError{File: t.name, Line: number, Column: offsetOf(err), Err: err}
	if e.Column > 0 {
		e.Column += int64(bytes.IndexByte(t.row, line[0])) // the space before it
	}
	return e
}

// invalidUTF8 is where a text is not UTF-8, -1 if it is.
func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	i := 0
	for {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
}

// offsetOf is the byte of a line, from 1, that an error is about; 0 if it does
// not say.
func offsetOf(err error) int64 {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return e.Offset
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return e.Offset
	}
	if e, ok := errors.AsType[*utf8Error](err); ok {
		return int64(e.at) + 1
	}
	return 0
}

// ToJSONLinesOptions steers [ToJSONLines].
type ToJSONLinesOptions struct {
	Gzip bool // also if the name does not end in .gz
}

// ToJSONLines writes a file with a JSON object in every line; as gzip if its
// name ends in .gz. Rows encode as JSON objects.
//
// A run that begins refuses a file with something in it. Each chunk is on disk
// when it is confirmed; one that cannot be written, because the disk is full,
// leaves the file as it was. A gzip file has a member of its own for each
// chunk, which every program reads as one.
func ToJSONLines[D any](path string, o ToJSONLinesOptions) Sink[D] {
	return &fileSink[D]{
		name: "JSON Lines file " + path, path: path, zipped: o.Gzip || isZipName(path), open: openDisk,
		encode: func(b *bytes.Buffer, row []byte) error {
			b.Write(row)
			b.WriteByte('\n')
			return nil
		},
	}
}

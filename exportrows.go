package minapp

import (
	"encoding/json"
	"fmt"
	"iter"

	"github.com/minapp-go/minapp/internal/exportfile"
)

// ExportRows reads the rows of exported files, one file after another, as
// values of T: a struct with JSON tags, [Fields], or json.RawMessage. Memory
// does not grow with the files.
//
// No document says what an exported file looks like, so everything about it is
// inferred, and found out by looking: gzip; zip, whose files are read in turn;
// a byte-order mark of UTF-8; a JSON array, JSON objects one after another, or
// CSV with a line of titles. The values of a CSV row are texts, named by the
// titles: fields of T are strings or have the option ",string". Excel files and
// other encodings than UTF-8 are errors.ErrUnsupported.
//
// A row that T cannot hold is yielded with a *[DecodeError], and the loop may
// go on; any other error is the last element. It is [ErrProtocol] and names the
// file: for a file that is cut or damaged with the byte up to which it was
// read, and for one that has another number of rows than ExportFile.Rows.
func ExportRows[T any](files ...ExportFile) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for _, file := range files {
			var rows int64
			for raw, err := range exportfile.Rows(file.Path) {
				if err != nil {
					yield(none, err)
					return
				}
				rows++
				if !yield(decodeRow[T](raw)) {
					return
				}
			}
			if file.Rows != AnyRows && file.Rows != rows {
				yield(none, fmt.Errorf("%w: %s has %d rows, and %d were counted", ErrProtocol, file.Path, rows, file.Rows))
				return
			}
		}
	}
}

func decodeRow[T any](raw json.RawMessage) (v T, err error) {
	if out, ok := any(&v).(*json.RawMessage); ok {
		*out = raw
		return v, nil
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, newDecodeError(raw, err)
	}
	return v, nil
}

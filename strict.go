package minapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/minapp-go/minapp/internal/operation"
)

// DroppedError is a write under [CallStrict] of which the service did not store
// everything as it was sent. The row has been created or changed nevertheless,
// and is returned with this error.
type DroppedError struct {
	Op      string   // "records.create" or "records.update"
	ID      string   // of the record
	Missing []string // columns that the returned row does not have; unset ones that it still has are in Changed
	Changed []string // columns that have another value there
}

// Error names record and columns.
func (e *DroppedError) Error() string {
	var parts []string
	if len(e.Missing) > 0 {
		parts = append(parts, "without "+strings.Join(e.Missing, ", "))
	}
	if len(e.Changed) > 0 {
		parts = append(parts, "with another value in "+strings.Join(e.Changed, ", "))
	}
	return fmt.Sprintf("%s: record %q was written, but %s: the service drops what has no column or does not fit it", e.Op, e.ID, strings.Join(parts, " and "))
}

// compareRows compares the body of a write with the row that came back. Both
// are valid JSON objects.
func compareRows(op operation.Operation, sent, got []byte) error {
	body, row := object(sent), object(got)
	e := &DroppedError{Op: op.Name, ID: idOf(got)}
	for _, column := range slices.Sorted(maps.Keys(body)) {
		switch column {
		case "id", "_id": // the service gives ids
		case "$unset":
			e.checkUnset(body[column], row)
		default:
			e.check(column, body[column], row)
		}
	}
	if len(e.Missing)+len(e.Changed) == 0 {
		return nil
	}
	return e
}

// Differences lists the columns of a row to be written in which a row that was
// read differs: it has another value there, or none. Both are JSON objects.
// They are compared as [CallStrict] does; columns that are not to be written do
// not count. nil means that the row need not be written.
func Differences(write, read json.RawMessage) []string {
	e, ok := errors.AsType[*DroppedError](compareRows(operation.Operation{}, write, read))
	if !ok {
		return nil
	}
	return slices.Sorted(slices.Values(append(e.Missing, e.Changed...)))
}

// object decodes an object with exact numbers.
func object(data []byte) map[string]any {
	var fields Fields
	_ = fields.UnmarshalJSON(data) // checked before; nothing is compared with nothing
	return fields
}

func (e *DroppedError) checkUnset(unset any, row map[string]any) {
	columns, _ := unset.(map[string]any)
	for _, column := range slices.Sorted(maps.Keys(columns)) {
		if row[column] != nil {
			e.Changed = append(e.Changed, column)
		}
	}
}

func (e *DroppedError) check(column string, want any, row map[string]any) {
	operator := operatorOf(want)
	if operator != "" {
		column, _, _ = strings.Cut(column, ".") // a path into an object column
	}
	got := row[column]
	switch {
	case want == nil && got == nil, operator == "$pop", operator == "$remove": // may leave nothing
	case got == nil:
		e.Missing = append(e.Missing, column)
	case operator == "" && !sameValue(want, got):
		e.Changed = append(e.Changed, column)
	}
}

// operatorOf is the atomic operator of a column of an update, "" for a value.
func operatorOf(v any) string {
	members, _ := v.(map[string]any)
	for name := range members {
		if strings.HasPrefix(name, "$") {
			return name
		}
	}
	return ""
}

// sameValue reports whether a value that came back is the one that was sent.
func sameValue(sent, got any) bool {
	if members, ok := got.(map[string]any); ok {
		return sameObject(sent, members)
	}
	switch sent := sent.(type) {
	case json.Number:
		number, ok := got.(json.Number)
		return ok && sameNumber(sent, number)
	case string:
		word, ok := got.(string)
		return ok && (sent == word || sameMoment(sent, word))
	case []any:
		list, ok := got.([]any)
		return ok && slices.EqualFunc(sent, list, sameValue)
	case map[string]any:
		return false
	}
	return sent == got // null or a boolean
}

// sameObject compares a pointer, sent as an id, and a file, sent whole, by id.
// Of any other object everything that was sent must be there.
func sameObject(sent any, got map[string]any) bool {
	members, ok := sent.(map[string]any)
	if !ok {
		return scalar(sent) != "" && scalar(sent) == scalar(got["id"])
	}
	if _, file := members["cdn_path"]; file && members["id"] != nil {
		return sameValue(members["id"], got["id"])
	}
	for name, value := range members {
		if !sameValue(value, got[name]) {
			return false
		}
	}
	return true
}

// scalar is the text of a string or a number: ids come as both.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// sameNumber compares integers exactly, and numbers with a fraction as the
// doubles that the service stores.
func sameNumber(sent, got json.Number) bool {
	x, okX := new(big.Float).SetPrec(256).SetString(string(sent))
	y, okY := new(big.Float).SetPrec(256).SetString(string(got))
	if !okX || !okY {
		return sent == got
	}
	if x.Cmp(y) == 0 {
		return true
	}
	f, _ := x.Float64()
	g, _ := y.Float64()
	return !x.IsInt() && f == g
}

// sameMoment compares dates. The service keeps milliseconds (inferred from the
// samples), and may answer in another zone.
func sameMoment(sent, got string) bool {
	x, okX := moment(sent)
	y, okY := moment(got)
	return okX && okY && x.Sub(y).Abs() < time.Millisecond
}

// moment reads ISO 8601 with an offset, which may lack its colon.
func moment(text string) (at time.Time, ok bool) {
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05-0700"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

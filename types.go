package minapp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/minapp-go/minapp/internal/rows"
)

// TableID is the number of a table, as the console and the table calls show it.
type TableID int64

// Timestamp is a moment in Unix seconds, the form of created_at and updated_at.
// Columns of type date are not timestamps: they are ISO 8601 strings with an
// offset, which a time.Time in a struct reads and writes by itself; give it
// the tag omitzero if it can be missing. The service keeps milliseconds of them
// (inferred from the samples). Source: open-api/data/record.md.
type Timestamp int64

// Time returns the moment in UTC.
func (t Timestamp) Time() time.Time { return time.Unix(int64(t), 0).UTC() }

// String formats the moment as RFC 3339 in UTC.
func (t Timestamp) String() string { return t.Time().Format(time.RFC3339) }

// TimestampOf cuts a time to whole seconds.
func TimestampOf(t time.Time) Timestamp { return Timestamp(t.Unix()) }

// UnmarshalJSON accepts a number, or a string of digits as some surfaces send
// it; null is zero.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*t = 0
		return nil
	}
	text := string(bytes.Trim(data, `"`))
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("minapp: %q is no timestamp in Unix seconds", text)
	}
	*t = Timestamp(n)
	return nil
}

// Permissions, as tables and rows have them; [PermUser] and [PermGroup] make
// those of one user and one group. Source: open-api/data/table.md.
const (
	// PermAnonymous is everyone, guests included. Documented for table
	// version v1.8.
	PermAnonymous = "user:anonymous"
	// PermUsers is everyone in table version v1, the default, and only
	// signed-in users in v1.8: see [WithTableVersion].
	PermUsers = "user:*"
)

// PermUser is the permission of one user.
func PermUser(id int64) string { return "user:" + strconv.FormatInt(id, 10) }

// PermGroup is the permission of one user group.
func PermGroup(id int64) string { return "gid:" + strconv.FormatInt(id, 10) }

// RowPerm is who may read and update a row, or the new rows of a table. A nil
// list is not sent, an empty one permits nobody but server-side calls, which
// see and change every row. Embedded in the type of a row it sets the row's
// permissions when the row is written, and has them when it is read. What
// [PermUsers] means depends on [WithTableVersion]. Source:
// open-api/data/record.md.
type RowPerm struct {
	ReadPerm  []string `json:"read_perm,omitzero"`
	WritePerm []string `json:"write_perm,omitzero"`
}

// Pointer is the value of a pointer column. It is written as the id of the row
// it points at, and read as that id with the name of the table, or as the
// whole row where the column was expanded; see [Expanded]. The zero Pointer is
// null. Source: open-api/data/record.md.
type Pointer struct {
	ID    string          // of the row; for users, whose ids are numbers, its digits
	Table string          // name of the row's table, as read; not written
	Raw   json.RawMessage // as received
}

// IsZero reports whether the pointer points nowhere.
func (p Pointer) IsZero() bool { return p.ID == "" && p.Raw == nil }

// MarshalJSON writes the id as text. It fails for an expanded row of which
// Keys left no id.
func (p Pointer) MarshalJSON() ([]byte, error) {
	switch {
	case p.IsZero():
		return []byte("null"), nil
	case p.ID == "":
		return nil, errors.New("minapp: the pointer has no id: ask for the id of the expanded row, too")
	}
	return json.Marshal(p.ID)
}

// UnmarshalJSON reads an id, an id with its table, or an expanded row.
func (p *Pointer) UnmarshalJSON(data []byte) error {
	*p = Pointer{}
	switch {
	case string(data) == "null":
		return nil
	case isObject(data):
		table, _ := rows.Member(data, "_table")
		p.ID, p.Table = idOf(data), text(table)
	case bytes.IndexAny(data, `"0123456789`) == 0:
		p.ID = text(data)
	default:
		return fmt.Errorf("minapp: %.20s is no pointer", data)
	}
	p.Raw = bytes.Clone(data)
	return nil
}

// Expanded decodes the row that an expanded pointer holds, with encoding/json.
// A row that the type cannot hold is returned with a *[DecodeError]. A pointer
// that was not expanded is [ErrInvalid].
func Expanded[T any](p Pointer) (*Record[T], error) {
	var members map[string]json.RawMessage
	if isObject(p.Raw) {
		if err := json.Unmarshal(p.Raw, &members); err != nil {
			return nil, newDecodeError(p.Raw, err)
		}
	}
	for _, name := range []string{"id", "_id", "_table"} {
		delete(members, name)
	}
	if len(members) == 0 && (p.ID != "" || p.Raw == nil) {
		return nil, fmt.Errorf("%w: the pointer to %q is not expanded: name its column in Query.Expand or CallExpand", ErrInvalid, p.ID)
	}
	record := new(Record[T])
	return record, record.decode(stdCodec{}, p.Raw)
}

func isObject(data []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) }

// Fields is a row without a type of its own: one entry per column, numbers as
// json.Number so that integers stay exact. A row that was read can be written:
// the entries id and _id are then left out, because the service gives ids, and
// pointers and an expanded created_by become ids again.
type Fields map[string]any

// UnmarshalJSON decodes one object with exact numbers, whatever the codec.
func (f *Fields) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var m map[string]any
	if err := decoder.Decode(&m); err != nil {
		return err
	}
	*f = m
	return nil
}

// Codec encodes and decodes rows. The default is encoding/json, so that types
// mean what their authors expect. Marshal is given a pointer to a row, Unmarshal
// one to a row or, for a page, to a list of rows; if the list fails, its rows
// follow one by one.
// Implementations must be safe for concurrent use.
type Codec interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

type stdCodec struct{}

func (stdCodec) Marshal(v any) ([]byte, error)      { return json.Marshal(v) }
func (stdCodec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }

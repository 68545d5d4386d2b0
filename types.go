package minapp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// TableID is the number of a table, as the console and the table calls show it.
type TableID int64

// Timestamp is a moment in Unix seconds, the form of created_at and updated_at.
// Columns of type date are not timestamps: they are ISO 8601 strings with an
// offset. Source: open-api/data/record.md.
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
	text := string(bytes.Trim(data, `"`))
	if text == "null" {
		*t = 0
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("minapp: %q is no timestamp in Unix seconds", text)
	}
	*t = Timestamp(n)
	return nil
}

// Fields is a row without a type of its own: one entry per column, numbers as
// json.Number so that integers stay exact. When a row is written, the entries
// id and _id are left out: the service gives ids.
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
// mean what their authors expect. Implementations must be safe for concurrent
// use.
type Codec interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

type stdCodec struct{}

func (stdCodec) Marshal(v any) ([]byte, error)      { return json.Marshal(v) }
func (stdCodec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }

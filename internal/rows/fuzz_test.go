package rows

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzSplit compares Split with encoding/json: whatever that takes for a page,
// Split cuts into the same rows.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(`{"meta":{"limit":20,"next":null},"objects":[{"id":"a","t":["\"]}"]},{"id":"b"}]}`))
	f.Add([]byte(` {"\u006fbjects" : [ 1 , -2e3, "x", null, {} , [] ] , "objects":[] , "meta": 1 } `))
	f.Add([]byte(`{"objects":[1],"objects":null}`))
	f.Add([]byte(`{"objects":[{]}]}`))
	f.Add([]byte(`{"objects":[{"a":"\\"},{"b":"\\\""}],"Objects":[]}`))
	f.Add(page(2))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		got, err := Split(data)
		require.Equal(t, before, data)
		if err != nil {
			assert.Zero(t, got)
		}
		for _, row := range append(got.Rows, got.Meta) {
			assert.Equal(t, len(row), cap(row))
		}
		if !json.Valid(data) {
			return // Split may accept it: it does not look at everything
		}
		meta, rows, ok := standard(data)
		if !ok {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		assert.Equal(t, string(meta), string(got.Meta))
		assert.Equal(t, texts(rows), texts(got.Rows))
		for _, row := range got.Rows {
			assert.True(t, json.Valid(row))
		}
		trimmed := bytes.TrimRight(data, " \t\r\n")
		for n := 1; n < len(trimmed); n *= 2 {
			_, err := Split(trimmed[:len(trimmed)-n])
			assert.Error(t, err, "a cut page")
		}
	})
}

// standard is Split by encoding/json.
func standard(data []byte) (meta json.RawMessage, rows []json.RawMessage, ok bool) {
	var page map[string]json.RawMessage
	if json.Unmarshal(data, &page) != nil || json.Unmarshal(page["objects"], &rows) != nil {
		return nil, nil, false
	}
	return page["meta"], rows, rows != nil
}

// FuzzMember compares Member with encoding/json.
func FuzzMember(f *testing.F) {
	f.Add([]byte(`{"id":"a","_id":"b","id":[{"id":1}]}`), "id")
	f.Add([]byte(` { "\u0069d" : 1.5 , "" : null } `), "")
	f.Add([]byte(`{"id":1`), "id")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		raw, ok := Member(data, name)
		assert.Equal(t, ok, len(raw) > 0)
		assert.Equal(t, len(raw), cap(raw))
		if !json.Valid(data) || !utf8.Valid(data) || !utf8.ValidString(name) {
			return // encoding/json replaces what is not UTF-8 before it compares
		}
		var object map[string]json.RawMessage
		_ = json.Unmarshal(data, &object) // what is no object has no members
		want, exists := object[name]
		require.Equal(t, exists, ok)
		assert.Equal(t, string(want), string(raw))
	})
}

package patch

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzPatch checks that an update either says what is wrong or encodes to what
// was put in, one member per column.
func FuzzPatch(f *testing.F) {
	f.Add("name", "x", int64(-1), `{"a":1}`)
	f.Add("", "<&>\u2028", int64(0), `{"$unset":{"a":""}}`)
	f.Add("obj.n", "\xff", int64(1<<63-1), `{"id":"1","_id":"1","a":null}`)
	f.Add("$set", "y", int64(1), `{"a":{"\u0024pop":1}}`)
	f.Add("a.", "a", int64(1), `{"a":1,"a":2,"":3}`)
	f.Fuzz(func(t *testing.T, field, text string, n int64, raw string) {
		p := Set(field, text).IncrBy(field+"_n", n).Append(field+"_l", text, n).Unset(field + "_u")
		good := strings.TrimSpace(field) != "" && field[0] != '$' && !strings.Contains(field, ".") &&
			field != "id" && field != "_id" && field != "created_at" && field != "updated_at" &&
			utf8.ValidString(field) && utf8.ValidString(text)
		if !good {
			assertMistake(t, p)
		} else {
			assertChain(t, p, field, text, n)
		}
		_ = IncrBy(field, n).Err()
		fuzzFrom(t, raw)
	})
}

func assertChain(t *testing.T, p Patch, field, text string, n int64) {
	t.Helper()
	data, err := p.MarshalJSON()
	require.NoError(t, err)
	want, err := json.Marshal(map[string]any{
		field:        text,
		field + "_n": map[string]any{"$incr_by": n},
		field + "_l": map[string]any{"$append": []any{text, n}},
		"$unset":     map[string]any{field + "_u": ""},
	})
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(data))
	assert.False(t, p.Idempotent())
}

func assertMistake(t *testing.T, p Patch) {
	t.Helper()
	require.Error(t, p.Err())
	_, err := p.MarshalJSON()
	require.Error(t, err)
}

func fuzzFrom(t *testing.T, raw string) {
	t.Helper()
	p := From(json.RawMessage(raw))
	if p.Err() != nil {
		assertMistake(t, p)
		return
	}
	assert.True(t, p.Idempotent())
	var want, got map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(raw), &want), "only one object is accepted")
	require.NoError(t, json.Unmarshal([]byte(p.String()), &got))
	delete(want, "id")
	delete(want, "_id")
	require.Len(t, got, len(want))
	for name, value := range want {
		var compact bytes.Buffer
		require.NoError(t, json.Compact(&compact, value))
		assert.Equal(t, compact.String(), string(got[name]))
		var object map[string]json.RawMessage
		if json.Unmarshal(value, &object) == nil {
			for key := range object {
				assert.False(t, strings.HasPrefix(key, "$"), "an operation came through: %s", value)
			}
		}
	}
}

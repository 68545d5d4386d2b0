package rows

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	deep := strings.Repeat(`{"a":[`, maxDepth/2) + strings.Repeat(`]}`, maxDepth/2)
	for _, tc := range []struct {
		name, page, meta string
		rows             []string
	}{
		{"documented", `{"meta": {"limit": 20, "next": null}, "objects": [{"id": "a"}, {"id": "b"}]}`, `{"limit": 20, "next": null}`, []string{`{"id": "a"}`, `{"id": "b"}`}},
		{"no rows", `{"meta":{},"objects":[]}`, `{}`, []string{}},
		{"no rows, spaced", `{"meta":{},"objects":[ ]}`, `{}`, []string{}},
		{"no meta", `{"objects":[{}]}`, "", []string{`{}`}},
		{"other order", `{"objects":[{}],"meta":{"a":1}}`, `{"a":1}`, []string{`{}`}},
		{"other members", `{"x":"]}","objects":[{}],"y":[1,{"objects":[2]}],"meta":1,"z":null}`, `1`, []string{`{}`}},
		{"white space", " {\r\n\t\"objects\" :\n[ {\"a\" : 1 }\t,\r{ } ] , \"meta\" : { } } \n", `{ }`, []string{`{"a" : 1 }`, `{ }`}},
		{"escaped names", `{"\u006fbjects":[{}],"me\u0074a":2}`, `2`, []string{`{}`}},
		{"other escapes", `{"obj\/ects":[1],"objects":[{}],"objects\u0000":[3]}`, "", []string{`{}`}},
		{"case matters", `{"Objects":[1],"objects":[{}],"OBJECTS":[2],"Meta":1}`, "", []string{`{}`}},
		{"last wins", `{"objects":[1,2],"meta":1,"objects":[{}],"meta":2}`, `2`, []string{`{}`}},
		{"last wins, no rows", `{"objects":[1],"objects":[]}`, "", []string{}},
		{"brackets in strings", `{"objects":[{"a":"}],[{"},{"]":"\"}"},{"b":"\\"},{"c":"\\\""}]}`, "", []string{`{"a":"}],[{"}`, `{"]":"\"}"}`, `{"b":"\\"}`, `{"c":"\\\""}`}},
		{"rows of any kind", `{"objects":[1,-2.5e3,"a,b",null,true , false,[],[[]]]}`, "", []string{`1`, `-2.5e3`, `"a,b"`, `null`, `true`, `false`, `[]`, `[[]]`}},
		{"nested page", `{"objects":[{"objects":[{"meta":1}]}]}`, "", []string{`{"objects":[{"meta":1}]}`}},
		{"Chinese", `{"objects":[{"名":"包"}]}`, "", []string{`{"名":"包"}`}},
		{"deep", `{"objects":[` + deep + `]}`, "", []string{deep}},
		{"wrong inside a row", `{"objects":[{"a" 1,,},{}]}`, "", []string{`{"a" 1,,}`, `{}`}},
		{"wrong scalar", `{"objects":[truth,1.2.3]}`, "", []string{`truth`, `1.2.3`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Split([]byte(tc.page))
			require.NoError(t, err)
			assert.Equal(t, tc.meta, string(got.Meta))
			assert.Equal(t, tc.rows, texts(got.Rows))
		})
	}
}

func TestSplitRefuses(t *testing.T) {
	for _, tc := range []struct{ name, page, says string }{
		{"nothing", ``, "offset 0: unexpected EOF"},
		{"white space", "  \n", "offset 3: unexpected EOF"},
		{"list", `[{}]`, "offset 0: unexpected '[' where an object should begin"},
		{"null", `null`, "unexpected 'n'"},
		{"HTML", `<html>`, "unexpected '<'"},
		{"byte order mark", "\ufeff{}", "offset 0"},
		{"no objects", `{"meta":{}}`, "no objects"},
		{"empty", `{}`, "no objects"},
		{"error answer", `{"error_msg":"objects"}`, "no objects"},
		{"objects in a row only", `{"meta":{"objects":[]}}`, "no objects"},
		{"null objects", `{"objects":null}`, "offset 11: unexpected 'n' where the list of objects should begin"},
		{"objects are one", `{"objects":{}}`, "unexpected '{' where the list"},
		{"last objects wrong", `{"objects":[],"objects":""}`, "where the list"},
		{"trailing", `{"objects":[]}{}`, "offset 14: unexpected '{' after the object"},
		{"trailing comma", `{"objects":[],}`, "unexpected '}' where a name should begin"},
		{"leading comma", `{,"objects":[]}`, "where a name should begin"},
		{"row comma", `{"objects":[{},]}`, "unexpected ']' where a value should begin"},
		{"no row between", `{"objects":[{},,{}]}`, "unexpected ','"},
		{"no comma between rows", `{"objects":[{}{}]}`, "unexpected '{' after an item"},
		{"no comma between scalars", `{"objects":[1 2]}`, "unexpected '2' after an item"},
		{"no comma between members", `{"meta":{} "objects":[]}`, "unexpected '\"' after an item"},
		{"no colon", `{"objects" []}`, "unexpected '[' after a name"},
		{"no value", `{"meta":,"objects":[]}`, "unexpected ',' where a value should begin"},
		{"name without quotes", `{objects:[]}`, "where a name should begin"},
		{"name with a wrong escape", `{"objects\x":[]}`, `name "objects\x"`},
		{"list closed by brace", `{"objects":[{}}`, "unexpected '}' after an item"},
		{"row closed by bracket", `{"objects":[{]]}`, "offset 13: unexpected ']' where another bracket should end"},
		{"crossed", `{"objects":[{"a":[}]}]}`, "unexpected '}' where another bracket"},
		{"page closed by bracket", `{"objects":[]]`, "unexpected ']' after an item"},
		{"too deep", `{"objects":[` + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1) + `]}`, "offset 10012: nested too deeply"},
		{"string never ends", `{"objects":[{"a":"\"}]}`, "unexpected EOF"},
		{"NUL", "{\"objects\":[\x00]}", "unexpected '\\x00'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Split([]byte(tc.page))
			require.ErrorContains(t, err, "rows: not a page: ")
			require.ErrorContains(t, err, tc.says)
			assert.Zero(t, got)
		})
	}
}

func TestSplitRefusesEveryCut(t *testing.T) {
	whole := `{"meta":{"a":[1,"\"]"]}, "objects":[{"id":"\\","b":{"c":[]}}, 12, "x"], "z":true}`
	_, err := Split([]byte(whole))
	require.NoError(t, err)
	for n := range whole {
		_, err := Split([]byte(whole[:n]))
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF, whole[:n])
	}
}

func TestRowsAreSlicesThatCannotGrowIntoEachOther(t *testing.T) {
	data := []byte(`{"objects":[{"a":1},{"b":2}],"meta":{}}`)
	before := bytes.Clone(data)
	got, err := Split(data)
	require.NoError(t, err)
	assert.Same(t, &data[12], &got.Rows[0][0], "not a copy")

	_ = append(got.Rows[0], "overwritten"...)
	_ = append(got.Meta, "overwritten"...)
	name, ok := Member(got.Rows[1], "b")
	require.True(t, ok)
	_ = append(name, "overwritten"...)
	assert.Equal(t, string(before), string(data))
}

func TestMember(t *testing.T) {
	for _, tc := range []struct{ object, name, want string }{
		{`{"id":"a","_id":"b"}`, "id", `"a"`},
		{`{"id":"a","_id":"b"}`, "_id", `"b"`},
		{` { "id" : 12 , "b":1} `, "id", `12`},
		{`{"a":{"id":1},"id":[1, 2]}`, "id", `[1, 2]`},
		{`{"id":1,"id":null}`, "id", `null`},
		{`{"\u0069d":"a"}`, "id", `"a"`},
		{`{"":1}`, "", `1`},
		{`{"名":"包"}`, "名", `"包"`},
		{`{"a\"b":1}`, `a"b`, `1`},

		{`{"a":{"id":1}}`, "id", ""},
		{`{"ID":1}`, "id", ""},
		{`{}`, "id", ""},
		{`{"id":1`, "id", ""},
		{`{"id":1}{`, "id", ""},
		{`{"id":1,"b":}`, "id", ""},
		{`{"id":}`, "id", ""},
		{`["id",1]`, "id", ""},
		{`"id"`, "id", ""},
		{``, "", ""},
	} {
		raw, ok := Member([]byte(tc.object), tc.name)
		assert.Equal(t, tc.want, string(raw), tc.object)
		assert.Equal(t, tc.want != "", ok, tc.object)
	}
}

func texts(rows []json.RawMessage) []string {
	out := []string{}
	for _, row := range rows {
		out = append(out, string(row))
	}
	return out
}

// Objects is the list that the rows were cut from.
func TestObjectsIsTheListOfRows(t *testing.T) {
	for _, page := range []string{`{"objects":[]}`, `{"objects": [ {"a":1} , 2 ] ,"meta":{}}`, `{"objects":[0],"objects":[{"b":[]}]}`} {
		got, err := Split([]byte(page))
		require.NoError(t, err)
		var list []json.RawMessage
		require.NoError(t, json.Unmarshal(got.Objects, &list))
		require.Len(t, list, len(got.Rows))
		for i := range list {
			assert.Equal(t, string(list[i]), string(got.Rows[i]))
		}
		assert.Equal(t, len(got.Objects), cap(got.Objects), "an append cannot write into the page")
	}
}

func TestList(t *testing.T) {
	got, err := List([]byte(` [ {"a":1} , 2 ]`))
	require.NoError(t, err)
	assert.Equal(t, []json.RawMessage{[]byte(`{"a":1}`), []byte(`2`)}, got)
	got, err = List([]byte(`[]`))
	require.NoError(t, err)
	assert.Empty(t, got)
	for _, bad := range []string{``, `{}`, `[`, `[1`, `[1,]`, `null`} {
		_, err := List([]byte(bad))
		assert.Error(t, err, bad)
	}
}

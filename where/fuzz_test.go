package where

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzValues checks that a filter either says what is wrong or encodes to what
// was put in.
func FuzzValues(f *testing.F) {
	f.Add("price", "包<&>\u2028", int64(10), `{"a":{"$eq":1}}`)
	f.Add("", "", int64(-1<<63), `{}`)
	f.Add("$or", "\xff", int64(1<<63-1), `{"a":1}{`)
	f.Add(`a"\b`, "\ufffd", int64(0), ` [ ]`)
	f.Fuzz(func(t *testing.T, field, text string, n int64, raw string) {
		goodField := strings.TrimSpace(field) != "" && field[0] != '$' && utf8.ValidString(field)
		goodText := utf8.ValidString(text)
		for op, tc := range map[string]struct {
			cond Cond
			want any
			good bool
		}{
			"$eq":       {Eq(field, text), text, goodText},
			"$contains": {Contains(field, text), text, goodText && text != ""},
			"$gt":       {Gt(field, n), n, true},
			"$in":       {In(field, text, text), []string{text, text}, goodText},
			"$range":    {Range(field, n, 0), []int64{n, 0}, n <= 0},
		} {
			if goodField && tc.good {
				assertComparison(t, tc.cond, field, op, tc.want)
			} else {
				assertMistake(t, tc.cond)
			}
		}
		_ = HasKey(field, text).And(Match(field, text, text))
		fuzzRaw(t, raw)
	})
}

func assertComparison(t *testing.T, c Cond, field, op string, want any) {
	t.Helper()
	data, err := c.MarshalJSON()
	require.NoError(t, err)
	var got map[string]map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &got))
	require.Len(t, got, 1)
	require.Len(t, got[field], 1)
	plain, err := json.Marshal(want)
	require.NoError(t, err)
	assert.JSONEq(t, string(plain), string(got[field][op]))
	for _, escaped := range []string{`\u003c`, `\u003e`, `\u0026`} {
		assert.NotContains(t, strings.ReplaceAll(string(data), `\\`, ""), escaped)
	}
}

func assertMistake(t *testing.T, c Cond) {
	t.Helper()
	require.Error(t, c.Err())
	_, err := c.MarshalJSON()
	require.Error(t, err)
}

func fuzzRaw(t *testing.T, raw string) {
	t.Helper()
	c := Raw(json.RawMessage(raw))
	var members map[string]json.RawMessage
	good := json.Unmarshal([]byte(raw), &members) == nil && len(members) > 0 && utf8.ValidString(raw)
	if !good {
		assertMistake(t, c)
		return
	}
	require.NoError(t, c.Err())
	assert.False(t, c.IsEverything())
	var want bytes.Buffer
	require.NoError(t, json.Compact(&want, []byte(raw)))
	assert.Equal(t, want.String(), c.String())
}

// FuzzGroups runs a program that builds groups from groups, and compares the
// outcome with a naive tree.
func FuzzGroups(f *testing.F) {
	f.Add([]byte("aa&"))
	f.Add([]byte("abc&|d&e|"))
	f.Add([]byte("ab|c|d|ef&g&|"))
	f.Fuzz(func(t *testing.T, program []byte) {
		var conds []Cond
		var trees []*tree
		for _, step := range program[:min(len(program), 64)] {
			n := len(conds)
			switch {
			case step >= 'a' && step <= 'z':
				conds = append(conds, IsNull(string(step)))
				trees = append(trees, &tree{leaf: string(step)})
			case n < 2:
			case step == '&':
				conds = append(conds, conds[n-2].And(conds[n-1]))
				trees = append(trees, &tree{op: "$and", kids: trees[n-2:]})
			case step == '|':
				conds = append(conds, Or(conds[n-2:]...))
				trees = append(trees, &tree{op: "$or", kids: trees[n-2:]})
			}
			if len(conds) > n && len(conds[n].String()) > 1<<16 {
				break // a program can double at each step
			}
		}
		for i, c := range conds { // at the end, so that a changed parent shows
			assert.Equal(t, trees[i].String(), c.String())
		}
	})
}

type tree struct {
	op, leaf string
	kids     []*tree
}

func (n *tree) String() string {
	if n.op == "" {
		return `{"` + n.leaf + `":{"$isnull":true}}`
	}
	return `{"` + n.op + `":[` + strings.Join(n.members(n.op), ",") + `]}`
}

func (n *tree) members(op string) []string {
	if n.op != op {
		return []string{n.String()}
	}
	var out []string
	for _, kid := range n.kids {
		out = append(out, kid.members(op)...)
	}
	return out
}

package patch

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type book struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	Price int64     `json:"price"`
	Due   time.Time `json:"due,omitzero"`
	Note  *string   `json:"note"`
	Skip  string    `json:"skip,omitempty"`
}

type loop []any

func (loop) MarshalJSON() ([]byte, error) { return []byte(`"loop"`), nil }

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New("will not") }

func TestWireForms(t *testing.T) {
	due := time.Date(2018, 9, 26, 11, 22, 51, 100000000, time.FixedZone("", 8*3600))
	self := loop{nil}
	self[0] = self
	for _, tc := range []struct {
		name string
		p    Patch
		want string
		once bool
	}{
		// As the sources print them.
		{"plain", Set("name", "nickname"), `{"name":"nickname"}`, false},
		{"unset", Unset("example"), `{"$unset":{"example":""}}`, false},
		{
			"permissions", Set("write_perm", []string{"gid:656", "user:37087886"}).Set("read_perm", []string{"user:37087886"}),
			`{"write_perm":["gid:656","user:37087886"],"read_perm":["user:37087886"]}`, false,
		},
		{"up", IncrBy("price", 1), `{"price":{"$incr_by":1}}`, true},
		{"down", IncrBy("price", -1), `{"price":{"$incr_by":-1}}`, true},
		{"append", Append("tag", "Hello"), `{"tag":{"$append":["Hello"]}}`, true},
		{"append unique", AppendUnique("tag", "Hello"), `{"tag":{"$append_unique":["Hello"]}}`, false},
		{"remove", Remove("tag", "Hello"), `{"tag":{"$remove":["Hello"]}}`, false},
		{"two atomic", Append("desc", "atomic data").IncrBy("price", -1), `{"desc":{"$append":["atomic data"]},"price":{"$incr_by":-1}}`, true},
		{"path", IncrBy("obj.n", 1), `{"obj.n":{"$incr_by":1}}`, true},
		{
			"all kinds", Set("name", "x").Unset("example").IncrBy("price", -1).Append("tags", "a").Unset("b"),
			`{"name":"x","price":{"$incr_by":-1},"tags":{"$append":["a"]},"$unset":{"example":"","b":""}}`, true,
		},

		{"float", IncrByFloat("price", -0.5), `{"price":{"$incr_by":-0.5}}`, true},
		{"pop", Pop("tags"), `{"tags":{"$pop":1}}`, true},
		{"shift", Shift("tags"), `{"tags":{"$pop":-1}}`, true},
		{"merge", Merge("obj", map[string]any{"a": 1}), `{"obj":{"$update":{"a":1}}}`, false},
		{"several columns", Unset("b", "a"), `{"$unset":{"b":"","a":""}}`, false},
		{"paths side by side", IncrBy("obj.a", 1).IncrBy("obj.b", 2).IncrBy("obj2", 3), `{"obj.a":{"$incr_by":1},"obj.b":{"$incr_by":2},"obj2":{"$incr_by":3}}`, true},
		{"from method", Pop("tags").From(book{Name: "x"}), `{"tags":{"$pop":1},"name":"x","price":0,"note":null}`, true},

		// Values.
		{"null", Set("a", nil), `{"a":null}`, false},
		{"least integer", Set("a", int64(math.MinInt64)), `{"a":-9223372036854775808}`, false},
		{"greatest integer", IncrBy("a", math.MaxInt64), `{"a":{"$incr_by":9223372036854775807}}`, true},
		{
			"no HTML escape", Set("a<", "<&>").Append("b", "<&>").Merge("c", map[string]string{"<": ">"}),
			`{"a<":"<&>","b":{"$append":["<&>"]},"c":{"$update":{"<":">"}}}`, true,
		},
		{"line separator", Set("a", "\u2028"), `{"a":"\u2028"}`, false},
		{"object", Set("a", map[string]any{"b": map[string]int{"$c": 1}}), `{"a":{"b":{"$c":1}}}`, false},
		{"text that starts with $", Set("a", "$b"), `{"a":"$b"}`, false},
		{"seconds", Set("created_at", due.Unix()), `{"created_at":1537932171}`, false},
		{"clear seconds", Unset("created_at"), `{"$unset":{"created_at":""}}`, false},
		{"slice of items", Append("a", []string{"x", "y"}), `{"a":{"$append":["x","y"]}}`, true},
		{"slice among items", Remove("a", "x", []int{1, 2}, []int{}, 3), `{"a":{"$remove":["x",1,2,3]}}`, false},
		{"objects as items", AppendUnique("a", map[string]int{"x": 1}), `{"a":{"$append_unique":[{"x":1}]}}`, false},
		{"own encoding", Set("a", self), `{"a":"loop"}`, false},
		{"replacement character", Set("a", json.RawMessage(`"\ufffd"`)), `{"a":"\ufffd"}`, false},

		{"from struct", From(book{ID: "1", Name: "<", Price: 2, Due: due}), `{"name":"<","price":2,"due":"2018-09-26T11:22:51.1+08:00","note":null}`, false},
		{"from pointer", From(&book{}), `{"name":"","price":0,"note":null}`, false},
		{"from map", From(map[string]any{"z": 1, "a": "x", "_id": "1", "id": "1"}), `{"a":"x","z":1}`, false},
		{"from raw", From(json.RawMessage(` {"n" : 12345678901234567890, "\u0069d":"1", "f":1.0} `)), `{"n":12345678901234567890,"f":1.0}`, false},
		{"from nothing and more", From(struct{}{}).Set("a", 1), `{"a":1}`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.NoError(t, tc.p.Err())
			got, err := tc.p.MarshalJSON()
			require.NoError(t, err)
			assert.Equal(t, tc.want, string(got))
			assert.Equal(t, tc.want, tc.p.String())
			assert.True(t, json.Valid(got))
			assert.Equal(t, !tc.once, tc.p.Idempotent())
			assert.False(t, tc.p.IsZero())
		})
	}
}

func TestMethodsContinue(t *testing.T) {
	base := Set("a", 1)
	for _, tc := range []struct{ first, then Patch }{
		{Set("b", 1), base.Set("b", 1)},
		{Unset("b"), base.Unset("b")},
		{IncrBy("b", 1), base.IncrBy("b", 1)},
		{IncrByFloat("b", 1), base.IncrByFloat("b", 1)},
		{Append("b", 1), base.Append("b", 1)},
		{AppendUnique("b", 1), base.AppendUnique("b", 1)},
		{Remove("b", 1), base.Remove("b", 1)},
		{Pop("b"), base.Pop("b")},
		{Shift("b"), base.Shift("b")},
		{Merge("b", map[string]int{"c": 1}), base.Merge("b", map[string]int{"c": 1})},
		{From(map[string]int{"b": 1}), base.From(map[string]int{"b": 1})},
	} {
		assert.Equal(t, `{"a":1,`+tc.first.String()[1:], tc.then.String())
		assert.Equal(t, tc.first.Idempotent(), tc.then.Idempotent())
	}
}

func TestMistakes(t *testing.T) {
	now := time.Now()
	pnow := &now
	for _, tc := range []struct {
		name string
		p    Patch
		says string
	}{
		{"empty field", Set("", 1), `patch: "": the column name is empty`},
		{"blank field", Append(" \t\u3000", 1), `$append: the column name is empty`},
		{"operator as field", Set("$unset", 1), `patch: "$unset": a column name does not start with $`},
		{"field not UTF-8", Set("a\xff", 1), "the column name: the value is not valid UTF-8"},
		{"id", Set("id", "x"), `patch: "id": a record keeps its id`},
		{"_id", Unset("_id"), `patch: "_id" $unset: a record keeps its id`},
		{"inside id", IncrBy("id.x", 1), "a record keeps its id"},
		{"path in set", Set("obj.n", 1), `patch: "obj.n": a dotted path is for IncrBy only`},
		{"path in unset", Unset("obj.n"), "a dotted path is for IncrBy only"},
		{"path with a gap", IncrBy("obj..n", 1), `patch: "obj..n" $incr_by: the column name is empty`},
		{"path without start", IncrBy(".n", 1), "the column name is empty"},
		{"path without end", IncrByFloat("obj.", 1), "the column name is empty"},
		{"operator in path", IncrBy("obj.$n", 1), "does not start with $"},

		{"set twice", Set("a", 1).Set("a", 2), `patch: "a": the update already writes "a", and the service keeps only the last operation on a column`},
		{"set and unset", Set("a", 1).Unset("a"), `patch: "a" $unset: the update already writes "a"`},
		{"unset and set", Unset("a").Set("a", 1), `patch: "a": the update already writes "a"`},
		{"unset twice", Unset("a", "a"), "the update already writes"},
		{"two operators", Append("a", 1).Remove("a", 2), `patch: "a" $remove: the update already writes "a"`},
		{"from and set", From(book{}).Set("name", "x"), "the update already writes"},
		{"set and from", Set("name", "x").From(book{}), "the update already writes"},
		{"duplicate in from", From(json.RawMessage(`{"a":1,"a":2}`)), "the update already writes"},
		{"path and its column", IncrBy("obj.n", 1).Set("obj", 1), `patch: "obj": the update already writes "obj.n"`},
		{"column and a path into it", Merge("obj", map[string]int{"a": 1}).IncrBy("obj.n", 1), `patch: "obj.n" $incr_by: the update already writes "obj"`},

		{"unset nothing", Unset(), "patch: $unset: needs at least one column"},
		{"append nothing", Append("a"), `patch: "a" $append: needs at least one item`},
		{"append unique nothing", AppendUnique("a", []string{}), `"a" $append_unique: needs at least one item`},
		{"remove nothing", Remove("a", []any{}...), `"a" $remove: needs at least one item`},
		{"append nil", Append("a", 1, nil), "item 2 is nil"},
		{"append nil slice", Append("a", []string(nil)), "item 1 is nil"},
		{"append NaN", Append("a", math.NaN()), "item 1: json: unsupported value: NaN"},
		{"append time", Append("a", []*time.Time{pnow}), "item 1: a time.Time is ambiguous"},

		{"time", Set("created_at", now), "t.Unix() for created_at"},
		{"pointer to time", Set("a", &pnow), "a time.Time is ambiguous"},
		{"times in a list", Set("a", []time.Time{now}), "a time.Time is ambiguous"},
		{"time in a map", From(map[string]any{"a": now}), "patch: From: a time.Time is ambiguous"},
		{"from a time", From(now), "patch: From: a time.Time is ambiguous"},
		{"created_at as text", Set("created_at", "2026-11-20"), `patch: "created_at": the column is an integer, Unix seconds`},
		{"updated_at of a struct", From(struct {
			At time.Time `json:"updated_at"`
		}{now}), `patch: "updated_at": the column is an integer`},

		{"NaN", IncrByFloat("a", math.NaN()), `patch: "a" $incr_by: json: unsupported value: NaN`},
		{"infinite", Set("a", math.Inf(-1)), `patch: "a": json: unsupported value: -Inf`},
		{"no JSON", Set("a", make(chan int)), "unsupported type: chan int"},
		{"encoder fails", Set("a", failing{}), "will not"},
		{"broken raw value", Set("a", json.RawMessage(`{`)), "unexpected end"},
		{"not UTF-8", Set("a", "x\xff"), "not valid UTF-8"},
		{"map not UTF-8", Set("a", map[string]string{"x\xff": "x"}), "not valid UTF-8"},
		{"raw not UTF-8", Set("a", json.RawMessage("\"\xff\"")), "not valid UTF-8"},

		{"operation as value", Set("a", map[string]int{"$incr_by": 1}), `patch: "a": the value has a member "$incr_by", which the service would take for an operation`},
		{"operation hidden", Set("a", json.RawMessage(`{"b":1,"\u0024pop":1}`)), `member "$pop"`},
		{"operation in from", From(map[string]any{"a": map[string]int{"$incr_by": 1}}), `patch: "a": the value has a member "$incr_by"`},
		{"$unset in from", From(json.RawMessage(`{"$unset":{"a":""}}`)), "does not start with $"},
		{"operation in merge", Merge("a", map[string]int{"$incr_by": 1}), `"a" $update: the value has a member`},

		{"merge text", Merge("a", "x"), `patch: "a" $update: "x" is not an object`},
		{"merge list", Merge("a", []int{1}), "[1] is not an object"},
		{"merge nil", Merge("a", nil), "null is not an object"},
		{"merge nothing", Merge("a", struct{}{}), "needs at least one member"},
		{"merge NaN", Merge("a", map[string]float64{"x": math.NaN()}), "unsupported value"},
		{"from text", From("x"), `patch: From: "x" is not an object`},
		{"from rows", From([]book{{}}), "is not an object"},
		{"from nil", From(nil), "patch: From: null is not an object"},
		{"from NaN", From(map[string]float64{"x": math.NaN()}), "patch: From: json: unsupported value"},
		{"from empty name", From(map[string]int{"": 1}), `patch: "": the column name is empty`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.ErrorContains(t, tc.p.Err(), tc.says)
			got, err := tc.p.MarshalJSON()
			assert.Equal(t, tc.p.Err(), err)
			assert.Nil(t, got)
			assert.Equal(t, err.Error(), tc.p.String())
			assert.False(t, tc.p.IsZero(), "a mistake is not the absence of a change")
			assert.ErrorContains(t, tc.p.Set("later", 1).Err(), tc.says, "mistakes are carried")
		})
	}
}

func TestMistakesAreAllReported(t *testing.T) {
	err := Set("", 1).Set("a", 1).Set("a", math.NaN()).Unset().Err()
	require.Error(t, err)
	assert.Equal(t, []string{
		`patch: "": the column name is empty`,
		`patch: "a": json: unsupported value: NaN`,
		`the update already writes "a", and the service keeps only the last operation on a column`,
		`patch: $unset: needs at least one column`,
	}, strings.Split(err.Error(), "\n"))
}

func TestZero(t *testing.T) {
	for name, p := range map[string]Patch{"zero": {}, "from nothing": From(struct{}{}), "from an id": From(json.RawMessage(`{"id":"1"}`))} {
		t.Run(name, func(t *testing.T) {
			assert.True(t, p.IsZero())
			assert.True(t, p.Idempotent())
			assert.NoError(t, p.Err())
			assert.Equal(t, `{}`, p.String())
			_, err := p.MarshalJSON()
			assert.EqualError(t, err, "patch: nothing to change")
		})
	}
}

func TestForksAreIndependent(t *testing.T) {
	base := Set("a", 1).Set("b", 2).Set("c", 3)
	left, right := base.Set("l", 4), base.From(map[string]int{"r": 5, "s": 6})
	bad := base.Set("a", 0)
	assert.Equal(t, `{"a":1,"b":2,"c":3}`, base.String())
	assert.Equal(t, `{"a":1,"b":2,"c":3,"l":4}`, left.String())
	assert.Equal(t, `{"a":1,"b":2,"c":3,"r":5,"s":6}`, right.String())
	assert.Error(t, bad.Err())
	assert.NoError(t, base.Err())
}

func TestInputsAreCopied(t *testing.T) {
	tags := []any{"x"}
	fields := []string{"a"}
	raw := json.RawMessage(`{"n":1}`)
	p := Append("tags", tags...).Unset(fields...).Set("raw", raw).From(raw)
	tags[0], fields[0], raw[2] = "y", "z", 'm'
	assert.Equal(t, `{"tags":{"$append":["x"]},"raw":{"n":1},"n":1,"$unset":{"a":""}}`, p.String())

	got, err := p.MarshalJSON()
	require.NoError(t, err)
	got[2] = 'z'
	assert.Equal(t, `{"tags":{"$append":["x"]},"raw":{"n":1},"n":1,"$unset":{"a":""}}`, p.String())
}

func TestConcurrentUse(t *testing.T) {
	base := Set("a", 1).Set("b", 2)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				_ = base.Set("c", 3).Unset("d").String()
			}
		})
	}
	wg.Wait()
	assert.Equal(t, `{"a":1,"b":2}`, base.String())
}

func BenchmarkFrom(b *testing.B) {
	row := map[string]any{}
	for i := range 30 {
		row[string(rune('a'+i))] = i
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = From(row)
	}
}

package where

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

	"github.com/minapp-go/minapp/geo"
)

type seconds int64

type loop []any

func (loop) MarshalJSON() ([]byte, error) { return []byte(`"loop"`), nil }

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New("will not") }

func TestWireForms(t *testing.T) {
	at := geo.Point{Lng: 113.3, Lat: 23.1}
	area := geo.NewPolygon(geo.Point{Lng: 10, Lat: 10}, geo.Point{Lng: 20, Lat: 10}, geo.Point{Lng: 30, Lat: 20}, geo.Point{Lng: 10, Lat: 10})
	text := "text"
	self := loop{nil}
	self[0] = self
	for _, tc := range []struct {
		name string
		cond Cond
		want string
	}{
		// As the sources print them.
		{"eq", Eq("price", 10), `{"price":{"$eq":10}}`},
		{
			"documented group", Eq("price", 10).And(Contains("name", "包")).Or(Gt("price", 100)),
			`{"$or":[{"$and":[{"price":{"$eq":10}},{"name":{"$contains":"包"}}]},{"price":{"$gt":100}}]}`,
		},
		{"pointer", Eq("user", "5bf4f7457fed8d6c2f5c3d6e"), `{"user":{"$eq":"5bf4f7457fed8d6c2f5c3d6e"}}`},
		{"match", Match("name", "^foo", "i"), `{"name":{"$regex":"^foo","$options":"i"}}`},
		{"intersects", Intersects("place", at), `{"place":{"$intersects":{"type":"Point","coordinates":[113.3,23.1]}}}`},
		{"within", Within("place", area), `{"place":{"$within":{"type":"Polygon","coordinates":[[[10,10],[20,10],[30,20],[10,10]]]}}}`},
		{"circle", WithinCircle("place", geo.Circle{Center: at, RadiusKm: 2}), `{"place":{"$center":{"radius":2,"coordinates":[113.3,23.1]}}}`},
		{
			"ring", WithinRing("place", geo.Ring{Center: at, MaxMeters: 500}),
			`{"place":{"$nearsphere":{"geometry":{"type":"Point","coordinates":[113.3,23.1]},"min_distance":0,"max_distance":500}}}`,
		},
		{"all", ContainsAll("tags", "a", "b"), `{"tags":{"$all":["a","b"]}}`},
		{"has key", HasKey("publisher", "location"), `{"publisher":{"$has_key":"location"}}`},

		{"ne", Ne("a", true), `{"a":{"$ne":true}}`},
		{"lt", Lt("a", 1.5), `{"a":{"$lt":1.5}}`},
		{"lte", Lte("a", seconds(7)), `{"a":{"$lte":7}}`},
		{"gt", Gt("a", "2018-09-26T11:22:51.100000+08:00"), `{"a":{"$gt":"2018-09-26T11:22:51.100000+08:00"}}`},
		{"gte", Gte("a", json.Number("1e3")), `{"a":{"$gte":1e3}}`},
		{"range", Range("a", 1, 1), `{"a":{"$range":[1,1]}}`},
		{"range of text", Range("a", "b", "a"), `{"a":{"$range":["b","a"]}}`},
		{"in", In("a", 1, 2), `{"a":{"$in":[1,2]}}`},
		{"in slice", In("a", []string{"x", "y"}...), `{"a":{"$in":["x","y"]}}`},
		{"in mixed", In[any]("a", "x", 1), `{"a":{"$in":["x",1]}}`},
		{"not in", NotIn("a", "x"), `{"a":{"$nin":["x"]}}`},
		{"contains fold", ContainsFold("a", "x"), `{"a":{"$icontains":"x"}}`},
		{"match without flags", Match("a", "x", ""), `{"a":{"$regex":"x"}}`},
		{"is null", IsNull("a"), `{"a":{"$isnull":true}}`},
		{"not null", NotNull("a"), `{"a":{"$isnull":false}}`},
		{"exists", Exists("a"), `{"a":{"$exists":true}}`},
		{"not exists", NotExists("a"), `{"a":{"$exists":false}}`},
		{"has longer key", HasKey("a", "Zz_90"), `{"a":{"$has_key":"Zz_90"}}`},
		{"everything", Everything(), `{}`},

		// Values.
		{"least integer", Eq("a", int64(math.MinInt64)), `{"a":{"$eq":-9223372036854775808}}`},
		{"greatest integer", Eq("a", int64(math.MaxInt64)), `{"a":{"$eq":9223372036854775807}}`},
		{"greatest unsigned", Eq("a", uint64(math.MaxUint64)), `{"a":{"$eq":18446744073709551615}}`},
		{"user id", In[int64]("a", 195448780235670), `{"a":{"$in":[195448780235670]}}`},
		{"empty text", Eq("a", ""), `{"a":{"$eq":""}}`},
		{"to pointer", Eq("a", &text), `{"a":{"$eq":"text"}}`},
		{"list", Eq("a", []int{}), `{"a":{"$eq":[]}}`},
		{"sorted keys", Eq("a", map[string]any{"z": 1, "b": nil, "a": []any{nil}}), `{"a":{"$eq":{"a":[null],"b":null,"z":1}}}`},
		{"bytes", Eq("a", []byte("hi")), `{"a":{"$eq":"aGk="}}`},
		{"no HTML escape", Eq("a<&>b", "<a href='x'>&"), `{"a<&>b":{"$eq":"<a href='x'>&"}}`},
		{"no HTML escape in text of others", Eq("a", json.RawMessage(`"<&>"`)), `{"a":{"$eq":"<&>"}}`},
		{"line separators", Eq("a", "\u2028\u2029"), `{"a":{"$eq":"\u2028\u2029"}}`},
		{"quotes in a name", Eq(`a"b\`, 1), `{"a\"b\\":{"$eq":1}}`},
		{"replacement character", Eq("a", "\uFFFD"), "{\"a\":{\"$eq\":\"\uFFFD\"}}"},
		{"own encoding", Eq("a", self), `{"a":{"$eq":"loop"}}`},
		{"time in a struct says what it means", Eq("a", struct{ At time.Time }{}), `{"a":{"$eq":{"At":"0001-01-01T00:00:00Z"}}}`},

		{"raw", Raw(json.RawMessage(" {\"a\" : {\"$size\": 1e2 ,\"x\":\"<\"} }\n")), `{"a":{"$size":1e2,"x":"<"}}`},
		{"raw in a group", Raw(json.RawMessage(`{"$and":[{"a":1}]}`)).And(IsNull("b")), `{"$and":[{"$and":[{"a":1}]},{"b":{"$isnull":true}}]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.NoError(t, tc.cond.Err())
			got, err := tc.cond.MarshalJSON()
			require.NoError(t, err)
			assert.Equal(t, tc.want, string(got))
			assert.Equal(t, tc.want, tc.cond.String())
			assert.True(t, json.Valid(got))
			assert.False(t, tc.cond.IsZero())
			assert.Equal(t, tc.want == "{}", tc.cond.IsEverything())
		})
	}
}

func TestGroups(t *testing.T) {
	a, b, c, d := IsNull("a"), IsNull("b"), IsNull("c"), IsNull("d")
	const A, B, C, D = `{"a":{"$isnull":true}}`, `{"b":{"$isnull":true}}`, `{"c":{"$isnull":true}}`, `{"d":{"$isnull":true}}`
	and := func(parts ...string) string { return `{"$and":[` + strings.Join(parts, ",") + `]}` }
	or := func(parts ...string) string { return `{"$or":[` + strings.Join(parts, ",") + `]}` }
	for _, tc := range []struct {
		name string
		cond Cond
		want string
	}{
		{"one", And(a), A},
		{"one or", Or(a), A},
		{"one group", Or(And(a, b)), and(A, B)},
		{"method without more", a.And(), A},
		{"method without more or", a.Or(b).Or(), or(A, B)},
		{"chain", a.And(b).And(c).And(d), and(A, B, C, D)},
		{"chain or", a.Or(b).Or(c), or(A, B, C)},
		{"several", a.And(b, c, d), and(A, B, C, D)},
		{"nested left", And(And(a, b), c), and(A, B, C)},
		{"nested right", And(a, And(b, c)), and(A, B, C)},
		{"nested twice", And(And(a, And(b, c)), And(d)), and(A, B, C, D)},
		{"or in and", And(a, Or(b, c), d), and(A, or(B, C), D)},
		{"and in or", Or(a, And(b, c), d), or(A, and(B, C), D)},
		{"left to right", a.Or(b).And(c).Or(d), or(and(or(A, B), C), D)},
		{"same twice", a.And(a), and(A, A)},
		{"same kind through another", Or(And(Or(a, b), c), Or(d, a)), or(and(or(A, B), C), D, A)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.NoError(t, tc.cond.Err())
			assert.Equal(t, tc.want, tc.cond.String())
		})
	}
}

func TestMistakes(t *testing.T) {
	now := time.Now()
	pnow := &now
	var none *string
	ok := IsNull("ok")
	for _, tc := range []struct {
		name string
		cond Cond
		says string
	}{
		{"empty field", Eq("", 1), `where: "" $eq: the column name is empty`},
		{"blank field", Lt(" \t\u3000", 1), `$lt: the column name is empty`},
		{"operator as field", Eq("$or", 1), `"$or" $eq: a column name does not start with $`},
		{"field not UTF-8", Eq("a\xff", 1), `"a\xff" $eq: the column name: the value is not valid UTF-8`},
		{"both", Eq("", math.NaN()), "unsupported value: NaN"},

		{"nothing in", In[string]("a"), `where: "a" $in: needs at least one value`},
		{"nothing in slice", In("a", []int(nil)...), "needs at least one value"},
		{"nothing not in", NotIn[int]("a"), `"a" $nin: needs`},
		{"all of nothing", ContainsAll[int]("a"), `"a" $all: needs`},
		{"slice not spread", In("a", []string{"x"}), "value 1 is a list; spread it"},
		{"nil in", In[any]("a", 1, nil), "value 2: the value is nil; use IsNull"},
		{"NaN in", NotIn("a", 1, math.NaN()), "value 2: json: unsupported value: NaN"},

		{"contains nothing", Contains("a", ""), `"a" $contains: an empty string would match every row`},
		{"contains nothing fold", ContainsFold("a", ""), `"a" $icontains: an empty string`},
		{"match nothing", Match("a", "", "i"), `"a" $regex: an empty string`},
		{"pattern not UTF-8", Match("a", "\xff", "i"), "not valid UTF-8"},
		{"flags not UTF-8", Match("a", "x", "\xff"), "not valid UTF-8"},
		{"match no field", Match("", "x", "i"), "the column name is empty"},

		{"time", Eq("created_at", now), "t.Unix() for created_at"},
		{"pointer to time", Ne("a", pnow), "a time.Time is ambiguous"},
		{"pointer to pointer", Eq("a", &pnow), "a time.Time is ambiguous"},
		{"time in any", Eq[any]("a", now), "a time.Time is ambiguous"},
		{"time in list", In("a", now), "value 1: a time.Time is ambiguous"},
		{"times in slice", Eq("a", []time.Time{now}), "a time.Time is ambiguous"},
		{"pointers to times", Eq("a", []*time.Time{pnow}), "a time.Time is ambiguous"},
		{"times in array", Eq("a", [1]any{now}), "a time.Time is ambiguous"},
		{"time in map", Eq("a", map[string]any{"x": []any{now}}), "a time.Time is ambiguous"},

		{"nil", Eq[any]("a", nil), "the value is nil; use IsNull or NotNull"},
		{"nil pointer", Ne("a", none), "the value is nil"},
		{"nil slice", Eq("a", []int(nil)), "the value is nil"},
		{"null text", Eq("a", json.RawMessage("null")), "the value is nil"},
		{"NaN", Eq("a", math.NaN()), "unsupported value: NaN"},
		{"infinite", Gt("a", math.Inf(1)), "unsupported value: +Inf"},
		{"NaN range", Range("a", math.NaN(), 1), "unsupported value: NaN"},
		{"range upside down", Range("a", 2, 1), `where: "a" $range: 2 is above 1`},
		{"no JSON", Eq("a", func() {}), "unsupported type: func()"},
		{"encoder fails", Eq("a", failing{}), "will not"},
		{"broken raw value", Eq("a", json.RawMessage("{")), "unexpected end"},
		{"raw value not UTF-8", Eq("a", json.RawMessage("\"\xff\"")), "not valid UTF-8"},
		{"text not UTF-8", Eq("a", "x\xff"), "not valid UTF-8"},
		{"list not UTF-8", Eq("a", []string{"x\xff"}), "not valid UTF-8"},
		{"key not UTF-8", Eq("a", map[string]int{"x\xff": 1}), "not valid UTF-8"},

		{"empty key", HasKey("a", ""), `"a" $has_key: the key "" is not a letter`},
		{"key path", HasKey("a", "b.c"), `the key "b.c" is not`},
		{"digit first", HasKey("a", "1a"), `the key "1a" is not`},
		{"underscore first", HasKey("a", "_a"), `the key "_a" is not`},
		{"letter outside ASCII", HasKey("a", "aé"), `the key "aé" is not`},

		{"point off the map", Intersects("a", geo.Point{Lat: 91}), `where: "a" $intersects: geo: point: latitude 91`},
		{"open polygon", Within("a", geo.Polygon{}), `"a" $within: geo: polygon: no ring`},
		{"no radius", WithinCircle("a", geo.Circle{}), `"a" $center: geo: circle: radius 0 km`},
		{"no width", WithinRing("a", geo.Ring{MinMeters: -1}), `"a" $nearsphere: geo: ring: least distance`},
		{"shape without field", Intersects("", geo.Point{}), "the column name is empty"},

		{"and of nothing", And(), "where: $and: needs at least one condition"},
		{"or of nothing", Or(), "where: $or: needs at least one condition"},
		{"and of the zero", And(Cond{}), "where: $and: condition 1: empty condition"},
		{"zero in or", ok.Or(Cond{}), "where: $or: condition 2: empty condition"},
		{"zero first", Cond{}.And(ok), "$and: condition 1: empty condition"},
		{"zero alone", Cond{}.And(), "$and: condition 1: empty condition"},
		{"everything in and", ok.And(Everything()), "$and: condition 2: Everything stands alone"},
		{"everything in or", Everything().Or(ok), "$or: condition 1: Everything stands alone"},
		{"everything alone in and", And(Everything()), "$and: condition 1: Everything stands alone"},

		{"raw of nothing", Raw(nil), "where: Raw: unexpected end"},
		{"raw broken", Raw(json.RawMessage(`{"a":`)), "where: Raw: unexpected end"},
		{"raw of two", Raw(json.RawMessage(`{"a":1}{}`)), "where: Raw: invalid character"},
		{"raw list", Raw(json.RawMessage(` [1]`)), "where: Raw: [1] is not an object"},
		{"raw null", Raw(json.RawMessage(`null`)), "null is not an object"},
		{"raw everything", Raw(json.RawMessage(" { } ")), "say Everything()"},
		{"raw not UTF-8", Raw(json.RawMessage("{\"a\":\"\xff\"}")), "where: Raw: not valid UTF-8"},

		{"carried by and", ok.And(Contains("a", "")), `"a" $contains`},
		{"carried by or", Contains("a", "").Or(ok), `"a" $contains`},
		{"carried far", And(ok, Or(ok, And(ok, Contains("a", "")))).Or(ok), `"a" $contains`},
		{"carried alone", Or(Contains("a", "")), `"a" $contains`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.ErrorContains(t, tc.cond.Err(), tc.says)
			got, err := tc.cond.MarshalJSON()
			assert.Equal(t, tc.cond.Err(), err)
			assert.Nil(t, got)
			assert.Equal(t, err.Error(), tc.cond.String())
			assert.False(t, tc.cond.IsZero(), "a mistake is not the absence of a filter")
			assert.False(t, tc.cond.IsEverything())
		})
	}
}

func TestMistakesAreAllReported(t *testing.T) {
	err := Eq("", 1).And(Contains("b", ""), IsNull("c"), Cond{}).Err()
	require.Error(t, err)
	assert.Equal(t, []string{
		`where: "" $eq: the column name is empty`,
		`where: "b" $contains: an empty string would match every row`,
		`where: $and: condition 4: empty condition`,
	}, strings.Split(err.Error(), "\n"))
}

func TestCauseCanBeFound(t *testing.T) {
	var unsupported *json.UnsupportedValueError
	assert.ErrorAs(t, IsNull("a").And(Eq("b", math.NaN())).Err(), &unsupported)
}

func TestZero(t *testing.T) {
	var c Cond
	assert.True(t, c.IsZero())
	assert.False(t, c.IsEverything())
	assert.NoError(t, c.Err())
	assert.Empty(t, c.String())
	_, err := c.MarshalJSON()
	assert.EqualError(t, err, "where: empty condition")

	body, err := json.Marshal(struct {
		Where Cond `json:"where,omitzero"`
	}{})
	require.NoError(t, err)
	assert.Equal(t, `{}`, string(body))
}

func TestForksAreIndependent(t *testing.T) {
	base := IsNull("a").And(IsNull("b")).And(IsNull("c"))
	before := base.String()
	left, right := base.And(IsNull("l")), base.And(IsNull("r"))
	assert.Equal(t, before, base.String())
	assert.Equal(t, strings.TrimSuffix(before, "]}")+`,{"l":{"$isnull":true}}]}`, left.String())
	assert.Equal(t, strings.TrimSuffix(before, "]}")+`,{"r":{"$isnull":true}}]}`, right.String())

	members := []Cond{IsNull("a"), IsNull("b"), IsNull("c")}
	_ = IsNull("x").Or(members[:1]...)
	assert.Equal(t, IsNull("b"), members[1])
}

func TestInputsAreCopied(t *testing.T) {
	ids := []string{"x"}
	raw := json.RawMessage(`{"a":1}`)
	members := []Cond{IsNull("a"), IsNull("b")}
	in, written, group := In("id", ids...), Raw(raw), And(members...)
	ids[0], raw[2], members[0] = "y", 'z', Cond{}
	assert.Equal(t, `{"id":{"$in":["x"]}}`, in.String())
	assert.Equal(t, `{"a":1}`, written.String())
	assert.Equal(t, `{"$and":[{"a":{"$isnull":true}},{"b":{"$isnull":true}}]}`, group.String())

	got, err := written.MarshalJSON()
	require.NoError(t, err)
	got[2] = 'z'
	assert.Equal(t, `{"a":1}`, written.String())
}

type counting struct{ n *int }

func (c counting) MarshalJSON() ([]byte, error) { *c.n++; return []byte("1"), nil }

func TestValuesAreEncodedOnce(t *testing.T) {
	var n int
	c := Eq("a", counting{&n}).And(IsNull("b")).Or(IsNull("c"))
	for range 3 {
		_ = c.String()
	}
	assert.Equal(t, 1, n)
}

func TestConcurrentUse(t *testing.T) {
	base := IsNull("a").And(IsNull("b"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				_ = base.And(IsNull("c")).Or(base).String()
			}
		})
	}
	wg.Wait()
	assert.Equal(t, `{"$and":[{"a":{"$isnull":true}},{"b":{"$isnull":true}}]}`, base.String())
}

func BenchmarkIn(b *testing.B) {
	ids := make([]string, 490)
	for i := range ids {
		ids[i] = "5bf4f7457fed8d6c2f5c3d6e"
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = In("id", ids...)
	}
}

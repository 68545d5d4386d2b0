package minapptest_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every operator, on rows a to e. A row is found or not; the names found are
// given in the order of insertion.
func TestWhere(t *testing.T) {
	e := newEmulator(t)
	e.seed(
		`{"name":"a","price":10,"amount":1,"pretty":true,"tags":["x","y"],"sizes":[1,2],"obj":{"k":1},"day":"2024-01-01T00:00:00+08:00","maker":"5bf4f7457fed8d6c2f5c3d6e"}`,
		`{"name":"Bag 包","price":10.5,"amount":9007199254740993,"pretty":false,"tags":["y"],"sizes":[],"obj":{"n":{"m":1}},"day":"2023-12-31T16:00:00Z","maker":"5bf4f7457fed8d6c2f5c3d6f"}`,
		`{"name":"c","price":100,"amount":9007199254740992,"tags":[],"created_at":1600000000,"created_by":195448780235670}`,
		`{"name":"d","price":null,"day":"2024-06-01T00:00:00Z","parts":[{"p":1}]}`,
		`{"name":"e","price":-1}`,
	)
	for _, tt := range []struct {
		where string
		want  []any
	}{
		{`{}`, list("a", "Bag 包", "c", "d", "e")},
		{`{"price":{"$eq":10}}`, list("a")},
		{`{"price":{"$eq":10.0}}`, list("a")},
		{`{"price":10}`, list("a")},
		{`{"pretty":true}`, list("a")},
		{`{"price":null}`, list("d")},
		{`{"price":{"$ne":10}}`, list("Bag 包", "c", "d", "e")},
		{`{"price":{"$lt":10}}`, list("e")},
		{`{"price":{"$lte":10}}`, list("a", "e")},
		{`{"price":{"$gt":10}}`, list("Bag 包", "c")},
		{`{"price":{"$gte":10.5}}`, list("Bag 包", "c")},
		{`{"price":{"$gt":10,"$lt":100}}`, list("Bag 包")},
		{`{"price":{"$gt":"test search"}}`, list()},
		{`{"name":{"$gt":5}}`, list()},
		{`{"price":{"$in":[10,100,"10"]}}`, list("a", "c")},
		{`{"price":{"$in":[null]}}`, list("d")},
		{`{"price":{"$in":[]}}`, list()},
		{`{"price":{"$nin":[10,100]}}`, list("Bag 包", "d", "e")},
		{`{"price":{"$range":[10,10.5]}}`, list("a", "Bag 包")},
		{`{"price":{"$isnull":true}}`, list("d")},
		{`{"price":{"$isnull":false}}`, list("a", "Bag 包", "c", "e")},
		{`{"amount":{"$isnull":true}}`, list("d", "e")},
		{`{"price":{"$exists":true}}`, list("a", "Bag 包", "c", "d", "e")},
		{`{"amount":{"$exists":false}}`, list("d", "e")},
		{`{"amount":{"$eq":9007199254740993}}`, list("Bag 包")},
		{`{"amount":{"$gt":9007199254740992}}`, list("Bag 包")},
		{`{"amount":{"$gt":9007199254740992.5}}`, list("Bag 包")},
		{`{"price":{"$lt":1e400}}`, list("a", "Bag 包", "c", "e")},
		{`{"name":{"$contains":"包"}}`, list("Bag 包")},
		{`{"name":{"$contains":"bag"}}`, list()},
		{`{"name":{"$icontains":"bag"}}`, list("Bag 包")},
		{`{"name":{"$regex":"^b","$options":"gi"}}`, list("Bag 包")},
		{`{"name":{"$regex":"^BAG","$options":"igm"}}`, list("Bag 包")},
		{`{"name":{"$regex":"^[a-c]$"}}`, list("a", "c")},
		{`{"tags":{"$eq":["x","y"]}}`, list("a")},
		{`{"tags":{"$eq":["y","x"]}}`, list()},
		{`{"tags":"y"}`, list("a", "Bag 包")},
		{`{"tags":{"$in":["x","z"]}}`, list("a")},
		{`{"tags":{"$nin":["x"]}}`, list("Bag 包", "c", "d", "e")},
		{`{"tags":{"$all":["y","x"]}}`, list("a")},
		{`{"sizes":{"$gt":1}}`, list("a")},
		{`{"sizes":{"$in":[2.0]}}`, list("a")},
		{`{"parts":{"$eq":{"p":1}}}`, list()},
		{`{"parts":{"$exists":true}}`, list("d")},
		{`{"obj":{"k":1.0}}`, list("a")},
		{`{"obj":{"$has_key":"n"}}`, list("Bag 包")},
		{`{"obj":{"$has_key":"m"}}`, list()},
		{`{"day":{"$eq":"2023-12-31T16:00:00Z"}}`, list("a", "Bag 包")},
		{`{"day":{"$in":["2023-12-31T16:00:00.000000Z"]}}`, list("a", "Bag 包")},
		{`{"day":{"$gt":"2024-01-01T00:00:00+08:00"}}`, list("d")},
		{`{"maker":{"$eq":"5bf4f7457fed8d6c2f5c3d6e"}}`, list("a")},
		{`{"maker":{"$in":["5bf4f7457fed8d6c2f5c3d6e","5bf4f7457fed8d6c2f5c3d6f"]}}`, list("a", "Bag 包")},
		{`{"created_at":{"$eq":1600000000}}`, list("c")},
		{`{"created_at":{"$gt":1600000000}}`, list("a", "Bag 包", "d", "e")},
		{`{"created_at":{"$range":[1500000000,1650000000]}}`, list("c")},
		{`{"created_at":{"$gt":9,"$lt":3}}`, list()},
		{`{"created_by":{"$eq":195448780235670}}`, list("c")},
		{`{"$or":[{"$and":[{"price":{"$eq":10}},{"name":{"$contains":"a"}}]},{"price":{"$gt":50}}]}`, list("a", "c")},
		{`{"$or":[{"price":10},{"price":100}],"name":"c"}`, list("c")},
		{`{"$or":[{"created_at":{"$lt":1600000001}},{"name":"a"}]}`, list("a", "c")},
	} {
		t.Run(tt.where, func(t *testing.T) {
			r := e.list("where", tt.where, "order_by", "id")
			require.Equal(t, 200, r.status, r.text)
			require.Equal(t, tt.want, r.column("name"))
		})
	}
}

func list(names ...any) []any { return append([]any{}, names...) }

func TestWhereFindsByID(t *testing.T) {
	e := newEmulator(t)
	ids := e.seed(`{"name":"a"}`, `{"name":"b"}`, `{"name":"c"}`)
	e.ResetLog()

	r := e.list("where", fmt.Sprintf(`{"id":{"$in":[%q,%q,"5bf4f7457fed8d6c2f5c3d6e",%q]}}`, ids[2], ids[0], ids[0]), "order_by", "name")

	require.Equal(t, list("a", "c"), r.column("name"))
	require.EqualValues(t, 2, e.RowsExamined(), "an id is looked up")
	require.Equal(t, list("b"), e.list("where", fmt.Sprintf(`{"_id":%q}`, ids[1])).column("name"))
	require.Equal(t, list("b", "c"), e.list("where", fmt.Sprintf(`{"id":{"$gt":%q}}`, ids[0]), "order_by", "id").column("name"))
}

// A mistake in where is a 400 that says what is wrong.
func TestWhereRefuses(t *testing.T) {
	e := newEmulator(t)
	for where, text := range map[string]string{
		`{"price":"$eq":10}`:                     "not valid JSON",
		`{'pretty': true}`:                       "not valid JSON",
		``:                                       "not valid JSON",
		`{} {}`:                                  "not valid JSON",
		`[]`:                                     "must be an object",
		`{"nosuch":1}`:                           "unknown field in where: nosuch",
		`{"obj.k":1}`:                            "unknown field",
		`{"price":{"$not":1}}`:                   "unsupported operator: $not",
		`{"parts":{"$not":1}}`:                   "unsupported operator: $not",
		`{"$nor":[]}`:                            "unsupported operator: $nor",
		`{"$and":[]}`:                            "$and needs",
		`{"$or":{"price":1}}`:                    "$or needs",
		`{"$or":[1]}`:                            "$or needs",
		`{"price":{"$eq":1,"x":2}}`:              "mixed",
		`{"price":{"$in":1}}`:                    "$in needs an array",
		`{"price":{"$nin":1}}`:                   "$nin needs an array",
		`{"price":{"$range":[1]}}`:               "$range needs",
		`{"price":{"$isnull":"x"}}`:              "$isnull needs",
		`{"price":{"$exists":2}}`:                "$exists needs",
		`{"name":{"$contains":""}}`:              "$contains needs",
		`{"name":{"$regex":"("}}`:                "invalid $regex",
		`{"name":{"$regex":1}}`:                  "$regex needs",
		`{"name":{"$regex":"a","$options":"q"}}`: "invalid $options",
		`{"name":{"$options":"i"}}`:              "$options needs $regex",
		`{"tags":{"$all":"a"}}`:                  "$all needs",
		`{"obj":{"$has_key":"a.b"}}`:             "$has_key needs",
		`{"geo":{"$within":{"type":"Polygon"}}}`: "$within needs a Polygon",
		`{"$and":[{"price":1},{"$or":[{"nosuch":{}}]}]}`: "unknown field in where: nosuch",
	} {
		t.Run(where, func(t *testing.T) {
			r := e.list("where", where)
			require.Equal(t, 400, r.status)
			require.Equal(t, "error", r.json["status"])
			require.Contains(t, r.json["error_msg"], text)
		})
	}
}

// No where makes the emulator panic, answer other than 200 or 400, or find rows
// that its own shortcuts by id and creation hide.
func FuzzWhere(f *testing.F) {
	e := newFuzzEmulator(f)
	for _, where := range []string{
		`{}`, `{"price":{"$eq":10}}`, `{"$or":[{"$and":[{"price":{"$eq":10}}]}]}`, `{"created_at":{"$range":[1,2]}}`,
		`{"id":{"$in":["x",1]}}`, `{"name":{"$regex":"^a","$options":"i"}}`, `{"price":{"$lt":1e999999999}}`, `{"day":{"$in":["",null]}}`,
		`{"geo":{"$nearsphere":{"geometry":{"type":"Point","coordinates":[1e308,0]},"min_distance":0}}}`, `{"geo":{"$within":{"type":"Polygon","coordinates":[[[0,0],[180,0],[-180,0],[0,0]]]}}}`,
		`{"price":"$eq":10}`, `{"obj":{"$has_key":"k"}}`, `{"tags":{"$all":[[]]}}`, `{"price":{"$gt":-0.00000000000000000001}}`,
	} {
		f.Add(where)
	}
	f.Fuzz(func(t *testing.T, where string) {
		plain := e.status(t, "where", where, "order_by", "created_at")
		hidden := e.status(t, "where", `{"$or":[`+where+`]}`, "order_by", "created_at")
		if plain.status == 200 && hidden.status == 200 {
			require.Equal(t, plain.column("id"), hidden.column("id"), "%s", url.QueryEscape(where))
		}
	})
}

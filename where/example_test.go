package where_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/minapp-go/minapp/geo"
	"github.com/minapp-go/minapp/where"
)

func Example() {
	bags := where.Eq("price", 10).And(where.Contains("name", "包")).Or(where.Gt("price", 100))
	fmt.Println(bags)
	// Output: {"$or":[{"$and":[{"price":{"$eq":10}},{"name":{"$contains":"包"}}]},{"price":{"$gt":100}}]}
}

// A condition can be a starting point for several others.
func ExampleCond_And() {
	paid := where.Eq("status", "paid")
	small := paid.And(where.Lt("price", 10))
	late := small.And(where.IsNull("shipped"))
	fmt.Println(paid)
	fmt.Println(small)
	fmt.Println(late)
	// Output:
	// {"status":{"$eq":"paid"}}
	// {"$and":[{"status":{"$eq":"paid"}},{"price":{"$lt":10}}]}
	// {"$and":[{"status":{"$eq":"paid"}},{"price":{"$lt":10}},{"shipped":{"$isnull":true}}]}
}

// Optional conditions are collected in a slice; And of one is that one.
func ExampleAnd() {
	name, minimum := "", 5
	conds := []where.Cond{where.NotNull("stock")}
	if name != "" {
		conds = append(conds, where.Contains("name", name))
	}
	if minimum > 0 {
		conds = append(conds, where.Gte("stock", minimum))
	}
	fmt.Println(where.And(conds...))
	// Output: {"$and":[{"stock":{"$isnull":false}},{"stock":{"$gte":5}}]}
}

func ExampleOr() {
	fmt.Println(where.Or(where.Eq("a", 1), where.Eq("b", 2)))
	// Output: {"$or":[{"a":{"$eq":1}},{"b":{"$eq":2}}]}
}

func ExampleIn() {
	ids := []string{"5bf4f7457fed8d6c2f5c3d6e", "5a2fa9b008443e59e0e67829"}
	fmt.Println(where.In("id", ids...))
	// Output: {"id":{"$in":["5bf4f7457fed8d6c2f5c3d6e","5a2fa9b008443e59e0e67829"]}}
}

// The integer columns created_at and updated_at hold Unix seconds; a date
// column holds text.
func ExampleGte() {
	since := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	fmt.Println(where.Gte("created_at", since.Unix()))
	fmt.Println(where.Gte("due", since.Format(time.RFC3339)))
	// Output:
	// {"created_at":{"$gte":1795161600}}
	// {"due":{"$gte":"2026-11-20T08:00:00Z"}}
}

func ExampleMatch() {
	fmt.Println(where.Match("name", "^foo", "i"))
	// Output: {"name":{"$regex":"^foo","$options":"i"}}
}

func ExampleWithinRing() {
	station := geo.Point{Lng: 113.3, Lat: 23.1}
	fmt.Println(where.WithinRing("place", geo.Ring{Center: station, MaxMeters: 500}))
	// Output: {"place":{"$nearsphere":{"geometry":{"type":"Point","coordinates":[113.3,23.1]},"min_distance":0,"max_distance":500}}}
}

func ExampleRaw() {
	fmt.Println(where.Raw(json.RawMessage(`{"tags": {"$size": 2}}`)))
	// Output: {"tags":{"$size":2}}
}

func ExampleEverything() {
	fmt.Println(where.Everything())
	// Output: {}
}

func ExampleCond_Err() {
	c := where.Contains("name", "").And(where.Eq("created_at", time.Now()))
	fmt.Println(c.Err())
	// Output:
	// where: "name" $contains: an empty string would match every row
	// where: "created_at" $eq: a time.Time is ambiguous: use t.Unix() for created_at and updated_at, t.Format(time.RFC3339) for a date column
}

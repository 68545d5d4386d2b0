package patch_test

import (
	"fmt"
	"time"

	"github.com/minapp-go/minapp/patch"
)

func Example() {
	p := patch.Set("name", "x").Unset("example").IncrBy("price", -1).Append("tags", "a")
	fmt.Println(p)
	fmt.Println("may be repeated:", p.Idempotent())
	// Output:
	// {"name":"x","price":{"$incr_by":-1},"tags":{"$append":["a"]},"$unset":{"example":""}}
	// may be repeated: false
}

// A patch can be a starting point for several others, and can grow in a loop.
func ExamplePatch() {
	sold := patch.IncrBy("stock", -1)
	last := sold.Set("state", "gone")
	fmt.Println(sold)
	fmt.Println(last)

	var p patch.Patch
	for _, column := range []string{"note", "draft"} {
		p = p.Unset(column)
	}
	fmt.Println(p)
	// Output:
	// {"stock":{"$incr_by":-1}}
	// {"stock":{"$incr_by":-1},"state":"gone"}
	// {"$unset":{"note":"","draft":""}}
}

func ExampleSet() {
	when := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	p := patch.Set("created_at", when.Unix()).Set("due", when.Format(time.RFC3339))
	fmt.Println(p)
	// Output: {"created_at":1795161600,"due":"2026-11-20T08:00:00Z"}
}

func ExampleAppendUnique() {
	tags := []string{"a", "b"}
	fmt.Println(patch.AppendUnique("tags", tags))
	// Output: {"tags":{"$append_unique":["a","b"]}}
}

func ExampleIncrBy() {
	fmt.Println(patch.IncrBy("obj.n", 1))
	// Output: {"obj.n":{"$incr_by":1}}
}

func ExampleMerge() {
	fmt.Println(patch.Merge("address", map[string]string{"city": "广州"}))
	// Output: {"address":{"$update":{"city":"广州"}}}
}

func ExampleFrom() {
	type Book struct {
		ID    string `json:"id"`
		Name  string `json:"name"`
		Price int64  `json:"price,omitempty"`
	}
	fmt.Println(patch.From(Book{ID: "5a2fa9b008443e59e0e67829", Name: "x"}))
	// Output: {"name":"x"}
}

func ExamplePatch_Err() {
	fmt.Println(patch.Set("price", 1).IncrBy("price", 1).Err())
	// Output: patch: "price" $incr_by: the update already writes "price", and the service keeps only the last operation on a column
}

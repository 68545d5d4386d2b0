package rows_test

import (
	"fmt"

	"github.com/minapp-go/minapp/internal/rows"
)

func ExampleSplit() {
	page := []byte(`{"meta": {"next": null}, "objects": [{"id": "a", "n": 1}, {"id": "b"}]}`)
	p, err := rows.Split(page)
	fmt.Println(string(p.Meta), err)
	for _, row := range p.Rows {
		fmt.Println(string(row))
	}
	// Output:
	// {"next": null} <nil>
	// {"id": "a", "n": 1}
	// {"id": "b"}
}

func ExampleMember() {
	id, ok := rows.Member([]byte(`{"owner": {"id": 1}, "id": "5a2fa9b008443e59e0e67829"}`), "id")
	fmt.Println(string(id), ok)
	// Output: "5a2fa9b008443e59e0e67829" true
}

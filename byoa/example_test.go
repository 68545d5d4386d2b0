package byoa_test

import (
	"encoding/json"
	"fmt"
	"log"

	"github.com/minapp-go/minapp/byoa"
)

func ExampleTask_Verdict() {
	var task byoa.Task
	err := json.Unmarshal([]byte(`{"id": "task_123", "status": 2, "file_stats": {"total": 4, "failed": 1, "completed": 3}}`), &task)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(task.Status)
	fmt.Println(task.Verdict())
	// Output:
	// completed (2)
	// partly failed
}

func ExampleMatrixOne() {
	config := byoa.MatrixOne("kb", "chunks", byoa.Column{Source: "block_id", Target: "id"}, byoa.Column{Source: "content", Target: "text"})
	config.NewTable = true
	fmt.Println(config.Type(), config.Duplicates, config.Err())
	// Output: MatrixOne (3) keep both (3) <nil>
}

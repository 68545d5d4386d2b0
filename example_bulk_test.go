package minapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strconv"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// warehouse is a service inside the process with 1200 books: too many for the
// service to change while the caller waits.
func warehouse() (client *minapp.Client, table minapp.TableID, closeWarehouse func()) {
	server := minapptest.New()
	id, err := server.CreateTable(minapptest.Table{Name: "book", Schema: minapptest.Schema{Fields: []minapptest.Field{
		{Name: "title", Type: "string"},
		{Name: "price", Type: "integer"},
		{Name: "tags", Type: "array", Items: &minapptest.Items{Type: "string"}},
	}}})
	if err != nil {
		log.Fatal(err)
	}
	rows := make([]any, 1200)
	for i := range rows {
		rows[i] = Book{Title: "book " + strconv.Itoa(i), Price: i % 100}
	}
	if _, err := server.Seed(id, rows...); err != nil {
		log.Fatal(err)
	}
	client, err = minapp.NewClient(server.Options()...)
	if err != nil {
		log.Fatal(err)
	}
	return client, minapp.TableID(id), func() { _ = server.Close() }
}

// Every price below 50 goes up. Rows that leave the filter by that do not
// shift the others.
func ExampleTable_UpdateWhere() {
	client, table, closeWarehouse := warehouse()
	defer closeWarehouse()

	books := minapp.TableOf[Book](client, table)
	cheap := where.Lt("price", 50)
	var totals minapp.Totals
	for batch, err := range books.UpdateWhere(context.Background(), cheap, patch.IncrBy("price", 50), minapp.BatchOptions{}) {
		if batch == nil {
			log.Fatal(err) // nothing more can be done
		}
		for _, row := range batch.Failed() {
			fmt.Println(row.ID, row.State, row.Err)
		}
		totals = batch.Totals
	}
	fmt.Printf("%+v\n", totals)
	left, err := books.Count(context.Background(), cheap)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(left, "left")
	// Output:
	// {Read:600 Written:600 Rejected:0 NotSent:0 Unknown:0}
	// 0 left
}

func ExampleTable_UpdateMany() {
	client, table, closeWarehouse := warehouse()
	defer closeWarehouse()
	ctx := context.Background()

	books := minapp.TableOf[Book](client, table)
	var ids []string // from a file, a queue, another system
	for record, err := range books.All(ctx, minapp.Query{Max: 3}) {
		if err != nil {
			log.Fatal(err)
		}
		ids = append(ids, record.ID())
	}
	for batch, err := range books.UpdateMany(ctx, ids, patch.Set("price", 7), minapp.BatchOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(batch.Totals.Written, "changed")
	}
	// Output: 3 changed
}

// The client of a table opens another view of it: rows that are only passed on
// need no type.
func ExampleTable_Client() {
	client, table, closeWarehouse := warehouse()
	defer closeWarehouse()

	books := minapp.TableOf[Book](client, table)
	raw := minapp.TableOf[json.RawMessage](books.Client(), books.ID())
	page, err := raw.Page(context.Background(), minapp.Query{PageSize: 2})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Records), json.Valid(page.Records[0].Value))
	// Output: 2 true
}

func ExampleTable_DeleteWhere() {
	client, table, closeWarehouse := warehouse()
	defer closeWarehouse()
	ctx := context.Background()

	books := minapp.TableOf[Book](client, table)
	_, err := books.DeleteWhere(ctx, where.Cond{})
	fmt.Println("a filter is needed:", errors.Is(err, minapp.ErrUnfiltered))

	deleted, err := books.DeleteWhere(ctx, where.Everything())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", deleted)
	// Output:
	// a filter is needed: true
	// {Deleted:1200 AtLeast:false Requests:2}
}

// Two books are few enough to be changed before the service answers.
func ExampleTable_StartUpdate() {
	client, closeShop := bookshop()
	defer closeShop()

	books := minapp.TableOf[Book](client, bookTable)
	run, err := books.StartUpdate(context.Background(), where.Lt("price", 40), patch.Append("tags", "cheap"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Done(), run.ID, run.Matched, run.Modified)
	// Output: true 0 2 2
}

func ExampleTable_StartDelete() {
	client, table, closeWarehouse := warehouse()
	defer closeWarehouse()
	ctx := context.Background()

	books := minapp.TableOf[Book](client, table)
	run, err := books.StartDelete(ctx, where.Everything())
	if err == nil && !run.Done() {
		run, err = client.Bulk.Wait(ctx, run.ID, minapp.WaitOptions{})
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Status, run.Deleted)
	// Output: success 1200
}

func ExampleBulkService_Operation() {
	client, table, closeWarehouse := warehouse()
	defer closeWarehouse()
	ctx := context.Background()

	run, err := client.Bulk.StartUpdate(ctx, table, where.Everything(), patch.Set("price", 10))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.ID, run.Status)

	// At any time, and from any process:
	run, err = client.Bulk.Operation(ctx, run.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Kind, run.TableName, run.Status, run.Matched, run.Modified)
	// Output:
	// 1 pending
	// update book success 1200 1200
}

// No state says that an operation has failed: the context bounds the wait.
func ExampleBulkService_Wait() {
	client, table, closeWarehouse := warehouse()
	defer closeWarehouse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	run, err := client.Bulk.StartUpdate(ctx, table, where.Everything(), patch.Set("price", 10))
	if err != nil {
		log.Fatal(err)
	}
	run, err = client.Bulk.Wait(ctx, run.ID, minapp.WaitOptions{
		OnPoll: func(status string) { fmt.Println("looked:", status) },
	})
	if wait, ok := errors.AsType[*minapp.WaitError](err); ok {
		fmt.Println("not over yet:", wait.Last)
	}
	fmt.Println(run.Modified, "rows")
	// Output:
	// looked: success
	// 1200 rows
}

// More ids than one URL holds, and one of them twice.
func ExampleAllIn() {
	client, table, closeWarehouse := warehouse()
	defer closeWarehouse()
	ctx := context.Background()

	books := minapp.TableOf[Book](client, table)
	var ids []string
	for book, err := range books.All(ctx, minapp.Query{}) {
		if err != nil {
			log.Fatal(err)
		}
		ids = append(ids, book.ID())
	}
	requests, found := client.Stats().Requests, 0
	for _, err := range minapp.AllIn(ctx, books, "id", append(ids, ids[0]), minapp.Query{}) {
		if err != nil {
			log.Fatal(err)
		}
		found++
	}
	fmt.Println(found, "books in", client.Stats().Requests-requests, "requests")
	// Output: 1200 books in 3 requests
}

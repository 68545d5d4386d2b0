package minapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/url"
	"slices"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// Book is a row of the table that the examples use.
type Book struct {
	Title string   `json:"title"`
	Price int      `json:"price"`
	Tags  []string `json:"tags,omitempty"`
}

// bookTable is the id of the table of books.
const bookTable minapp.TableID = 3906

// bookshop is a service inside the process with one table, in which titles are
// unique, and a client that talks to it.
func bookshop() (client *minapp.Client, closeShop func()) {
	const data = `{"tables": [{
		"id": 3906, "name": "book", "indexes": [["title"]],
		"row_read_perm": ["user:*"], "row_write_perm": ["user:*"], "write_perm": ["user:*"],
		"schema": {"fields": [
			{"name": "title", "type": "string"},
			{"name": "price", "type": "integer"},
			{"name": "tags", "type": "array", "items": {"type": "string"}}
		]},
		"rows": [
			{"id": "5a2fa9b008443e59e0e67829", "title": "围城", "price": 39, "tags": ["novel"], "created_at": 1516118400},
			{"id": "5a2fa9b008443e59e0e6782a", "title": "边城", "price": 28, "tags": ["novel"], "created_at": 1516118401},
			{"id": "5a2fa9b008443e59e0e6782b", "title": "论语", "price": 45, "created_at": 1516118402}
		]
	}]}`
	server := minapptest.New()
	if err := server.LoadData(strings.NewReader(data)); err != nil {
		log.Fatal(err)
	}
	client, err := minapp.NewClient(server.Options()...)
	if err != nil {
		log.Fatal(err)
	}
	return client, func() { _ = server.Close() }
}

func ExampleNewClient() {
	client, err := minapp.NewClient(
		minapp.WithToken("access token of the application"),
		minapp.WithPlan(minapp.PlanPersonal, 0.5), // the other half is for its users
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client)
	// Output: minapp.Client(cloud.minapp.com)
}

// All mistakes are reported together.
func ExampleNewClient_mistakes() {
	_, err := minapp.NewClient(
		minapp.WithToken(" "),
		minapp.WithBaseURL("minapp.example"),
		minapp.WithPlan(minapp.PlanFree, 2),
	)
	fmt.Println(errors.Is(err, minapp.ErrInvalid))
	fmt.Println(err)
	// Output:
	// true
	// minapp: invalid argument: access token is blank
	// invalid argument: base URL has no scheme http or https
	// invalid argument: share 2 of a plan of 50 requests a minute
}

// A derived client has options of its own and shares the rest: connections,
// pacing and statistics.
func ExampleClient_With() {
	client, closeShop := bookshop()
	defer closeShop()

	staging, err := client.With(minapp.WithEnvID("staging"))
	if err != nil {
		log.Fatal(err)
	}
	n, err := minapp.TableOf[Book](staging, bookTable).Count(context.Background(), where.Everything())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "books,", client.Stats().Requests, "request")
	// Output: 3 books, 1 request
}

// Any call, spelled out: here an update of up to 100 of the rows that match.
func ExampleClient_Do() {
	client, closeShop := bookshop()
	defer closeShop()

	var answer struct {
		Succeed int `json:"succeed"`
	}
	err := client.Do(context.Background(), minapp.Request{
		Method: "PUT",
		Path:   "v2.6/table/3906/record/",
		Query:  url.Values{"where": {where.Lt("price", 40).String()}, "limit": {"100"}},
		Body:   patch.Append("tags", "cheap"),
	}, &answer)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Succeed, "rows updated")
	// Output: 2 rows updated
}

func ExampleTableOf() {
	client, closeShop := bookshop()
	defer closeShop()
	ctx := context.Background()

	books := minapp.TableOf[Book](client, bookTable)            // rows are structs
	raw := minapp.TableOf[json.RawMessage](client, bookTable)   // rows are only passed on
	dynamic := minapp.TableOf[minapp.Fields](client, bookTable) // rows are maps, as in client.Records

	book, err := books.Get(ctx, "5a2fa9b008443e59e0e67829")
	if err != nil {
		log.Fatal(err)
	}
	row, err := raw.Get(ctx, book.ID(), minapp.CallKeys("title"))
	if err != nil {
		log.Fatal(err)
	}
	fields, err := dynamic.Get(ctx, book.ID())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(book.Value.Title, book.Value.Price)
	fmt.Println(len(row.Value) > 0)
	fmt.Println(fields.Value["title"], fields.Value["price"])
	// Output:
	// 围城 39
	// true
	// 围城 39
}

func ExampleTable_ID() {
	client, closeShop := bookshop()
	defer closeShop()

	books := minapp.TableOf[Book](client, bookTable)
	fmt.Println(books.ID())
	// Output: 3906
}

func ExampleTable_Get() {
	client, closeShop := bookshop()
	defer closeShop()

	books := minapp.TableOf[Book](client, bookTable)
	book, err := books.Get(context.Background(), "5a2fa9b008443e59e0e67829")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(book.Value.Title, book.CreatedAt())
	// Output: 围城 2018-01-16T16:00:00Z
}

func ExampleTable_Get_notFound() {
	client, closeShop := bookshop()
	defer closeShop()

	books := minapp.TableOf[Book](client, bookTable)
	_, err := books.Get(context.Background(), "ffffffffffffffffffffffff")
	fmt.Println(errors.Is(err, minapp.ErrNotFound))
	// Output: true
}

func ExampleTable_Page() {
	client, closeShop := bookshop()
	defer closeShop()

	books := minapp.TableOf[Book](client, bookTable)
	page, err := books.Page(context.Background(), minapp.Query{
		Where:    where.Gt("price", 20),
		OrderBy:  []string{"-price"},
		PageSize: 2,
		Total:    true,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, book := range page.Records {
		fmt.Println(book.Value.Title, book.Value.Price)
	}
	fmt.Println(page.Total, "match, more:", page.More)
	// Output:
	// 论语 45
	// 围城 39
	// 3 match, more: true
}

func ExampleTable_All() {
	client, closeShop := bookshop()
	defer closeShop()

	books := minapp.TableOf[Book](client, bookTable)
	novels := where.In("tags", "novel")
	for book, err := range books.All(context.Background(), minapp.Query{Where: novels}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(book.Value.Title)
	}
	// Output:
	// 围城
	// 边城
}

func ExampleTable_Count() {
	client, closeShop := bookshop()
	defer closeShop()

	books := minapp.TableOf[Book](client, bookTable)
	n, err := books.Count(context.Background(), where.Contains("title", "城"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n)
	// Output: 2
}

func ExampleTable_Create() {
	client, closeShop := bookshop()
	defer closeShop()

	books := minapp.TableOf[Book](client, bookTable)
	book, err := books.Create(context.Background(), Book{Title: "活着", Price: 20})
	if err != nil {
		log.Fatal(err)
	}
	meta, err := book.Meta()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(book.ID()), book.Value.Title, meta.ReadPerm)
	// Output: 24 活着 [user:*]
}

func ExampleTable_Update() {
	client, closeShop := bookshop()
	defer closeShop()

	books := minapp.TableOf[Book](client, bookTable)
	book, err := books.Update(context.Background(), "5a2fa9b008443e59e0e67829",
		patch.IncrBy("price", -9).Append("tags", "sale"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(book.Value.Price, book.Value.Tags)
	// Output: 30 [novel sale]
}

func ExampleTable_Delete() {
	client, closeShop := bookshop()
	defer closeShop()
	ctx := context.Background()

	books := minapp.TableOf[Book](client, bookTable)
	fmt.Println(books.Delete(ctx, "5a2fa9b008443e59e0e67829"))
	err := books.Delete(ctx, "5a2fa9b008443e59e0e67829")
	fmt.Println(errors.Is(err, minapp.ErrNotFound))
	// Output:
	// <nil>
	// true
}

// Titles are unique in this table, and one of the two exists.
func ExampleTable_CreateMany() {
	client, closeShop := bookshop()
	defer closeShop()

	books := minapp.TableOf[Book](client, bookTable)
	batch, err := books.CreateMany(context.Background(), []Book{{Title: "活着", Price: 20}, {Title: "围城", Price: 39}})
	fmt.Println("a duplicate:", errors.Is(err, minapp.ErrDuplicate))
	for _, row := range batch.Outcomes() {
		fmt.Println(row.Index, row.State)
	}
	// Output:
	// a duplicate: true
	// 0 written
	// 1 rejected
}

// An input of any length goes batch after batch; what fails is reported with
// its position in the input, and the loop may go on.
func ExampleTable_CreateAll() {
	client, closeShop := bookshop()
	defer closeShop()

	titles := []string{"活着", "许三观卖血记", "围城", "兄弟", "第七天"}
	books := minapp.TableOf[Book](client, bookTable)
	input := minapp.Items(func(yield func(Book) bool) {
		for _, title := range titles {
			if !yield(Book{Title: title, Price: 20}) {
				return
			}
		}
	})
	for batch, err := range books.CreateAll(context.Background(), input, minapp.BatchOptions{Size: 2}) {
		if batch == nil {
			log.Fatal(err) // the input itself failed
		}
		for _, row := range batch.Failed() {
			fmt.Println("row", row.Index, titles[row.Index], row.State)
		}
		fmt.Println(batch.Totals.Read, "read,", batch.Totals.Written, "written")
	}
	// Output:
	// 2 read, 2 written
	// row 2 围城 rejected
	// 4 read, 3 written
	// 5 read, 4 written
}

// Rows without a type of their own.
func ExampleRecordService() {
	client, closeShop := bookshop()
	defer closeShop()
	ctx := context.Background()

	book, err := client.Records.Create(ctx, bookTable, minapp.Fields{"title": "活着", "price": 20})
	if err != nil {
		log.Fatal(err)
	}
	book, err = client.Records.Update(ctx, bookTable, book.ID(), patch.Set("price", 25))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(book.Value["title"], book.Value["price"])

	book, err = client.Records.Get(ctx, bookTable, book.ID(), minapp.CallKeys("price"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(book.Value["title"], book.Value["price"])

	if err := client.Records.Delete(ctx, bookTable, book.ID()); err != nil {
		log.Fatal(err)
	}
	n, err := client.Records.Count(ctx, bookTable, where.Everything())
	if err != nil {
		log.Fatal(err)
	}
	page, err := client.Records.Page(ctx, bookTable, minapp.Query{PageSize: 2})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Records), "of", n)
	for book, err := range client.Records.All(ctx, bookTable, minapp.Query{OrderBy: []string{"price"}, Max: 1}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(book.Value["title"])
	}
	// Output:
	// 活着 25
	// <nil> 25
	// 2 of 3
	// 边城
}

// Many rows without a type of their own.
func ExampleBulkService() {
	client, closeShop := bookshop()
	defer closeShop()
	ctx := context.Background()

	rows := []minapp.Fields{{"title": "活着", "price": 20}, {"title": "兄弟", "price": 30}}
	batch, err := client.Bulk.CreateMany(ctx, bookTable, rows)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", batch.Totals)

	// The same rows again.
	for batch, err := range client.Bulk.CreateAll(ctx, bookTable, minapp.Items(slices.Values(rows)), minapp.BatchOptions{}) {
		fmt.Printf("%+v %t\n", batch.Totals, errors.Is(err, minapp.ErrDuplicate))
	}
	// Output:
	// {Read:2 Written:2 Rejected:0 NotSent:0 Unknown:0}
	// {Read:2 Written:0 Rejected:2 NotSent:0 Unknown:0} true
}

func ExampleTableService_Create() {
	client, closeShop := bookshop()
	defer closeShop()

	everyone := []string{"user:*"}
	table, err := client.Tables.Create(context.Background(), minapp.TableSpec{
		Name: "review",
		Fields: []minapp.Field{
			{Name: "text", Type: minapp.TypeString, Constraints: &minapp.Constraints{Required: true}},
			{Name: "stars", Type: minapp.TypeInteger},
			{Name: "book", Type: minapp.TypePointer, SchemaID: minapp.TableRef(bookTable)},
		},
		Rows:      minapp.RowPerm{ReadPerm: everyone, WritePerm: everyone},
		CreateRow: everyone,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(table.Name, table.Rows.ReadPerm)
	for _, column := range table.Fields {
		fmt.Print(column.Name, " ")
	}
	// Output:
	// review [user:*]
	// id created_by created_at updated_at text stars book
}

func ExampleTableService_Get() {
	client, closeShop := bookshop()
	defer closeShop()

	table, err := client.Tables.Get(context.Background(), bookTable)
	if err != nil {
		log.Fatal(err)
	}
	for _, column := range table.Fields {
		if column.Type == minapp.TypeArray {
			fmt.Println(table.Name, column.Name, "is a list of", column.Items.Type)
		}
	}
	// Output: book tags is a list of string
}

func ExampleTableService_Page() {
	client, closeShop := bookshop()
	defer closeShop()

	page, err := client.Tables.Page(context.Background(), minapp.TableQuery{PageSize: 20})
	if err != nil {
		log.Fatal(err)
	}
	for _, table := range page.Tables {
		fmt.Println(table.ID, table.Name)
	}
	fmt.Println(page.Total, page.More)
	// Output:
	// 3906 book
	// 1 false
}

func ExampleTableService_All() {
	client, closeShop := bookshop()
	defer closeShop()

	for table, err := range client.Tables.All(context.Background(), minapp.TableQuery{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(table.ID, table.Name)
	}
	// Output: 3906 book
}

func ExampleTableService_FindByName() {
	client, closeShop := bookshop()
	defer closeShop()
	ctx := context.Background()

	table, err := client.Tables.FindByName(ctx, "book")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(table.ID)
	_, err = client.Tables.FindByName(ctx, "film")
	fmt.Println(errors.Is(err, minapp.ErrNotFound))
	// Output:
	// 3906
	// true
}

func ExampleTableService_Delete() {
	client, closeShop := bookshop()
	defer closeShop()
	ctx := context.Background()

	if err := client.Tables.Delete(ctx, bookTable); err != nil {
		log.Fatal(err)
	}
	_, err := client.Tables.Get(ctx, bookTable)
	fmt.Println(errors.Is(err, minapp.ErrNotFound))
	// Output: true
}

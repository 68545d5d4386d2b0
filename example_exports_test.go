package minapp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/where"
)

// exported is a finished export of the books, as CSV.
func exported(client *minapp.Client) *minapp.ExportJob {
	ctx := context.Background()
	ref, err := client.Exports.Create(ctx, bookTable, minapp.ExportSpec{
		FileType: minapp.FileCSV, IncludeKeys: []string{"title", "price"}, OrderBy: []string{"price"},
	})
	if err != nil {
		log.Fatal(err)
	}
	job, err := client.Exports.Wait(ctx, ref, minapp.WaitOptions{})
	if err != nil {
		log.Fatal(err)
	}
	return job
}

// tempDir is a folder for the files of one example.
func tempDir() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "export")
	if err != nil {
		log.Fatal(err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }
}

func ExampleExportService_Create() {
	client, closeShop := bookshop()
	defer closeShop()

	ref, err := client.Exports.Create(context.Background(), bookTable, minapp.ExportSpec{
		FileType: minapp.FileCSV,
		Where:    where.Lt("price", 40),
		OrderBy:  []string{"-price"},
	})
	if err != nil {
		log.Fatal(err)
	}
	data, err := json.Marshal(ref) // for another process that waits for it
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Replace(string(data), ref.Job, "…", 1))
	// Output: {"table":3906,"job":"…"}
}

func ExampleExportService_Get() {
	client, closeShop := bookshop()
	defer closeShop()
	ctx := context.Background()

	job, err := client.Exports.Get(ctx, exported(client).Ref)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.Status, job.FileType, job.Finished())
	_, err = client.Exports.Get(ctx, minapp.ExportRef{Table: bookTable, Job: "other"})
	fmt.Println(errors.Is(err, minapp.ErrNotFound))
	// Output:
	// finish csv true
	// true
}

func ExampleExportService_Page() {
	client, closeShop := bookshop()
	defer closeShop()
	exported(client)

	page, err := client.Exports.Page(context.Background(), bookTable, minapp.ExportQuery{PageSize: 10})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Jobs), "of", page.Total, "jobs; more:", page.More)
	// Output: 1 of 1 jobs; more: false
}

func ExampleExportService_All() {
	client, closeShop := bookshop()
	defer closeShop()
	exported(client)

	for job, err := range client.Exports.All(context.Background(), bookTable, minapp.ExportQuery{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(job.Operation, job.FileType, job.Status)
	}
	// Output: export csv finish
}

func ExampleExportService_Wait() {
	client, closeShop := bookshop()
	defer closeShop()

	job, err := client.Exports.Wait(context.Background(), exported(client).Ref, minapp.WaitOptions{
		OnPoll: func(status string) { fmt.Println("looked:", status) },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.HasSuffix(job.DownloadURL.String(), "?[redacted]")) // its query is a secret
	// Output:
	// looked: finish
	// true
}

func ExampleExportService_Download() {
	client, closeShop := bookshop()
	defer closeShop()

	var file bytes.Buffer
	n, err := client.Exports.Download(context.Background(), exported(client), &file)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(n, " bytes:\n", file.String())
	// Output:
	// 42 bytes:
	// title,price
	// 边城,28
	// 围城,39
	// 论语,45
}

func ExampleExportService_DownloadFile() {
	client, closeShop := bookshop()
	defer closeShop()
	dir, removeDir := tempDir()
	defer removeDir()

	path := filepath.Join(dir, "books.csv")
	n, err := client.Exports.DownloadFile(context.Background(), exported(client), path)
	if err != nil {
		log.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, info.Size())
	// Output: 42 42
}

// All of it at once, for a table of any size.
func ExampleExportService_Run() {
	client, closeShop := bookshop()
	defer closeShop()
	dir, removeDir := tempDir()
	defer removeDir()

	run, err := client.Exports.Run(context.Background(), bookTable, minapp.RunOptions{
		Spec:       minapp.ExportSpec{FileType: minapp.FileJSON, OrderBy: []string{"created_at"}},
		Dir:        dir,
		OnProgress: func(p minapp.ExportProgress) { fmt.Println(p.Part, "of", p.Parts, p.Status) },
	})
	if err != nil {
		log.Fatal(err)
	}
	for book, err := range minapp.ExportRows[Book](run.Files...) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(book.Title)
	}
	// Output:
	// 1 of 1 counted
	// 1 of 1 starting
	// 1 of 1 started
	// 1 of 1 finish
	// 1 of 1 downloaded
	// 围城
	// 边城
	// 论语
}

// CSV knows texts only: numbers are read with the option ",string".
func ExampleExportRows() {
	dir, removeDir := tempDir()
	defer removeDir()
	path := filepath.Join(dir, "books.csv")
	if err := os.WriteFile(path, []byte("title,price\n边城,28\n围城,39\n"), 0o600); err != nil {
		log.Fatal(err)
	}

	type line struct {
		Title string `json:"title"`
		Price int    `json:"price,string"`
	}
	total := 0
	for row, err := range minapp.ExportRows[line](minapp.ExportFile{Path: path, Rows: 2}) {
		if err != nil {
			log.Fatal(err)
		}
		total += row.Price
	}
	fmt.Println(total)
	// Output: 67
}

// bookList is a sequence of new books.
func bookList() iter.Seq2[Book, error] {
	return elements(Book{Title: "孟子", Price: 45}, Book{Title: "老子, 庄子", Price: 30})
}

func ExampleImportService_Start() {
	client, closeShop := bookshop()
	defer closeShop()
	ctx := context.Background()

	source := minapp.CSVSource("books.csv", []string{"title", "price"}, bookList())
	if err := client.Imports.Start(ctx, bookTable, source); err != nil {
		log.Fatal(err)
	}
	// The service gives no job to look at; counting is all that can be done.
	n, err := minapp.TableOf[Book](client, bookTable).Count(ctx, where.Everything())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "books")
	// Output: 5 books
}

func ExampleCSVSource() {
	source := minapp.CSVSource("books.csv", []string{"title", "price"}, bookList())
	printSource(source)
	// Output:
	// title,price
	// 孟子,45
	// "老子, 庄子",30
}

func ExampleJSONSource() {
	source := minapp.JSONSource("books.json", bookList())
	printSource(source)
	// Output:
	// [
	// {"title":"孟子","price":45},
	// {"title":"老子, 庄子","price":30}
	// ]
}

func printSource(source minapp.Source) {
	file, err := source.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	var content bytes.Buffer
	if _, err := content.ReadFrom(file); err != nil {
		log.Fatal(err)
	}
	fmt.Print(content.String())
}

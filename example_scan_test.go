package minapp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"slices"

	"github.com/minapp-go/minapp"
)

// The whole table, several pages at a time, in no particular order.
func ExampleTable_Scan() {
	client, closeShop := bookshop()
	defer closeShop()

	var titles []string
	for book, err := range minapp.TableOf[Book](client, bookTable).Scan(context.Background(), minapp.ScanOptions{Parallel: 8}) {
		if err != nil {
			log.Fatal(err)
		}
		titles = append(titles, book.Value.Title)
	}
	slices.Sort(titles)
	fmt.Println(titles)
	// Output: [围城 论语 边城]
}

// Two pieces for two machines, and one for rows without a timestamp.
func ExampleTable_Split() {
	client, closeShop := bookshop()
	defer closeShop()

	pieces, err := minapp.TableOf[Book](client, bookTable).Split(context.Background(), minapp.ScanOptions{}, 2)
	if err != nil {
		log.Fatal(err)
	}
	for _, piece := range pieces {
		data, err := json.Marshal(piece)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(data))
	}
	// Output:
	// {"by":"created_at","from":-9007199254740992,"to":1516118401}
	// {"by":"created_at","from":1516118401,"to":9007199254740992}
	// {"by":"created_at","from":-9007199254740992,"to":9007199254740992,"missing":true}
}

// A piece is read a page at a time; what is left of it after each page is the
// checkpoint to go on from.
func ExampleTable_Chunks() {
	client, closeShop := bookshop()
	defer closeShop()

	piece := minapp.ScanRange{By: minapp.ByCreatedAt, From: 1516118401, To: 1600000000}
	for chunk, err := range minapp.TableOf[Book](client, bookTable).Chunks(context.Background(), piece) {
		if err != nil {
			log.Fatal(err)
		}
		for _, book := range chunk.Rows {
			fmt.Println(book.Value.Title)
		}
		fmt.Println("nothing is left:", chunk.Rest.Done())
	}
	// Output:
	// 边城
	// 论语
	// nothing is left: true
}

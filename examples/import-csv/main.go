// Import-csv sends a CSV file to a table, as the console's import does, and
// then rows that it makes itself, as CSV without a file.
//
// Without arguments and credentials it makes a small file and a table for it in
// the emulator. With MINAPP_TOKEN and MINAPP_TABLE it imports the file that is
// named: go run ./import-csv products.csv. Rows are added, and adding them
// twice adds them twice.
package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/where"
)

// Product is a row of the table that the emulator is given.
type Product struct {
	Name  string   `json:"name"`
	Price float64  `json:"price"`
	Tags  []string `json:"tags"`
}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "import-csv:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	client, err := service.Open()
	if err != nil {
		return err
	}
	defer client.Close()
	if !client.Emulated {
		return importNamed(ctx, client.Client, args)
	}
	info, err := client.Tables.Create(ctx, minapp.TableSpec{Name: "product", Fields: []minapp.Field{
		{Name: "name", Type: minapp.TypeString},
		{Name: "price", Type: minapp.TypeNumber},
		{Name: "tags", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
	}})
	if err != nil {
		return err
	}
	return demonstrate(ctx, client.Client, info.ID)
}

func importNamed(ctx context.Context, client *minapp.Client, args []string) error {
	table, err := service.TableFromEnv("MINAPP_TABLE")
	if err != nil {
		return err
	}
	if len(args) != 1 {
		return fmt.Errorf("name one file to be imported into table %s", table)
	}
	return importSource(ctx, client, table, minapp.FileSource(args[0]))
}

// importSource imports, and counts before and after: the service gives no job
// to ask. On the real service the rows come a little later.
func importSource(ctx context.Context, client *minapp.Client, table minapp.TableID, source minapp.Source) error {
	before, err := client.Records.Count(ctx, table, where.Everything())
	if err != nil {
		return err
	}
	if err := client.Imports.Start(ctx, table, source); err != nil {
		return err
	}
	after, err := client.Records.Count(ctx, table, where.Everything())
	if err != nil {
		return err
	}
	fmt.Printf("%s was taken: %d rows before, %d rows now. An e-mail tells what became of it.\n", source.Name, before, after)
	return nil
}

const products = `name,price,tags
帆布包,10,"[""bag"",""sale""]"
"lamp, green",39.5,
围巾,not a price,"[""wool""]"
`

func demonstrate(ctx context.Context, client *minapp.Client, table minapp.TableID) error {
	dir, err := os.MkdirTemp("", "import")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "products.csv")
	if err := os.WriteFile(path, []byte(products), 0o600); err != nil {
		return err
	}
	if err := importSource(ctx, client, table, minapp.FileSource(path)); err != nil {
		return err
	}
	if err := importSource(ctx, client, table, minapp.CSVSource("numbered.csv", []string{"name", "price"}, numbered(1000))); err != nil {
		return err
	}

	fmt.Println("The first four rows; a price that is no number was dropped without a word:")
	for row, err := range minapp.TableOf[Product](client, table).All(ctx, minapp.Query{Max: 4}) {
		if err != nil {
			return err
		}
		fmt.Printf("  %-14s %6.2f %v\n", row.Value.Name, row.Value.Price, row.Value.Tags)
	}
	return nil
}

// numbered makes rows while they are sent: nothing is kept, however many.
func numbered(n int) iter.Seq2[minapp.Fields, error] {
	return func(yield func(minapp.Fields, error) bool) {
		for i := range n {
			if !yield(minapp.Fields{"name": fmt.Sprintf("number %d", i), "price": i}, nil) {
				return
			}
		}
	}
}

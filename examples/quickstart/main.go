// Quickstart is the first contact: create, query with a nested filter, update
// atomically, delete. Without MINAPP_TOKEN it talks to the emulator; with it,
// MINAPP_TABLE is a table that has the columns name, price and tags.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// Product is a row: the columns that this program cares about.
type Product struct {
	Name  string   `json:"name"`
	Price int64    `json:"price"`
	Tags  []string `json:"tags"`
}

func main() {
	client, err := service.Open()
	check(err)
	defer client.Close()
	ctx := context.Background()
	table, err := productTable(ctx, client)
	check(err)

	products := minapp.TableOf[Product](client.Client, table)

	created, err := products.Create(ctx, Product{"帆布包", 10, []string{"new"}})
	check(err)
	fmt.Println("created", created.ID(), created.Value)

	// A bag for 10, or anything above 100.
	cheapBagOrDear := where.Eq("price", 10).And(where.Contains("name", "包")).Or(where.Gt("price", 100))
	for product, err := range products.All(ctx, minapp.Query{Where: cheapBagOrDear}) {
		check(err)
		fmt.Println("found  ", product.ID(), product.Value)
	}

	updated, err := products.Update(ctx, created.ID(), patch.IncrBy("price", -1).AppendUnique("tags", "sale"))
	check(err)
	fmt.Println("updated", updated.ID(), updated.Value)

	check(products.Delete(ctx, created.ID()))
	left, err := products.Count(ctx, cheapBagOrDear)
	check(err)
	fmt.Println("deleted;", left, "left")
}

// productTable is an existing table of the real service, or a new one of the
// emulator.
func productTable(ctx context.Context, client *service.Service) (minapp.TableID, error) {
	if !client.Emulated {
		return service.TableFromEnv("MINAPP_TABLE")
	}
	info, err := client.Tables.Create(ctx, minapp.TableSpec{
		Name: "product",
		Fields: []minapp.Field{
			{Name: "name", Type: minapp.TypeString},
			{Name: "price", Type: minapp.TypeInteger},
			{Name: "tags", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
		},
	})
	if err != nil {
		return 0, err
	}
	return info.ID, nil
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

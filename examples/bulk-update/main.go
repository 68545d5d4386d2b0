// Bulk-update changes many rows by filter, in the three ways there are: batch
// after batch with an outcome for every row, by the service itself, and deleted
// to the last one. Without MINAPP_TOKEN it talks to the emulator; with it,
// MINAPP_TABLE is a table that has the columns name (string), season (string),
// price (integer) and sale (boolean). It touches no rows but its own.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// Product is a row.
type Product struct {
	Name   string `json:"name"`
	Season string `json:"season"`
	Price  int    `json:"price"`
	Sale   bool   `json:"sale"`
}

// season marks the rows of this program.
const season = "example bulk-update"

func main() {
	client, err := service.Open()
	check(err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	table, err := productTable(ctx, client)
	check(err)

	products := minapp.TableOf[Product](client.Client, table)
	check(create(ctx, products, 2500))
	check(raise(ctx, products))
	check(putOnSale(ctx, client.Client, products))
	check(remove(ctx, products))
}

// create puts rows with prices from 0 to 99 into the table.
func create(ctx context.Context, products *minapp.Table[Product], n int) error {
	input := minapp.Items(func(yield func(Product) bool) {
		for i := range n {
			if !yield(Product{Name: fmt.Sprintf("product %04d", i), Season: season, Price: i % 100}) {
				return
			}
		}
	})
	for _, err := range products.CreateAll(ctx, input, minapp.BatchOptions{}) {
		if err != nil {
			return err
		}
	}
	fmt.Println("created", n, "products")
	return nil
}

// raise adds 50 to every price below 50. By that each row leaves the filter, and
// adding is nothing that may be repeated blindly: both are taken care of.
func raise(ctx context.Context, products *minapp.Table[Product]) error {
	ours := where.Eq("season", season)
	cheap := where.Lt("price", 50).And(ours)
	for batch, err := range products.UpdateWhere(ctx, cheap, patch.IncrBy("price", 50), minapp.BatchOptions{}) {
		if batch == nil {
			return err // nothing more can be done
		}
		for _, row := range batch.Failed() { // a single row is no reason to stop
			fmt.Printf("  %s is %s: %v\n", row.ID, row.State, row.Err)
		}
		fmt.Printf("raised rows %d to %d: %d written so far\n", batch.First, batch.Next()-1, batch.Totals.Written)
	}
	left, err := products.Count(ctx, cheap)
	fmt.Println(left, "cheap ones are left")
	return err
}

// putOnSale leaves the work to the service. It is one request, whatever the
// number of rows; more than 1000 become an operation to wait for.
func putOnSale(ctx context.Context, client *minapp.Client, products *minapp.Table[Product]) error {
	run, err := products.StartUpdate(ctx, where.Eq("season", season), patch.Set("sale", true))
	if err == nil && !run.Done() {
		fmt.Println("operation", run.ID, "is", run.Status)
		run, err = client.Bulk.Wait(ctx, run.ID, minapp.WaitOptions{
			Interval: 500 * time.Millisecond,
			OnPoll:   func(status string) { fmt.Println("  …", status) },
		})
	}
	if err != nil {
		return err
	}
	fmt.Println("on sale:", run.Modified, "of", run.Matched)
	return nil
}

// remove deletes the dear products and then the others.
func remove(ctx context.Context, products *minapp.Table[Product]) error {
	ours := where.Eq("season", season)
	for _, cond := range []where.Cond{ours.And(where.Gte("price", 90)), ours} {
		totals, err := products.DeleteWhere(ctx, cond)
		fmt.Println("deleted", totals.Deleted, "rows; requests:", totals.Requests)
		if err != nil {
			return err
		}
	}
	return nil
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
			{Name: "season", Type: minapp.TypeString},
			{Name: "price", Type: minapp.TypeInteger},
			{Name: "sale", Type: minapp.TypeBoolean},
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

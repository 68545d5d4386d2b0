// Preflight finds out, without writing anything, what the documents leave open
// about a table of yours: whether created_at can be compared and sorted, which
// operators work, whether exports can be read, how long a page takes. It prints
// one page, and says which inferred details of docs/inferred.md are settled by
// it.
//
// Set MINAPP_TOKEN, and MINAPP_TABLE to the id of a table, best one with some
// thousand rows and columns of several types. Without a token it looks at a
// table of the emulator inside this process.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/examples/internal/service"
	"github.com/minapp-go/minapp/geo"
)

func main() {
	pages := flag.Int("pages", 5, "pages to measure the latency with")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *pages); err != nil {
		fmt.Fprintln(os.Stderr, "preflight:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, pages int) error {
	client, err := service.Open()
	if err != nil {
		return err
	}
	defer client.Close()
	table, err := tableToLookAt(ctx, client)
	if err != nil {
		return err
	}
	traffic := &readOnly{next: client.Transport()}
	looker, err := client.With(minapp.WithHTTPClient(&http.Client{Transport: traffic}), minapp.WithUserAgent("preflight/1"))
	if err != nil {
		return err
	}
	r := &report{client: looker, emulated: client.Emulated, traffic: traffic, pages: max(1, pages)}
	if err := r.inspect(ctx, table); err != nil {
		return err
	}
	r.print(out)
	return nil
}

// tableToLookAt is an existing table of the service, or one made on the
// emulator, with a column of every kind and two rows in each second.
func tableToLookAt(ctx context.Context, client *service.Service) (minapp.TableID, error) {
	if !client.Emulated {
		return service.TableFromEnv("MINAPP_TABLE")
	}
	info, err := client.Tables.Create(ctx, minapp.TableSpec{Name: "shop", Fields: []minapp.Field{
		{Name: "name", Type: minapp.TypeString},
		{Name: "price", Type: minapp.TypeNumber},
		{Name: "tags", Type: minapp.TypeArray, Items: &minapp.ItemType{Type: minapp.TypeString}},
		{Name: "extra", Type: minapp.TypeObject},
		{Name: "place", Type: minapp.TypeGeoJSON, Format: minapp.FormatDefault, CoordinateType: minapp.CoordWGS84},
	}})
	if err != nil {
		return 0, err
	}
	const rows, perBatch, start = 1500, 500, 1_516_118_400
	for first := 0; first < rows; first += perBatch {
		batch := make([]minapp.Fields, perBatch)
		for i := range batch {
			n := first + i
			at := start + n/2
			batch[i] = minapp.Fields{
				"name": fmt.Sprint("shop ", n), "price": n % 100, "tags": []string{"open"}, "extra": map[string]int{"n": n},
				"place": geo.Point{Lng: 113.3, Lat: 23.1}, "created_at": at, "updated_at": at,
			}
		}
		if _, err := client.Bulk.CreateMany(ctx, info.ID, batch); err != nil {
			return 0, err
		}
	}
	return info.ID, nil
}

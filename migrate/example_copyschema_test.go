package migrate_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/minapptest"
)

// emulated is a service inside the process, with a client.
func emulated(data string) (*minapp.Client, func()) {
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

const shopOfTwo = `{"tables": [
	{"id": 1, "name": "order", "indexes": [["no"]], "schema": {"fields": [
		{"name": "no", "type": "string", "constraints": {"required": true}},
		{"name": "customer", "type": "reference", "schema_id": "2"}]},
		"rows": [{"no": "A-1", "customer": "5a2fa9b008443e59e0e67801", "created_by": 7}]},
	{"id": 2, "name": "customer", "schema": {"fields": [
		{"name": "name", "type": "string"},
		{"name": "invited_by", "type": "reference", "schema_id": "2"}]},
		"rows": [{"id": "5a2fa9b008443e59e0e67802", "name": "Lin", "invited_by": "5a2fa9b008443e59e0e67801"},
			{"id": "5a2fa9b008443e59e0e67801", "name": "Wei"}]}
]}`

// The plan is printed first, and then carried out. Orders point at customers,
// which come first; customers point at each other.
func ExamplePlanSchema() {
	ctx := context.Background()
	from, closeFrom := emulated(shopOfTwo)
	defer closeFrom()
	to, closeTo := emulated(`{"tables": []}`)
	defer closeTo()

	plan, err := migrate.PlanSchema(ctx, from, to, migrate.SchemaOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(plan) // the dry run
	if err := plan.Apply(ctx); err != nil {
		log.Fatal(err)
	}
	again, err := migrate.PlanSchema(ctx, from, to, migrate.SchemaOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print("Once more:\n", again)
	// Output:
	// create table "customer" (name string)
	// create table "order" (no string required, customer pointer to customer)
	// add columns to "customer" (invited_by pointer to customer)
	// create unique index on "order" (no)
	// 5 requests
	// Once more:
	// same "customer"
	// same "order"
	// nothing to do
}

// Rows follow their schema. Killed at any moment and started again, the loop
// goes on where it stood.
func ExampleSchemaPlan_Rows() {
	ctx := context.Background()
	from, closeFrom := emulated(shopOfTwo)
	defer closeFrom()
	to, closeTo := emulated(`{"tables": []}`)
	defer closeTo()
	folder, err := os.MkdirTemp("", "copy") // of a real copy: one that stays
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()

	plan, err := migrate.PlanSchema(ctx, from, to, migrate.SchemaOptions{SourceID: "source_id"})
	if err != nil {
		log.Fatal(err)
	}
	if err := plan.Apply(ctx); err != nil {
		log.Fatal(err)
	}
	ids, err := migrate.OpenIDs(filepath.Join(folder, "ids.jsonl"))
	if err != nil {
		log.Fatal(err)
	}
	copies, err := plan.Rows()
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range copies {
		rows := c.Plan(ids, migrate.FileCheckpoint(filepath.Join(folder, c.String()+".checkpoint")))
		rows.Rejected = filepath.Join(folder, c.String()+".rejected.jsonl")
		report, err := migrate.Run(ctx, rows)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(c, report.Moved)
	}
	if err := ids.Close(); err != nil {
		log.Fatal(err)
	}
	orders, err := to.Tables.FindByName(ctx, "order")
	if err != nil {
		log.Fatal(err)
	}
	page, err := to.Records.Page(ctx, orders.ID, minapp.Query{Expand: []string{"customer"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range page.Records {
		customer, _ := r.Value["customer"].(map[string]any)
		fmt.Println(r.Value["no"], "by", customer["name"], "created by", r.Value["created_by"])
	}
	// Output:
	// customer 2
	// order 1
	// customer-pointers 1
	// A-1 by Wei created by 7
}

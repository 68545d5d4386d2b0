package main

import (
	"context"
	"strings"
	"testing"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
)

func shopClient(t *testing.T) (*minapptest.Server, *minapp.Client) {
	t.Helper()
	emulator := minapptest.NewServer(t)
	client, err := minapp.NewClient(emulator.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	if err := openShops(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	return emulator, client
}

func copyShops(ctx context.Context, client *minapp.Client) error {
	p, err := newPlan(ctx, client, "shop", "shop_copy")
	if err != nil {
		return err
	}
	return p.carryOut(ctx)
}

// A copy can be copied, and the copy of the copy is the original.
func TestCopyOfACopy(t *testing.T) {
	_, client := shopClient(t)
	first, err := newPlan(t.Context(), client, "shop", "shop_copy")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.carryOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, err := newPlan(t.Context(), client, "shop_copy", "shop")
	if err != nil {
		t.Fatal(err)
	}
	_, want, _ := strings.Cut(first.String(), "\n")
	if _, got, _ := strings.Cut(second.String(), "\n"); got != want {
		t.Errorf("the copy is\n%snot\n%s", got, want)
	}
}

// A table that cannot have its indexes is not left behind.
func TestTableIsTakenBackWithoutItsIndexes(t *testing.T) {
	emulator, client := shopClient(t)
	emulator.Fault(minapptest.Fault{Operation: "indexes.create", Status: 400})
	if err := copyShops(t.Context(), client); err == nil {
		t.Fatal("an index is missing, and the run does not say so")
	}
	if _, err := client.Tables.FindByName(t.Context(), "shop_copy"); err == nil {
		t.Error("the table is still there")
	}
}

// A row that changes while the table is copied is found.
func TestDifferenceIsFound(t *testing.T) {
	_, client := shopClient(t)
	if err := copyShops(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	source, err := client.Tables.FindByName(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	copied, err := client.Tables.FindByName(t.Context(), "shop_copy")
	if err != nil {
		t.Fatal(err)
	}
	for record, err := range client.Records.All(t.Context(), copied.ID, minapp.Query{Max: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Records.Update(t.Context(), copied.ID, record.ID(), patch.Set("city", "北京")); err != nil {
			t.Fatal(err)
		}
	}
	err = compare(t.Context(), rawTable(client, source.ID), rawTable(client, copied.ID))
	if err == nil || !strings.Contains(err.Error(), "row 0 differs") {
		t.Errorf("the first row differs, and the comparison says %v", err)
	}
}

package consumer_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"example.com/consumer"
	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

var (
	_ minapp.Limiter                 = (*consumer.Quota)(nil)
	_ minapp.Codec                   = consumer.StrictCodec{}
	_ migrate.Source[consumer.Order] = consumer.Lines{}
	_ migrate.Sink[consumer.Order]   = (*consumer.Ledger)(nil)
)

// orders is an emulated table and a client for it.
func orders(t *testing.T, opts ...minapp.Option) *minapp.Table[consumer.Order] {
	t.Helper()
	s := minapptest.NewServer(t)
	id, err := s.CreateTable(minapptest.Table{
		Name:    "order",
		Schema:  minapptest.Schema{Fields: []minapptest.Field{{Name: "number", Type: "string"}, {Name: "price", Type: "number"}}},
		Indexes: [][]string{{"number"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := minapp.NewClient(append(s.Options(), opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return minapp.TableOf[consumer.Order](client, minapp.TableID(id))
}

func TestAnOutsiderMovesRows(t *testing.T) {
	table := orders(t)
	report, err := migrate.Run(t.Context(), migrate.Plan[consumer.Order, consumer.Order]{
		Source:    consumer.Lines{Text: "A-1 10\nA-2 12.5\nA-3\nA-4 7\n"},
		Transform: func(o consumer.Order) ([]consumer.Order, error) { return []consumer.Order{o}, nil },
		Sink:      migrate.ToTable(table, migrate.ToTableOptions{}),
		Key:       "number",
		Rejected:  t.TempDir() + "/rejected.jsonl",
	})
	if err != nil || report.Written != 3 || report.Rejected != 1 {
		t.Fatalf("three orders and one line without a price: %+v, %v", report.Totals, err)
	}

	var ledger strings.Builder
	_, err = migrate.Run(t.Context(), migrate.Plan[*minapp.Record[consumer.Order], consumer.Order]{
		Source:    migrate.FromTable(table, migrate.FromTableOptions{Where: where.Gte("price", 10)}),
		Transform: migrate.Value[consumer.Order],
		Sink:      consumer.NewLedger(&ledger),
	})
	lines := strings.Split(strings.TrimSpace(ledger.String()), "\n")
	slices.Sort(lines)
	if err != nil || !slices.Equal(lines, []string{"A-1 10", "A-2 12.5"}) {
		t.Fatalf("the orders from 10 on: %q, %v", lines, err)
	}
}

func TestAnOutsidersLimiterIsAsked(t *testing.T) {
	quota := &consumer.Quota{}
	quota.Left.Store(2)
	table := orders(t, minapp.WithLimiter(quota))
	created, err := table.Create(t.Context(), consumer.Order{Number: "A-1", Price: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.Update(t.Context(), created.ID(), patch.IncrBy("price", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := table.Get(t.Context(), created.ID()); err == nil || !strings.Contains(err.Error(), "the quota is used up") {
		t.Fatalf("two requests were allowed, got %v", err)
	}
}

// A strict type meets what every row has besides its columns.
func TestAnOutsidersCodecDecodes(t *testing.T) {
	table := orders(t, minapp.WithCodec(consumer.StrictCodec{}))
	_, err := table.Create(t.Context(), consumer.Order{Number: "A-1", Price: "1"})
	if decode, ok := errors.AsType[*minapp.DecodeError](err); !ok || !strings.Contains(decode.Error(), "unknown field") {
		t.Fatalf("an order has no created_at, got %v", err)
	}
}

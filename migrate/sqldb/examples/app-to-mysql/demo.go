package main

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"os"
	"strings"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	gms "github.com/dolthub/go-mysql-server/sql"
	"github.com/sirupsen/logrus"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// shop has orders that point at customers. Two of them were paid in the year 1,
// the zero time of a program, for which DATETIME has no value.
const shop = `{"tables": [
	{"id": 11, "name": "demo_customer", "schema": {"fields": [
		{"name": "name", "type": "string"},
		{"name": "tags", "type": "array", "items": {"type": "string"}},
		{"name": "home", "type": "geojson", "format": "default", "coordinate_type": "gcj02"}]},
	 "rows": [
		{"id": "5a2fa9b008443e59e0e67801", "name": "林", "tags": ["老客户", "上海"], "home": {"type": "Point", "coordinates": [121.47, 31.23]}, "created_at": 1516000000},
		{"id": "5a2fa9b008443e59e0e67802", "name": "陈", "tags": [], "created_at": 1516000001}
	 ]},
	{"id": 12, "name": "demo_order", "schema": {"fields": [
		{"name": "customer", "type": "reference", "schema_id": "11"},
		{"name": "total", "type": "integer"},
		{"name": "paid_at", "type": "date"}]},
	 "rows": [
		{"customer": "5a2fa9b008443e59e0e67801", "total": 199, "paid_at": "2018-01-17T10:08:06.000000+08:00", "created_at": 1516118400},
		{"customer": "5a2fa9b008443e59e0e67802", "total": 20, "paid_at": "0001-01-01T00:00:00.000000+00:00", "created_at": 1516118460},
		{"customer": "5a2fa9b008443e59e0e67802", "total": 45, "paid_at": "0001-01-01T00:00:00.000000+00:00", "created_at": 1516118520},
		{"total": 5, "created_at": 1516118580}
	 ]},
	{"id": 13, "name": "demo_note", "schema": {"fields": [
		{"name": "text", "type": "string"},
		{"name": "extra", "type": "object"}]},
	 "rows": [{"text": "明天到货 📦", "extra": {"by": "何"}, "created_at": 1516118700}]}
]}`

// mend does what its user does about rejected rows: it reads the reasons, clears
// the dates that do not fit, and forgets how far the copy of the table was.
func mend(ctx context.Context, c *copier) error {
	order, err := c.client.Tables.FindByName(ctx, "demo_order")
	if err != nil {
		return err
	}
	early := minapp.Query{Where: where.Lt("paid_at", "1000-01-01T00:00:00.000000+00:00")}
	for row, err := range c.client.Records.All(ctx, order.ID, early) {
		if err != nil {
			return err
		}
		if _, err := c.client.Records.Update(ctx, order.ID, row.ID(), patch.Unset("paid_at")); err != nil {
			return err
		}
	}
	checkpoint, rejected := c.files(order.Name)
	reasons, err := os.ReadFile(rejected)
	c.out.Printf("%sMended in minapp, and started again:\n", reasons)
	return errors.Join(err, os.Remove(checkpoint), os.Remove(rejected))
}

// emulator starts a service with the shop; it ends with the process.
func emulator() ([]minapp.Option, error) {
	e := minapptest.New()
	return e.Options(), e.LoadData(strings.NewReader(shop))
}

// shopDatabase is the database of go-mysql-server.
const shopDatabase = "shop"

// serve starts go-mysql-server with an empty database; it ends with the process.
func serve(ctx context.Context) (*sql.DB, error) {
	logrus.SetLevel(logrus.FatalLevel)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	provider := memory.NewDBProvider()
	provider.WithOption(memory.NativeIndexProvider(true)) // tables show their primary keys
	config := server.Config{Protocol: "tcp", Address: listener.Addr().String(), Listener: listener}
	s, err := server.NewServer(config, sqle.NewDefault(provider), gms.NewContext, memory.NewSessionBuilder(provider), nil)
	if err != nil {
		return nil, err
	}
	if err := provider.CreateDatabase(gms.NewEmptyContext(), shopDatabase); err != nil {
		return nil, err
	}
	go func() { _ = s.Start() }() // serves as long as it can
	db, err := sql.Open("mysql", "root@tcp("+config.Address+")/"+shopDatabase)
	if err == nil {
		db.SetMaxOpenConns(1) // its tables in memory lose rows that two sessions write at a time
	}
	return db, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// stage is an emulator with a clock of its own, so that nights pass quickly.
type stage struct {
	emulator *minapptest.Server
	clock    *minapptest.Clock
	orders   *minapp.Table[Order]
	copies   *minapp.Table[Copy]
}

// play makes three rounds, with a day of work before each.
func play(ctx context.Context) (err error) {
	fmt.Println("MINAPP_TOKEN is not set: playing three nights with the emulator.")
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.emulator.Close()) }()
	state, err := os.MkdirTemp("", "nightly-sync-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(state)) }()
	for night, day := range []func(context.Context) error{s.sell, s.pay, s.rest} {
		if err := day(ctx); err != nil {
			return err
		}
		s.clock.Advance(16 * time.Hour)
		fmt.Printf("\nNight %d\n", night+1)
		if err := round(ctx, s.orders, s.copies, state); err != nil {
			return err
		}
		if err := s.compare(ctx); err != nil {
			return err
		}
	}
	return nil
}

func newStage(ctx context.Context) (*stage, error) {
	s := &stage{clock: minapptest.NewClock(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))}
	s.emulator = minapptest.New(minapptest.WithClock(s.clock.Now))
	client, err := minapp.NewClient(s.emulator.Options()...)
	if err != nil {
		return nil, err
	}
	text := func(name string) minapp.Field { return minapp.Field{Name: name, Type: minapp.TypeString} }
	total := minapp.Field{Name: "total", Type: minapp.TypeNumber}
	from, err := client.Tables.Create(ctx, minapp.TableSpec{Name: "order", Fields: []minapp.Field{text("number"), text("state"), total}})
	if err != nil {
		return nil, err
	}
	open := minapp.Field{Name: "open", Type: minapp.TypeBoolean}
	to, err := client.Tables.Create(ctx, minapp.TableSpec{Name: "order_copy", Fields: []minapp.Field{text("source_id"), text("number"), open, total}})
	if err != nil {
		return nil, err
	}
	_, err = client.Tables.CreateIndex(ctx, to.ID, []string{"source_id"})
	s.orders, s.copies = minapp.TableOf[Order](client, from.ID), minapp.TableOf[Copy](client, to.ID)
	return s, err
}

// sell makes 5,000 orders in the course of a day.
func (s *stage) sell(ctx context.Context) error {
	for hour := range 10 {
		orders := make([]Order, 500)
		for i := range orders {
			orders[i] = Order{Number: fmt.Sprintf("20261120-%02d%03d", hour, i), State: "open", Total: float64(i) / 4}
		}
		if _, err := s.orders.CreateMany(ctx, orders); err != nil {
			return err
		}
		s.clock.Advance(time.Hour)
	}
	fmt.Println("\n5,000 orders were made.")
	return nil
}

// pay changes some orders, removes some, and adds one.
func (s *stage) pay(ctx context.Context) error {
	for batch, err := range s.orders.UpdateWhere(ctx, where.Gte("total", 120), patch.Set("state", "paid"), minapp.BatchOptions{}) {
		if err != nil {
			return err
		}
		fmt.Printf("\n%d orders were paid,", batch.Totals.Written)
	}
	gone, err := s.orders.DeleteWhere(ctx, where.Eq("total", 7))
	if err != nil {
		return err
	}
	_, err = s.orders.Create(ctx, Order{Number: "20261121-00000", State: "open", Total: 1})
	fmt.Printf(" %d were removed, 1 was made.\n", gone.Deleted)
	return err
}

func (s *stage) rest(context.Context) error {
	fmt.Println("\nNothing happened.")
	return nil
}

// compare says whether the tables are in step.
func (s *stage) compare(ctx context.Context) error {
	for _, cond := range []where.Cond{where.Everything(), where.Lt("total", 60)} {
		orders, err := s.orders.Count(ctx, cond)
		if err != nil {
			return err
		}
		copies, err := s.copies.Count(ctx, cond)
		if err != nil {
			return err
		}
		if orders != copies {
			return fmt.Errorf("%d orders and %d copies match %s", orders, copies, cond)
		}
	}
	paid, err := s.orders.Count(ctx, where.Eq("state", "paid"))
	if err != nil {
		return err
	}
	closed, err := s.copies.Count(ctx, where.Eq("open", false))
	if err == nil && paid != closed {
		err = fmt.Errorf("%d orders are paid, and %d copies are not open", paid, closed)
	}
	return err
}

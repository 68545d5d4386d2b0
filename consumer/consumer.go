// Package consumer uses the SDK as somebody else's module does: only what is
// exported, with nothing else required, and its own implementation of every
// interface that is there to be implemented.
package consumer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/migrate"
)

// Order is a row of the consumer's table.
type Order struct {
	Number string      `json:"number"`
	Price  json.Number `json:"price"`
}

// Quota is a limiter that ends a program after so many requests.
type Quota struct{ Left atomic.Int64 }

// Wait takes one request off the quota.
func (q *Quota) Wait(ctx context.Context) error {
	if q.Left.Add(-1) < 0 {
		return errors.New("the quota is used up")
	}
	return ctx.Err()
}

// StrictCodec refuses members that a type does not have.
type StrictCodec struct{}

// Marshal encodes as encoding/json does.
func (StrictCodec) Marshal(v any) ([]byte, error) { return json.Marshal(v) }

// Unmarshal fails where encoding/json would drop something.
func (StrictCodec) Unmarshal(data []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(v)
}

// Lines is a source: a text with one order in each line, as number and price.
// A part is the lines of which it begins with the first.
type Lines struct{ Text string }

func (l Lines) String() string { return "lines" }

// Parts cannot be read side by side: there is one.
func (l Lines) Parts(context.Context, int) ([]migrate.Part, error) {
	return []migrate.Part{migrate.Part("0")}, nil
}

// Chunks yields one line at a time.
func (l Lines) Chunks(ctx context.Context, p migrate.Part) iter.Seq2[migrate.Chunk[Order], error] {
	return func(yield func(migrate.Chunk[Order], error) bool) {
		var first int
		if err := json.Unmarshal(p, &first); err != nil {
			yield(migrate.Chunk[Order]{}, err)
			return
		}
		lines := strings.Split(strings.TrimSpace(l.Text), "\n")
		for n := first; n < len(lines); n++ {
			if ctx.Err() != nil {
				yield(migrate.Chunk[Order]{}, context.Cause(ctx))
				return
			}
			chunk := migrate.Chunk[Order]{Rows: []migrate.Row[Order]{row(n, lines[n])}}
			if n+1 < len(lines) {
				chunk.Rest = fmt.Appendf(nil, "%d", n+1)
			}
			if !yield(chunk, nil) {
				return
			}
		}
	}
}

func row(n int, line string) migrate.Row[Order] {
	r := migrate.Row[Order]{At: fmt.Sprintf("line %d", n+1)}
	number, price, ok := strings.Cut(line, " ")
	if !ok {
		r.Err = fmt.Errorf("no price in %q", line)
	}
	r.Value = Order{Number: number, Price: json.Number(price)}
	return r
}

// Ledger is a sink that writes orders down, one line each.
type Ledger struct {
	mu sync.Mutex
	w  io.Writer
}

// NewLedger writes to w.
func NewLedger(w io.Writer) *Ledger { return &Ledger{w: w} }

func (l *Ledger) String() string { return "ledger" }

// Begin refuses a key: a ledger finds nothing again.
func (l *Ledger) Begin(_ context.Context, s migrate.Setup) error {
	if s.Key != "" {
		return fmt.Errorf("a ledger has no key %q", s.Key)
	}
	return nil
}

// Write gives every order its outcome.
func (l *Ledger) Write(_ context.Context, orders []Order) ([]minapp.Outcome, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	outcomes := make([]minapp.Outcome, len(orders))
	for i, o := range orders {
		if _, err := fmt.Fprintf(l.w, "%s %s\n", o.Number, o.Price); err != nil {
			return outcomes, err
		}
		outcomes[i] = minapp.Outcome{Index: i, State: minapp.Written}
	}
	return outcomes, nil
}

package minapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/rows"
	"github.com/minapp-go/minapp/where"
)

// keyed knows the rows of a run by a column with a unique index, so that rows
// whose outcome an answer leaves open can be looked up ([BatchOptions].Key).
type keyed struct {
	column string
	policy api.Policy
	find   func(ctx context.Context, values []any) iter.Seq2[*Record[json.RawMessage], error]
}

// newKeyed checks the column; nil is a run without a key.
func (t *Table[T]) newKeyed(ctx context.Context, column string, call api.Call, opts []CallOption) (*keyed, error) {
	if column == "" {
		return nil, nil
	}
	if err := where.In(column, 0).Err(); err != nil {
		return nil, invalid(operation.BulkCreate, "BatchOptions.Key: %w", err)
	}
	if err := t.checkUnique(ctx, column); err != nil {
		return nil, err
	}
	k := &keyed{column: column, policy: api.Policy(t.client.config.retry)}
	if call.Policy != nil {
		k.policy = *call.Policy
	}
	raw, understood := TableOf[json.RawMessage](t.client, t.id), optionsFor(operation.RecordsList, opts)
	k.find = func(ctx context.Context, values []any) iter.Seq2[*Record[json.RawMessage], error] {
		return AllIn(ctx, raw, column, values, Query{}, understood...)
	}
	return k, nil
}

// checkUnique looks whether two rows can have the same value, once for each
// column. No document lets a session read indexes: there the caller answers
// for it.
func (t *Table[T]) checkUnique(ctx context.Context, column string) error {
	if t.client.api.Surface != "oserve" {
		return nil
	}
	if _, known := t.unique.Load(column); known {
		return nil
	}
	indexes, err := t.client.Tables.Indexes(ctx, t.id)
	if err != nil {
		return fmt.Errorf("%s: BatchOptions.Key: reading the unique indexes: %w", operation.BulkCreate.Name, err)
	}
	for _, index := range indexes {
		if len(index.Fields) == 1 && index.Fields[0] == column {
			t.unique.Store(column, struct{}{})
			return nil
		}
	}
	return invalid(operation.BulkCreate, "BatchOptions.Key: table %d has no unique index on %q alone, so that a row sent again could be there twice", t.id, column)
}

// keyedRow is one row of a request.
type keyedRow struct {
	key        string // comparable form of value
	value      any    // a string or a json.Number
	start, end int    // its place in the body
}

// keyedRows are the rows of one request, in its order.
type keyedRows struct {
	rows  []keyedRow
	taken map[string]bool
}

// add takes the row that the body holds from start on.
func (k *keyedRows) add(column string, body []byte, start int) error {
	key, value, err := keyOf(body[start:], column)
	if err != nil {
		return err
	}
	if k.taken[key] {
		return fmt.Errorf("another row of the batch has the %s %v", column, value)
	}
	if k.taken == nil {
		k.taken = make(map[string]bool)
	}
	k.taken[key] = true
	k.rows = append(k.rows, keyedRow{key, value, start, len(body)})
	return nil
}

// keyOf reads the key of a row. Equal numbers have the same comparable form
// however they are written.
func keyOf(row []byte, column string) (key string, value any, err error) {
	raw, there := rows.Member(row, column)
	if !there {
		return "", nil, fmt.Errorf("it has no %s, which is the key", column)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	_ = d.Decode(&value) // the row is valid
	switch v := value.(type) {
	case string:
		return "s" + v, v, nil
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return "n" + strconv.FormatInt(n, 10), v, nil
		}
		f, err := v.Float64()
		return "n" + strconv.FormatFloat(f+0, 'f', -1, 64), v, err // -0 + 0 is 0
	}
	return "", nil, fmt.Errorf("the key %s is neither text nor a number", column)
}

// reconcile settles the rows whose outcome is open: those that are there as
// they were sent are written, those that are not there are sent again, as often
// as the retry policy allows. The unique index refuses what an earlier request
// writes in the meantime, so that no row is there twice.
func (w *batchWriter[T]) reconcile(ctx context.Context, body []byte) {
	for sent := 1; ; sent++ {
		open := w.open()
		if len(open) == 0 {
			return
		}
		w.cause = nil // from here on each row has its own
		absent, err := w.lookUp(ctx, body, open)
		if err != nil {
			w.doubt(open, "looking it up", err)
			return
		}
		if len(absent) == 0 || sent >= w.keyed.policy.MaxAttempts {
			return
		}
		if err := w.keyed.policy.Wait(ctx, sent); err != nil {
			w.doubt(absent, "sending it again", err)
			return
		}
		w.sendAgain(ctx, body, absent)
	}
}

// open lists the rows of the request whose outcome is unknown, and those that
// met a row with their key, which can be themselves.
func (w *batchWriter[T]) open() []int {
	var open []int
	for n, i := range w.sent {
		if o := w.outcomes[i]; o.State == Unknown || errors.Is(o.Err, ErrDuplicate) {
			open = append(open, n)
		}
	}
	return open
}

// lookUp settles the rows that are there, and lists the unknown ones that are
// not.
func (w *batchWriter[T]) lookUp(ctx context.Context, body []byte, open []int) (absent []int, err error) {
	values := make([]any, len(open))
	for i, n := range open {
		values[i] = w.rows.rows[n].value
	}
	found := make(map[string]*Record[json.RawMessage], len(open))
	for record, err := range w.keyed.find(ctx, values) {
		if err != nil {
			return nil, err
		}
		if key, _, err := keyOf(record.Raw, w.keyed.column); err == nil {
			found[key] = record
		}
	}
	for _, n := range open {
		row, o := w.rows.rows[n], &w.outcomes[w.sent[n]]
		record := found[row.key]
		switch {
		case record != nil:
			w.compare(o, body[row.start:row.end], record)
		case o.State == Unknown:
			absent = append(absent, n)
		}
	}
	return absent, nil
}

// compare settles a row whose key is in the table.
func (w *batchWriter[T]) compare(o *Outcome, sent []byte, record *Record[json.RawMessage]) {
	columns := Differences(sent, record.Raw)
	if len(columns) == 0 {
		*o = Outcome{Index: o.Index, State: Written, ID: record.ID(), CreatedAt: record.CreatedAt(), UpdatedAt: record.UpdatedAt()}
		return
	}
	*o = Outcome{Index: o.Index, State: Rejected, Err: &Error{
		Op: w.op.Name, Method: w.op.Method, Code: codeDuplicate,
		Err: fmt.Errorf("row %q has the same %s and differs in %s", record.ID(), w.keyed.column, strings.Join(columns, ", ")),
	}}
}

// sendAgain sends rows that are not there.
func (w *batchWriter[T]) sendAgain(ctx context.Context, body []byte, absent []int) {
	again := batcher{client: w.client, op: w.op}
	var list []byte
	for _, n := range absent {
		row := w.rows.rows[n]
		list = append(append(list, ','), body[row.start:row.end]...)
		again.take("", nil)
	}
	list[0] = '['
	w.call.Body = api.JSONBody(append(list, ']'))
	again.send(ctx, w.call, again.byPosition)
	if again.cause != nil { // nothing new is known
		w.doubt(absent, "sent again", again.cause)
		return
	}
	for i, o := range again.batch().Outcomes() {
		if errors.Is(o.Err, ErrDuplicate) {
			w.doubt(absent[i:i+1], "sent again", o.Err)
			continue
		}
		old := &w.outcomes[w.sent[absent[i]]]
		o.Index = old.Index
		*old = o
	}
}

// doubt says what did not settle rows. Their outcome is unknown, also of those
// that met a row with their key, which can be themselves.
func (w *batchWriter[T]) doubt(open []int, step string, err error) {
	for _, n := range open {
		o := &w.outcomes[w.sent[n]]
		if o.State != Unknown {
			o.State, o.Err = Unknown, fmt.Errorf("%w: %w", ErrOutcomeUnknown, o.Err)
		}
		o.Err = fmt.Errorf("%w; %s: %w", o.Err, step, err)
	}
}

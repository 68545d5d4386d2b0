package minapp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/minapp-go/minapp/internal/api"
)

const (
	// maxBatch is the most rows of one bulk create.
	maxBatch = 1000
	// codeDuplicate is the code of a row that a unique index refused
	// (inferred: it is MongoDB's duplicate key, and the documents name no
	// other cause).
	codeDuplicate = "11000"
)

// State is how a row of a batch ended.
type State int

const (
	// Unknown rows may or may not be written. It is the zero value.
	Unknown State = iota
	// NotSent rows are certainly not written, because they never left.
	NotSent
	// Written rows are confirmed by the service.
	Written
	// Rejected rows were refused by the service, alone or with their batch.
	Rejected
)

// String is the name of the state in lower case.
func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case NotSent:
		return "not sent"
	case Written:
		return "written"
	case Rejected:
		return "rejected"
	}
	return fmt.Sprintf("State(%d)", int(s))
}

// Outcome is how one row ended.
type Outcome struct {
	Index     int // position in the whole input, from 0
	State     State
	ID        string    // of a written row
	CreatedAt Timestamp // of a written row
	Err       error     // why a row is not written; nil for a written row
}

// Totals counts rows by state. Read is always the sum of the four others.
type Totals struct {
	Read     int64 // taken from the input
	Written  int64
	Rejected int64
	NotSent  int64
	Unknown  int64
}

func (t *Totals) add(s State) {
	t.Read++
	switch s {
	case Written:
		t.Written++
	case Rejected:
		t.Rejected++
	case NotSent:
		t.NotSent++
	default:
		t.Unknown++
	}
}

// Batch is what became of up to 1000 rows: one outcome for each.
type Batch struct {
	First  int    // position of the first row in the whole input
	Totals Totals // of the whole run so far, this batch included

	op       api.Operation
	outcomes []Outcome
	failed   int   // outcomes that are not Written
	cause    error // of the whole request, nil if it was answered
}

// Len is the number of rows.
func (b *Batch) Len() int { return len(b.outcomes) }

// Next is the position of the row after the batch: BatchOptions.First of a run
// that goes on here.
func (b *Batch) Next() int { return b.First + len(b.outcomes) }

// Outcomes lists every row in the order of the input.
func (b *Batch) Outcomes() []Outcome { return b.outcomes }

// Failed lists the rows that were not written, in the order of the input.
func (b *Batch) Failed() []Outcome {
	failed := make([]Outcome, 0, b.failed)
	for _, o := range b.outcomes {
		if o.State != Written {
			failed = append(failed, o)
		}
	}
	return failed
}

// Err is nil if every row was written, else a *[BulkError].
func (b *Batch) Err() error {
	if b.failed == 0 {
		return nil
	}
	return &BulkError{Op: b.op.Name, Batch: b}
}

// BulkError says that not every row of a batch was written. errors.Is and
// errors.As look into the cause of the whole request and of every single row:
// errors.Is(err, ErrDuplicate) is true if one row was a duplicate.
type BulkError struct {
	Op    string
	Batch *Batch
}

// Error counts the rows and shows the first cause.
func (e *BulkError) Error() string {
	failed := e.Batch.Failed()
	count := make(map[State]int)
	for _, o := range failed {
		count[o.State]++
	}
	text := fmt.Sprintf("%s: %d of %d rows not written (%d rejected, %d not sent, %d unknown)",
		e.Op, len(failed), e.Batch.Len(), count[Rejected], count[NotSent], count[Unknown])
	if e.Batch.cause != nil {
		return text + ": " + e.Batch.cause.Error()
	}
	return fmt.Sprintf("%s; first, row %d: %v", text, failed[0].Index, failed[0].Err)
}

// Unwrap lists the causes.
func (e *BulkError) Unwrap() []error {
	if e.Batch.cause != nil {
		return []error{e.Batch.cause}
	}
	var errs []error
	for _, o := range e.Batch.Failed() {
		errs = append(errs, o.Err)
	}
	return errs
}

// BatchOptions steers [Table.CreateAll]. The zero value is fine.
type BatchOptions struct {
	Size    int          // rows per request, 1 to 1000; 0 is 1000
	First   int          // rows of the input to skip: an earlier run dealt with them. Positions stay those of the whole input
	OnBatch func(*Batch) // sees every batch, in order, before the loop does
}

// CreateMany writes up to 1000 rows with one request. The batch tells the
// outcome of each, also when the error is not nil; the error is nil only if
// every row was written. A value that does not encode as one JSON object is
// [ErrInvalid] and nothing is sent. No rows are no request.
//
// Not repeated after a failure whose outcome is unknown without [CallReplay];
// rows are then [Unknown] and the error is [ErrOutcomeUnknown]. Source:
// open-api/data/record.md.
func (t *Table[T]) CreateMany(ctx context.Context, values []T, opts ...CallOption) (*Batch, error) {
	op := api.BulkCreate
	call, err := t.newCall(op, opts)
	if err != nil {
		return nil, err
	}
	if len(values) > maxBatch {
		return nil, invalid(op, "%d values given, at most %d go into one request; CreateAll takes more", len(values), maxBatch)
	}
	w := &batchWriter[T]{table: t, call: call}
	for _, v := range values {
		w.add(v)
	}
	w.allOrNothing()
	batch := w.flush(ctx)
	return batch, batch.Err()
}

// CreateAll writes the rows of an input of any length, batch after batch.
// Every batch is yielded with one outcome per row; the error is not nil
// whenever not every row of the batch was written, and the loop may go on. A
// row that cannot be encoded is [NotSent] while the others of its batch are
// sent. An error of the input, or the end of the context, ends the sequence
// with a nil batch after what was read before it has been dealt with; so does
// a mistake in the options, before the input is read.
//
// Leaving the loop reads no further input. To resume, give the same input and
// [Batch.Next] of the last batch as [BatchOptions].First. Repetitions are
// those of [Table.CreateMany]. Source: open-api/data/record.md.
func (t *Table[T]) CreateAll(ctx context.Context, input iter.Seq2[T, error], o BatchOptions, opts ...CallOption) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		w, err := t.newBatchWriter(input, o, opts)
		if err != nil {
			yield(nil, err)
			return
		}
		deliver := func() bool { // reports whether to go on
			batch := w.flush(ctx)
			if o.OnBatch != nil {
				o.OnBatch(batch)
			}
			return yield(batch, batch.Err()) && (batch.failed == 0 || ctx.Err() == nil)
		}
		position := 0
		for v, err := range input {
			if err = cmp.Or(context.Cause(ctx), err); err != nil {
				if w.empty() || deliver() {
					yield(nil, fmt.Errorf("%s: input at row %d: %w", api.BulkCreate.Name, position, err))
				}
				return
			}
			if position++; position <= o.First {
				continue
			}
			if w.add(v); len(w.outcomes) == w.size && !deliver() {
				return
			}
		}
		if !w.empty() {
			deliver()
		}
	}
}

func (t *Table[T]) newBatchWriter(input iter.Seq2[T, error], o BatchOptions, opts []CallOption) (*batchWriter[T], error) {
	op := api.BulkCreate
	call, err := t.newCall(op, opts)
	switch {
	case err != nil:
		return nil, err
	case o.Size < 0 || o.Size > maxBatch:
		return nil, invalid(op, "BatchOptions.Size is %d, 1 to %d are allowed", o.Size, maxBatch)
	case o.First < 0:
		return nil, invalid(op, "BatchOptions.First is %d", o.First)
	case input == nil:
		return nil, invalid(op, "input is nil")
	}
	return &batchWriter[T]{table: t, call: call, size: cmp.Or(o.Size, maxBatch), first: o.First}, nil
}

// batchWriter collects rows, sends them, and keeps one outcome for each.
type batchWriter[T any] struct {
	table    *Table[T]
	call     api.Call
	size     int
	first    int // position of the first row of the batch being collected
	totals   Totals
	outcomes []Outcome
	sent     []int  // indices into outcomes of the rows in body
	body     []byte // "[row,row"
	cause    error  // of the whole batch
}

func (w *batchWriter[T]) empty() bool { return len(w.outcomes) == 0 }

// add takes a row into the batch. One that cannot be encoded is not sent.
func (w *batchWriter[T]) add(v T) {
	o := Outcome{Index: w.first + len(w.outcomes)}
	row, err := encode(w.table.client.config.codec, v)
	if err != nil {
		o.State, o.Err = NotSent, invalid(api.BulkCreate, "row %d: %w", o.Index, err)
		w.outcomes = append(w.outcomes, o)
		return
	}
	w.body = append(append(w.body, ','), row...)
	w.sent = append(w.sent, len(w.outcomes))
	w.outcomes = append(w.outcomes, o)
}

// allOrNothing keeps the whole batch back if one row cannot be sent.
func (w *batchWriter[T]) allOrNothing() {
	if len(w.sent) == len(w.outcomes) {
		return
	}
	for _, o := range w.outcomes {
		w.cause = cmp.Or(w.cause, o.Err)
	}
	for _, i := range w.sent {
		w.outcomes[i].State, w.outcomes[i].Err = NotSent, w.cause
	}
	w.sent = nil
}

// flush sends what was collected and returns what became of it.
func (w *batchWriter[T]) flush(ctx context.Context) *Batch {
	if len(w.sent) > 0 {
		w.send(ctx)
	}
	batch := &Batch{First: w.first, op: api.BulkCreate, outcomes: w.outcomes, cause: w.cause}
	for _, o := range w.outcomes {
		w.totals.add(o.State)
		if o.State != Written {
			batch.failed++
		}
	}
	batch.Totals = w.totals
	w.first = batch.Next()
	w.outcomes, w.sent, w.body, w.cause = nil, nil, nil, nil
	return batch
}

// send posts the batch and gives every sent row its outcome.
func (w *batchWriter[T]) send(ctx context.Context) {
	w.body[0] = '['
	w.call.Body = api.JSONBody(append(w.body, ']'))
	results, err := w.post(ctx)
	if err != nil {
		w.cause = err
		state := stateOf(err)
		for _, i := range w.sent {
			w.outcomes[i].State, w.outcomes[i].Err = state, err
		}
		return
	}
	for n, i := range w.sent {
		results[n].settle(&w.outcomes[i])
	}
}

// post returns one result per sent row. The documents correlate by position
// only, so a list of another length says nothing about any row.
func (w *batchWriter[T]) post(ctx context.Context) ([]bulkResult, error) {
	op := api.BulkCreate
	res, err := w.table.client.api.Do(ctx, op, w.call)
	if err != nil {
		return nil, toError(err)
	}
	var answer struct {
		Results []bulkResult `json:"operation_result"`
	}
	if err := json.Unmarshal(res.Body, &answer); err != nil {
		return nil, misread(op, res, err)
	}
	if len(answer.Results) != len(w.sent) {
		return nil, misread(op, res, fmt.Errorf("%d results for %d rows", len(answer.Results), len(w.sent)))
	}
	return answer.Results, nil
}

// stateOf is the state of the rows of a request that failed as a whole.
func stateOf(err error) State {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok || e.unknown:
		return Unknown
	case e.unsent:
		return NotSent
	}
	return Rejected
}

// bulkResult is one item of operation_result.
type bulkResult struct {
	Success *struct {
		ID        string          `json:"id"`
		CreatedAt json.RawMessage `json:"created_at"` // a number, on some surfaces a string
	} `json:"success"`
	Error *struct {
		Message string          `json:"err_msg"`
		Code    json.RawMessage `json:"code"`
	} `json:"error"`
}

// settle gives a row the outcome that the service states; anything but exactly
// one statement leaves it unknown.
func (r *bulkResult) settle(o *Outcome) {
	op := api.BulkCreate
	switch {
	case r.Success != nil && r.Error == nil:
		o.State, o.ID = Written, r.Success.ID
		_ = o.CreatedAt.UnmarshalJSON(r.Success.CreatedAt) // written, even if the moment is illegible
	case r.Error != nil && r.Success == nil:
		o.State = Rejected
		o.Err = &Error{Op: op.Name, Method: op.Method, Code: text(r.Error.Code), Message: r.Error.Message}
	default:
		o.State = Unknown
		o.Err = &Error{Op: op.Name, Method: op.Method, Err: fmt.Errorf("%w: neither success nor error", ErrProtocol), unknown: true}
	}
}

// BulkService writes many rows without a type of their own: every method is
// that of [Table] for [Fields].
type BulkService struct{ client *Client }

func (s *BulkService) of(id TableID) *Table[Fields] { return TableOf[Fields](s.client, id) }

// CreateMany is [Table.CreateMany].
func (s *BulkService) CreateMany(ctx context.Context, table TableID, values []Fields, opts ...CallOption) (*Batch, error) {
	return s.of(table).CreateMany(ctx, values, opts...)
}

// CreateAll is [Table.CreateAll].
func (s *BulkService) CreateAll(ctx context.Context, table TableID, input iter.Seq2[Fields, error], o BatchOptions, opts ...CallOption) iter.Seq2[*Batch, error] {
	return s.of(table).CreateAll(ctx, input, o, opts...)
}

// Items turns values into the input of [Table.CreateAll].
func Items[T any](values iter.Seq[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v := range values {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// Values turns the rows of [Table.All] into the input of [Table.CreateAll] of
// another table.
func Values[T any](records iter.Seq2[*Record[T], error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for record, err := range records {
			var v T
			if record != nil {
				v = record.Value
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

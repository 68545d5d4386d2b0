package minapp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"sync"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

const (
	// maxBatch is the most rows of one bulk call. By filter a larger limit
	// could be dropped, and then the call would touch every row.
	maxBatch = 1000
	// maxBatchBytes ends a batch of large rows early. inferred: no document
	// limits the size of a request.
	maxBatchBytes = 8 << 20
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
	// Rejected rows were refused by the service, alone or with their batch, or
	// exist no more.
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
	ID        string    // of a written row; in [Table.UpdateWhere] of every row
	CreatedAt Timestamp // of a row that was created
	UpdatedAt Timestamp // of a row that was updated
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

func (t *Totals) join(o Totals) {
	t.Read += o.Read
	t.Written += o.Written
	t.Rejected += o.Rejected
	t.NotSent += o.NotSent
	t.Unknown += o.Unknown
}

// Batch is what became of up to 1000 rows: one outcome for each.
type Batch struct {
	First  int    // position of the first row in the whole input
	Totals Totals // of the whole run so far, this batch included

	op       operation.Operation
	outcomes []Outcome
	sent     []int             // indices of the rows in the request
	results  []json.RawMessage // of these rows, until their ids are asked for
	failed   int               // outcomes that are not Written
	cause    error             // of the whole request, nil if it was answered
	decode   sync.Once
}

// Len is the number of rows.
func (b *Batch) Len() int { return len(b.outcomes) }

// Next is the position of the row after the batch: BatchOptions.First of a run
// that goes on here.
func (b *Batch) Next() int { return b.First + len(b.outcomes) }

// Outcomes lists every row in the order of the input. The ids of written rows
// are decoded when it is first called.
func (b *Batch) Outcomes() []Outcome {
	b.decode.Do(func() {
		for n, raw := range b.results {
			var r bulkResult
			if json.Unmarshal(raw, &r) == nil && r.Success != nil {
				r.identify(&b.outcomes[b.sent[n]])
			}
		}
		b.results = nil
	})
	return b.outcomes
}

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

// Error names the batch by its rows, counts them and shows the first cause.
func (e *BulkError) Error() string {
	failed := e.Batch.Failed()
	count := make(map[State]int)
	for _, o := range failed {
		count[o.State]++
	}
	text := fmt.Sprintf("%s, rows %d to %d: %d of %d rows not written (%d rejected, %d not sent, %d unknown)",
		e.Op, e.Batch.First, e.Batch.Next()-1, len(failed), e.Batch.Len(), count[Rejected], count[NotSent], count[Unknown])
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

// BatchOptions steers [Table.CreateAll], [Table.UpdateWhere] and
// [Table.UpdateMany]. The zero value is fine.
type BatchOptions struct {
	Size     int          // rows per request, 1 to 1000; 0 is 1000
	Parallel int          // requests at a time; 0 is 1
	First    int          // rows of the input to skip: an earlier run dealt with them. Positions stay those of the whole input. For CreateAll only
	Key      string       // column by which CreateAll looks up rows whose outcome is unknown; it has a unique index. For CreateAll only
	OnBatch  func(*Batch) // sees every batch, in order, before the loop does, and also those that come back after the loop was left
}

// check returns the number of rows of one request.
func (o BatchOptions) check() (size int, err error) {
	if o.Size < 0 || o.Size > maxBatch {
		return 0, fmt.Errorf("BatchOptions.Size is %d, 1 to %d are allowed", o.Size, maxBatch)
	}
	if o.Parallel < 0 {
		return 0, fmt.Errorf("BatchOptions.Parallel is %d", o.Parallel)
	}
	return cmp.Or(o.Size, maxBatch), nil
}

// CreateMany writes up to 1000 rows with one request. The batch tells the
// outcome of each, also when the error is not nil; the error is nil only if
// every row was written, else a *[BulkError]. A value that does not encode as one
// JSON object, and more rows than 1000, are [ErrInvalid] and nothing is sent. No
// rows are no request.
//
// Not repeated after a failure whose outcome is unknown without [CallReplay];
// rows are then [Unknown] and the error is [ErrOutcomeUnknown]. Source:
// open-api/data/record.md.
func (t *Table[T]) CreateMany(ctx context.Context, values []T, opts ...CallOption) (*Batch, error) {
	op := operation.BulkCreate
	call, err := t.newCall(op, opts)
	if err != nil {
		return nil, err
	}
	if len(values) > maxBatch {
		return nil, invalid(op, "%d values given, at most %d go into one request; CreateAll takes more", len(values), maxBatch)
	}
	w := newBatchWriter[T](batcher{client: t.client, op: op}, call, newRoom(len(values), 0))
	for _, v := range values {
		w.add(v)
	}
	w.allOrNothing()
	batch := w.ship(ctx)
	return batch, batch.Err()
}

// CreateAll writes the rows of an input of any length, in batches of up to 1000
// rows or 8 MiB, and with [BatchOptions].Parallel several at a time. Every
// batch is yielded with one outcome per row, in the order of the input; the
// error is not nil whenever not every row of the batch was written, and the
// loop may go on. A row that cannot be encoded is [NotSent] while the others of
// its batch are sent. An error of the input, or the end of the context, ends
// the sequence with a nil batch after what was read before it has been dealt
// with; so does a mistake in the options, before the input is read.
//
// Leaving the loop reads no further input and waits for what is on its way,
// which [BatchOptions].OnBatch still sees. To resume, give the same input and
// [Batch.Next] of the last batch as [BatchOptions].First. A value is encoded
// before the input goes on, which may then use its memory again, as
// json.Decoder and bufio.Scanner do. Memory holds the encoded rows of one batch
// more than are on their way. Repetitions are those of [Table.CreateMany].
//
// With [BatchOptions].Key no outcome stays open as long as the service can be
// asked. That a unique index on this column alone exists is checked first, once
// for a Table, except with a session, which cannot read indexes. Rows whose outcome is
// unknown, and rows that met another one with their key ([ErrDuplicate]), are
// looked up by it, with more requests where the keys do not fit into one URL. A
// row that is there as it was sent, compared as [CallStrict] does, is
// [Written]; one with other values is [Rejected] with [ErrDuplicate] and the
// columns that differ; one that is not there is sent again, until its batch
// has been sent [RetryPolicy].MaxAttempts times. So a whole run can be
// repeated, too: what is there counts as written. A row is [NotSent] if its key
// is neither text nor a number, or is that of another row of the batch.
// Source: open-api/data/record.md.
func (t *Table[T]) CreateAll(ctx context.Context, input iter.Seq2[T, error], o BatchOptions, opts ...CallOption) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		call, size, err := t.startBatches(ctx, input, o, opts)
		if err != nil {
			yield(nil, err)
			return
		}
		keyed, err := t.newKeyed(ctx, o.Key, call, opts)
		if err != nil {
			yield(nil, err)
			return
		}
		run := &batchRun{ctx: ctx, options: o, yield: yield}
		w := newBatchWriter[T](batcher{client: t.client, op: operation.BulkCreate, first: o.First}, call, room{})
		w.keyed = keyed
		var ready rooms
		position, reading := 0, true
		var end error
		for v, err := range input {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if err != nil {
				end = fmt.Errorf("%s: input at row %d: %w", operation.BulkCreate.Name, position, err)
				break
			}
			if position++; position <= o.First {
				continue
			}
			if w.add(v); len(w.outcomes) < size && w.body.Len() < maxBatchBytes {
				continue
			}
			full := w
			w = full.following(ready.take(len(full.outcomes), full.body.Len()))
			if reading = run.ship(func() *Batch { return full.ship(ctx) }); !reading {
				break
			}
		}
		if reading && len(w.outcomes) > 0 {
			run.ship(func() *Batch { return w.ship(ctx) })
		}
		run.finish(end)
	}
}

// startBatches checks what CreateAll was given.
func (t *Table[T]) startBatches(ctx context.Context, input iter.Seq2[T, error], o BatchOptions, opts []CallOption) (call api.Call, size int, err error) {
	op := operation.BulkCreate
	if call, err = t.newCall(op, opts); err != nil {
		return call, 0, err
	}
	size, err = o.check()
	switch {
	case err != nil:
		return call, 0, invalid(op, "%w", err)
	case o.First < 0:
		return call, 0, invalid(op, "BatchOptions.First is %d", o.First)
	case ctx == nil:
		return call, 0, invalid(op, "the context is nil")
	case input == nil:
		return call, 0, invalid(op, "input is nil")
	case o.Parallel > 1 && call.Meta != nil:
		return call, 0, invalid(op, "CallMeta does not apply to several requests at a time")
	}
	return call, size, nil
}

// batchWriter creates the rows of one batch.
type batchWriter[T any] struct {
	batcher
	call   api.Call
	body   bytes.Buffer  // ",row,row"
	row    T             // that is being encoded: here, so that a pointer to it costs nothing
	direct *json.Encoder // into body, where encoding/json is the codec; else nil
	keyed  *keyed        // nil without BatchOptions.Key
	rows   keyedRows     // of the request, with a key
}

// room is the memory of a batch.
type room struct {
	outcomes []Outcome
	sent     []int
	body     []byte
}

func newRoom(rows, size int) room {
	return room{make([]Outcome, 0, rows), make([]int, 0, rows), make([]byte, 0, size+size/16)}
}

// rooms has the room of the next batch made ready while this one is filled: where
// rows come fast, finding it takes a tenth of the time of encoding them.
type rooms struct{ next chan room }

// take gives room for a batch like the last one.
func (r *rooms) take(rows, size int) (ready room) {
	if r.next == nil {
		r.next = make(chan room, 1)
		ready = newRoom(rows, size)
	} else {
		ready = <-r.next
	}
	go func() { r.next <- newRoom(rows, size) }()
	return ready
}

// newBatchWriter begins a batch.
func newBatchWriter[T any](b batcher, call api.Call, r room) *batchWriter[T] {
	b.outcomes, b.sent = r.outcomes, r.sent
	w := &batchWriter[T]{batcher: b, call: call, body: *bytes.NewBuffer(r.body)}
	_, standard := b.client.config.codec.(stdCodec)
	if _, dynamic := any(&w.row).(*any); standard && !dynamic && dynamicRow(&w.row) == nil {
		w.direct = json.NewEncoder(&w.body)
	}
	return w
}

// following is the batch after this one.
func (w *batchWriter[T]) following(r room) *batchWriter[T] {
	next := newBatchWriter[T](batcher{client: w.client, op: w.op, first: w.first + len(w.outcomes)}, w.call, r)
	next.keyed = w.keyed
	return next
}

// add takes a row into the batch, encoded: the input may use the memory of the
// value again, as json.Decoder and bufio.Scanner do. One that cannot be encoded
// is not sent.
func (w *batchWriter[T]) add(v T) {
	before := w.body.Len()
	w.body.WriteByte(',')
	w.row = v
	err := w.encode()
	if err == nil && w.keyed != nil {
		err = w.rows.add(w.keyed.column, w.body.Bytes(), before+1)
	}
	if err != nil {
		w.body.Truncate(before)
	}
	w.take("", err)
}

// encode is what the function encode does, without a copy where it can be
// avoided.
func (w *batchWriter[T]) encode() error {
	if w.direct == nil {
		row, err := encode(w.client.config.codec, &w.row)
		w.body.Write(row)
		return err
	}
	start := w.body.Len()
	if err := w.direct.Encode(&w.row); err != nil {
		return err
	}
	w.body.Truncate(w.body.Len() - 1) // the line break
	return mustBeObject(w.body.Bytes()[start:])
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

// ship sends the batch and returns what became of it.
func (w *batchWriter[T]) ship(ctx context.Context) *Batch {
	if len(w.sent) > 0 {
		w.body.WriteByte(']')
		body := w.body.Bytes()
		body[0] = '['
		w.call.Body = api.JSONBody(body)
		w.send(ctx, w.call, w.byPosition)
		if w.keyed != nil {
			w.reconcile(ctx, body)
		}
	}
	return w.batch()
}

// BulkService writes many rows without a type of their own: its methods are
// those of [Table] for [Fields]. It also looks at the operations that the
// service runs.
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

// UpdateWhere is [Table.UpdateWhere].
func (s *BulkService) UpdateWhere(ctx context.Context, table TableID, cond where.Cond, p patch.Patch, o BatchOptions, opts ...CallOption) iter.Seq2[*Batch, error] {
	return s.of(table).UpdateWhere(ctx, cond, p, o, opts...)
}

// UpdateMany is [Table.UpdateMany].
func (s *BulkService) UpdateMany(ctx context.Context, table TableID, ids []string, p patch.Patch, o BatchOptions, opts ...CallOption) iter.Seq2[*Batch, error] {
	return s.of(table).UpdateMany(ctx, ids, p, o, opts...)
}

// DeleteWhere is [Table.DeleteWhere].
func (s *BulkService) DeleteWhere(ctx context.Context, table TableID, cond where.Cond, opts ...CallOption) (DeleteTotals, error) {
	return s.of(table).DeleteWhere(ctx, cond, opts...)
}

// StartUpdate is [Table.StartUpdate].
func (s *BulkService) StartUpdate(ctx context.Context, table TableID, cond where.Cond, p patch.Patch, opts ...CallOption) (*Operation, error) {
	return s.of(table).StartUpdate(ctx, cond, p, opts...)
}

// StartDelete is [Table.StartDelete].
func (s *BulkService) StartDelete(ctx context.Context, table TableID, cond where.Cond, opts ...CallOption) (*Operation, error) {
	return s.of(table).StartDelete(ctx, cond, opts...)
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
// another table. The first error ends the run, also that of a row that T cannot
// hold, which [Fields] and json.RawMessage always can.
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

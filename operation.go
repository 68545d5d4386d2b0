package minapp

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// OperationID is the number of a bulk operation that the service runs.
type OperationID int64

// String is the decimal form of the id.
func (id OperationID) String() string { return strconv.FormatInt(int64(id), 10) }

func (id OperationID) check() error {
	if id <= 0 {
		return fmt.Errorf("operation id is %d; what was done at once has none", int64(id))
	}
	return nil
}

// States of an [Operation]. The documents know none that says it has failed;
// states that this list does not have are passed through.
const (
	OperationPending = "pending" // it goes on
	OperationSuccess = "success"
)

// Operation is an update or a delete by filter that the service carries out:
// at once, up to 1000 rows, or by itself, and then it has an ID. Another
// process can look at it by its ID. Source: open-api/data/record.md.
type Operation struct {
	ID        OperationID `json:"id"` // 0: it was done at once
	Table     TableID     `json:"schema_id"`
	TableName string      `json:"schema_name"` // "" of one that was done at once
	Kind      string      `json:"operation"`   // "update" or "delete"
	Status    string      `json:"status"`
	CreatedAt Timestamp   `json:"created_at"` // 0 of one that was done at once
	UpdatedAt Timestamp   `json:"updated_at"`
	Matched   int64       `json:"matched_count"`  // of an update; of a delete that was done at once only with [CallTotal]
	Modified  int64       `json:"modified_count"` // of an update
	Deleted   int64       `json:"deleted_count"`  // of a delete
}

// Done reports whether the operation has succeeded. A status that nobody knows
// is no success.
func (o *Operation) Done() bool { return o.Status == OperationSuccess }

// StartUpdate leaves an update of every row that matches to the service, with
// one request. The service chooses: up to 1000 rows it updates before it
// answers, and the operation is done; more rows it updates afterwards, without
// triggers, and the operation has an ID for [BulkService.Wait]. Only the first
// way has results per row: if some were refused, the error is a *[BulkError]
// and the operation is not nil. Positions of its outcomes are those of the
// answer, and a refused row has no ID.
//
// [where.Everything] is the whole table, the zero condition is
// [ErrUnfiltered]. Options: [CallTriggers], [CallTotal]. Never repeated after
// a failure whose outcome is unknown ([ErrOutcomeUnknown]) without
// [CallReplay]: the service might run it twice. Source:
// open-api/data/record.md.
func (t *Table[T]) StartUpdate(ctx context.Context, cond where.Cond, p patch.Patch, opts ...CallOption) (*Operation, error) {
	op := operation.BulkUpdate
	call, err := t.patching(op, cond, p, bulkParams{}, opts)
	if err != nil {
		return nil, err
	}
	o, answer, err := t.start(ctx, op, "update", call)
	if err != nil || o.ID != 0 {
		return o, err
	}
	o.Modified = *answer.Succeed
	if answer.Total == nil {
		o.Matched = int64(len(answer.Results))
	}
	b := batcher{op: op}
	for range answer.Results {
		b.take("", nil)
	}
	if err := b.byPosition(answer); err != nil {
		return nil, err
	}
	return o, b.batch().Err()
}

// StartDelete leaves a delete of every row that matches to the service, with
// one request; see [Table.StartUpdate]. Done at once, it says how many rows it
// deleted, and with [CallTotal] how many matched. Permissions of rows are
// ignored.
//
// [where.Everything] is the whole table, the zero condition is
// [ErrUnfiltered]. Options: [CallTriggers], [CallTotal]. Never repeated after
// a failure whose outcome is unknown ([ErrOutcomeUnknown]) without
// [CallReplay]. Source: open-api/data/record.md.
func (t *Table[T]) StartDelete(ctx context.Context, cond where.Cond, opts ...CallOption) (*Operation, error) {
	op := operation.BulkDelete
	call, err := t.filtering(op, cond, bulkParams{}, opts)
	if err != nil {
		return nil, err
	}
	o, answer, err := t.start(ctx, op, "delete", call)
	if err != nil || o.ID != 0 {
		return o, err
	}
	o.Deleted = *answer.Succeed
	return o, nil
}

// start makes a call without a limit, so that the service chooses how to
// answer: with an operation, or with what it has done.
func (t *Table[T]) start(ctx context.Context, op operation.Operation, kind string, call api.Call) (*Operation, *bulkAnswer, error) {
	call.Once = true
	answer, err := t.client.bulk(ctx, op, call)
	if err != nil {
		return nil, nil, err
	}
	o := &Operation{ID: answer.Operation, Table: t.id, Kind: kind, Status: OperationPending}
	if o.ID != 0 {
		return o, answer, nil
	}
	if err := answer.atOnce(); err != nil {
		return nil, nil, err
	}
	if answer.Next != "" {
		return nil, nil, answer.misread("the service has changed %d rows and left others, but started no operation", *answer.Succeed)
	}
	o.Status = OperationSuccess
	if answer.Total != nil {
		o.Matched = *answer.Total
	}
	return o, answer, nil
}

// Operation tells how far an operation is. [ErrNotFound] if there is none.
// Repeated automatically. Source: open-api/data/record.md.
func (s *BulkService) Operation(ctx context.Context, id OperationID, opts ...CallOption) (*Operation, error) {
	op := operation.BulkOperation
	if err := id.check(); err != nil {
		return nil, invalid(op, "%w", err)
	}
	call, err := newCall(op, opts, id.String())
	if err != nil {
		return nil, err
	}
	o := new(Operation)
	if err := s.client.send(ctx, op, call, nil, o); err != nil {
		return nil, err
	}
	return o, nil
}

// Wait looks at an operation until it has succeeded. The context bounds the
// wait: no state says that an operation has failed. If it ends first, or if
// looking fails, the error is a *[WaitError] whose Last is the last
// *[Operation]. Each look is repeated automatically. Source:
// open-api/data/record.md.
func (s *BulkService) Wait(ctx context.Context, id OperationID, o WaitOptions, opts ...CallOption) (*Operation, error) {
	op := operation.BulkOperation
	if err := cmp.Or(id.check(), o.check()); err != nil {
		return nil, invalid(op, "%w", err)
	}
	look := func(ctx context.Context) (*Operation, error) { return s.Operation(ctx, id, opts...) }
	return poll(ctx, op.Name, "operation "+id.String(), o, look, func(o *Operation) (string, bool, error) { return o.Status, o.Done(), nil })
}

package minapp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/rows"
)

// batcher keeps one outcome for every row of one batch. Creating and updating
// differ in the request and in how its answer tells the rows apart; all the
// rest is here.
type batcher struct {
	client   *Client
	op       operation.Operation
	first    int // position of the first row in the whole input
	outcomes []Outcome
	sent     []int             // indices into outcomes of the rows in the request
	results  []json.RawMessage // of the rows sent, where all are successes that nobody has decoded yet
	cause    error             // of the whole batch
}

// take takes a row into the batch; one with an error is not sent.
func (b *batcher) take(id string, err error) {
	o := Outcome{Index: b.first + len(b.outcomes), ID: id}
	if err != nil {
		o.State, o.Err = NotSent, invalid(b.op, "row %d: %w", o.Index, err)
	} else {
		b.sent = append(b.sent, len(b.outcomes))
	}
	b.outcomes = append(b.outcomes, o)
}

// send makes the request and gives every row in it its outcome: match finds it
// in the answer, unless the request failed or the answer cannot be believed.
func (b *batcher) send(ctx context.Context, call api.Call, match func(*bulkAnswer) error) {
	res, err := b.client.api.Do(ctx, b.op, call)
	if err != nil {
		b.fail(toError(err))
		return
	}
	if b.op.Name == operation.BulkCreate.Name && b.allWritten(res.Body) {
		return
	}
	answer, err := newBulkAnswer(b.op, res)
	if err == nil {
		err = match(answer)
	}
	if err != nil {
		b.fail(err)
	}
}

// allWritten settles the usual answer without decoding it: as many results as
// rows, and each of them a success, as succeed says, too. Decoding it would cost
// as much as encoding the rows did. Ids are decoded when somebody asks for them.
func (b *batcher) allWritten(body []byte) bool {
	list, ok := rows.Member(body, "operation_result")
	if !ok {
		return false
	}
	results, err := rows.List(list)
	if err != nil || len(results) != len(b.sent) {
		return false
	}
	if n, said := rows.Member(body, "succeed"); said && string(n) != strconv.Itoa(len(results)) {
		return false
	}
	for _, r := range results {
		if !bytes.HasPrefix(r, []byte(`{"success":{`)) || bytes.IndexByte(r, '}') != len(r)-2 { // and nothing else
			return false
		}
	}
	for _, i := range b.sent {
		b.outcomes[i].State = Written
	}
	b.results = results
	return true
}

// fail gives every row of the request the same outcome.
func (b *batcher) fail(err error) {
	b.cause = err
	state := stateOf(err)
	for _, i := range b.sent {
		o := &b.outcomes[i]
		*o = Outcome{Index: o.Index, ID: o.ID, State: state, Err: err}
	}
}

// batch is what became of the rows.
func (b *batcher) batch() *Batch {
	batch := &Batch{First: b.first, op: b.op, outcomes: b.outcomes, sent: b.sent, results: b.results, cause: b.cause}
	for _, o := range b.outcomes {
		batch.Totals.add(o.State)
	}
	batch.failed = batch.Len() - int(batch.Totals.Written)
	return batch
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

// byPosition matches results to the rows that were sent by their order, the
// only thing that a create has. A list of another length, with a row twice, or
// that succeed contradicts says nothing about any row.
func (b *batcher) byPosition(a *bulkAnswer) error {
	if len(a.Results) != len(b.sent) {
		return a.misread("%d results for %d rows", len(a.Results), len(b.sent))
	}
	if err := cmp.Or(a.addsUp(), a.tellsApart()); err != nil {
		return err
	}
	for n, i := range b.sent {
		a.settle(&b.outcomes[i], a.Results[n])
	}
	return nil
}

// byID matches the results of an update to the rows that were asked for. Only
// successes carry an id. The rows that none of them names are those that the
// errors are about, and those that exist no more.
func (b *batcher) byID(a *bulkAnswer) error {
	if err := a.atOnce(); err != nil {
		return err
	}
	left := make(map[string]*Outcome, len(b.sent))
	for _, i := range b.sent {
		left[b.outcomes[i].ID] = &b.outcomes[i]
	}
	var failures []bulkResult
	for _, r := range a.Results {
		if !r.written() {
			failures = append(failures, r)
			continue
		}
		o := left[r.Success.ID]
		if o == nil {
			return a.misread("row %q was not asked for, or is there twice", r.Success.ID)
		}
		a.settle(o, r)
		delete(left, r.Success.ID)
	}
	if len(failures) > len(left) {
		return a.misread("%d results for %d rows", len(a.Results), len(b.sent))
	}
	state, err := a.refusals(failures, len(left))
	for _, o := range left {
		o.State, o.Err = state, err
	}
	return nil
}

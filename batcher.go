package minapp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

// batchRun delivers batches in the order of the input while several are on
// their way.
type batchRun struct {
	ctx     context.Context
	options BatchOptions
	yield   func(*Batch, error) bool
	queue   []chan *Batch // on their way, the oldest first
	totals  Totals
	left    bool // the loop was left
	told    bool // a batch has told that the context ended
}

// ship sends a batch on its way, delivers what is back, and reports whether to
// read on. It returns when another batch may follow.
func (r *batchRun) ship(send func() *Batch) bool {
	back := make(chan *Batch, 1)
	go func() { back <- send() }()
	r.queue = append(r.queue, back)
	for len(r.queue) > 0 {
		if len(r.queue) < max(1, r.options.Parallel) {
			select {
			case batch := <-r.queue[0]:
				r.deliver(batch)
				continue
			default:
			}
			break
		}
		r.deliver(<-r.queue[0])
	}
	return !r.left && !r.told
}

// deliver hands the oldest batch to whoever wants it.
func (r *batchRun) deliver(batch *Batch) {
	r.queue = r.queue[1:]
	r.totals.join(batch.Totals)
	batch.Totals = r.totals
	if r.options.OnBatch != nil {
		r.options.OnBatch(batch)
	}
	err := batch.Err()
	if !r.left {
		r.left = !r.yield(batch, err)
	}
	r.told = r.told || r.ctx.Err() != nil && errors.Is(err, context.Cause(r.ctx))
}

// finish waits for what is on its way. Once the loop was left, only OnBatch
// sees it. The end of the run, if there is one, is told last, unless a batch
// has told it already.
func (r *batchRun) finish(end error) {
	for len(r.queue) > 0 {
		r.deliver(<-r.queue[0])
	}
	if end != nil && !r.left && (!r.told || !errors.Is(end, context.Cause(r.ctx))) {
		r.yield(nil, end)
	}
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

// bulkAnswer is what every bulk call answers: what was done at once, or the
// operation that does it.
type bulkAnswer struct {
	Results   bulkResults `json:"operation_result"`
	Succeed   *int64      `json:"succeed"`
	Total     *int64      `json:"total_count"` // if asked for
	Next      string      `json:"next"`        // null when no row is left; never followed
	Operation OperationID `json:"operation_id"`

	op  operation.Operation
	res *api.Result
}

// bulkResults is operation_result. If an answer has it twice the last counts,
// alone: encoding/json would decode one list into the other.
type bulkResults []bulkResult

// UnmarshalJSON begins with an empty list.
func (rs *bulkResults) UnmarshalJSON(data []byte) error {
	var list []bulkResult
	err := json.Unmarshal(data, &list)
	*rs = list
	return err
}

// bulkResult is one item of operation_result.
type bulkResult struct {
	Success *struct {
		ID        string          `json:"id"`
		CreatedAt json.RawMessage `json:"created_at"` // a number, on some surfaces a string
		UpdatedAt json.RawMessage `json:"updated_at"`
	} `json:"success"`
	Error *struct {
		Message string          `json:"err_msg"`
		Code    json.RawMessage `json:"code"`
	} `json:"error"`
}

func (r bulkResult) written() bool { return r.Success != nil && r.Error == nil }

// bulk makes a bulk call.
func (c *Client) bulk(ctx context.Context, op operation.Operation, call api.Call) (*bulkAnswer, error) {
	res, err := c.api.Do(ctx, op, call)
	if err != nil {
		return nil, toError(err)
	}
	return newBulkAnswer(op, res)
}

func newBulkAnswer(op operation.Operation, res *api.Result) (*bulkAnswer, error) {
	a := &bulkAnswer{op: op, res: res}
	if err := json.Unmarshal(res.Body, a); err != nil {
		return nil, misread(op, res, err)
	}
	return a, nil
}

func (a *bulkAnswer) misread(format string, args ...any) error {
	return misread(a.op, a.res, fmt.Errorf(format, args...))
}

// addsUp refuses results that succeed contradicts.
func (a *bulkAnswer) addsUp() error {
	if n := a.written(); a.Succeed != nil && n != *a.Succeed {
		return a.misread("%d rows written according to succeed, %d according to the results", *a.Succeed, n)
	}
	return nil
}

func (a *bulkAnswer) written() (n int64) {
	for _, r := range a.Results {
		if r.written() {
			n++
		}
	}
	return n
}

// tellsApart refuses results that name a row twice, unless all are successes:
// then every row is written, whatever its id.
func (a *bulkAnswer) tellsApart() error {
	if a.written() == int64(len(a.Results)) {
		return nil
	}
	seen := make(map[string]bool)
	for _, r := range a.Results {
		if !r.written() || r.Success.ID == "" {
			continue
		}
		if seen[r.Success.ID] {
			return a.misread("row %q is there twice", r.Success.ID)
		}
		seen[r.Success.ID] = true
	}
	return nil
}

// atOnce refuses an answer to an update or a delete that does not say in full
// what was done.
func (a *bulkAnswer) atOnce() error {
	switch {
	case a.Operation != 0:
		return a.misread("the service has started operation %d, which was not asked for, or is there twice", a.Operation)
	case a.Succeed == nil || *a.Succeed < 0:
		return a.misread("no number of rows")
	case a.op.Name != operation.BulkUpdate.Name:
		return nil
	case a.Results == nil:
		return a.misread("no results")
	}
	return a.addsUp()
}

// settle gives a row the outcome that the service states; anything but exactly
// one statement leaves it unknown.
func (a *bulkAnswer) settle(o *Outcome, r bulkResult) {
	if !r.written() {
		o.State, o.Err = a.refusal(r)
		return
	}
	o.State = Written
	r.identify(o)
}

// identify tells the id and the time of a written row.
func (r bulkResult) identify(o *Outcome) {
	o.ID = r.Success.ID
	_ = o.CreatedAt.UnmarshalJSON(r.Success.CreatedAt) // written, even if the moment is illegible
	_ = o.UpdatedAt.UnmarshalJSON(r.Success.UpdatedAt)
}

// refusal is why a row was not written. If an earlier attempt may have
// happened, it can have written the row that this one did not.
func (a *bulkAnswer) refusal(r bulkResult) (State, error) {
	e := &Error{Op: a.op.Name, Method: a.op.Method, unknown: a.res.Again}
	if r.Error != nil && r.Success == nil {
		e.Code, e.Message = text(r.Error.Code), r.Error.Message
	} else {
		e.Err, e.unknown = fmt.Errorf("%w: neither success nor error", ErrProtocol), true
	}
	return stateOf(e), e
}

// absent is why a row that was asked for is in no result. inferred: the results
// are about every row that matched, so that the others are gone, unless the
// service says that it has left some for a next call.
func (a *bulkAnswer) absent() (State, error) {
	e := &Error{Op: a.op.Name, Method: a.op.Method, Err: fmt.Errorf("the row exists no more: %w", ErrNotFound), unknown: a.res.Again}
	if a.Next != "" {
		e.Err, e.unknown = fmt.Errorf("%w: the answer leaves the row out", ErrProtocol), true
	}
	return stateOf(e), e
}

// refusals is why none of n rows was written, of which some failed and the
// others are absent. No answer says which is which, so that all get the same.
func (a *bulkAnswer) refusals(failures []bulkResult, n int) (State, error) {
	state := Rejected
	var errs []error
	add := func(s State, err error) {
		if s == Unknown {
			state = Unknown
		}
		same := func(other error) bool { return other.Error() == err.Error() }
		if !slices.ContainsFunc(errs, same) {
			errs = append(errs, err)
		}
	}
	for _, r := range failures {
		add(a.refusal(r))
	}
	if len(failures) < n {
		add(a.absent())
	}
	if len(errs) == 1 {
		return state, errs[0]
	}
	return state, errors.Join(errs...)
}

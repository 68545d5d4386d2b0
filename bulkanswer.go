package minapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
)

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

package minapp

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/minapp-go/minapp/byoa"
	"github.com/minapp-go/minapp/internal/operation"
)

const (
	// moiPage is the size of a page when the caller names none. The service's
	// own default is 10, and it documents no maximum.
	moiPage = 100
	// maxMOIPages bounds a list that never ends.
	maxMOIPages = 10_000
)

// moiList is the body of the calls that list.
type moiList[S ~int] struct {
	Offset        int    `json:"offset"`
	Limit         int    `json:"limit"`
	TaskID        string `json:"task_id,omitempty"`
	Statuses      []S    `json:"statuses,omitempty"`
	Creator       string `json:"creator,omitempty"`
	ConnectorName string `json:"connector_name,omitempty"`
	OrderBy       string `json:"order_by"`
	Direction     string `json:"order_direction"`
}

// newMOIList checks what all lists have in common.
func newMOIList[S ~int](op operation.Operation, statuses []S, orderBy string, size, offset int) (moiList[S], error) {
	if size < 0 || offset < 0 {
		return moiList[S]{}, invalid(op, "PageSize %d or Offset %d is negative", size, offset)
	}
	by, latestFirst := strings.CutPrefix(cmp.Or(orderBy, byoa.OrderCreated), "-")
	if err := checkNames("OrderBy", []string{by}); err != nil {
		return moiList[S]{}, invalid(op, "%w", err)
	}
	list := moiList[S]{Offset: offset, Limit: cmp.Or(size, moiPage), Statuses: statuses, OrderBy: by, Direction: "asc"}
	if latestFirst {
		list.Direction = "desc"
	}
	return list, nil
}

// walkMOI yields the elements of a list of MOI. fetch gets the number of the page
// and the number of elements before it. The service has repeated elements at
// the edges of pages, and does not promise to honour a limit: what counts is
// what was received.
func walkMOI[E any](ctx context.Context, op operation.Operation, start int, id func(*E) string, fetch func(page, offset int) ([]*E, int64, error)) iter.Seq2[*E, error] {
	return func(yield func(*E, error) bool) {
		seen := map[string]bool{}
		offset := start
		promised := int64(math.MaxInt64) // the least total: elements come and go meanwhile
		for page := range maxMOIPages {
			elements, total, err := fetch(page, offset)
			if err != nil {
				yield(nil, err)
				return
			}
			offset += len(elements)
			before := len(seen)
			for _, e := range elements {
				if ctx.Err() != nil {
					yield(nil, context.Cause(ctx))
					return
				}
				if key := id(e); !seen[key] {
					seen[key] = true
					if !yield(e, nil) {
						return
					}
				}
			}
			got := int64(start + len(seen))
			if total > 0 {
				promised = min(promised, total)
			}
			switch {
			case total > 0 && got >= total, len(elements) == 0 && (got >= promised || promised == math.MaxInt64):
				return
			case len(elements) == 0:
				yield(nil, unreliable(op, "the list counts %d and ends after %d", promised, got))
				return
			case len(seen) == before:
				yield(nil, unreliable(op, "the list repeats itself after %d", got))
				return
			}
		}
		yield(nil, unreliable(op, "the list has not ended after %d pages", maxMOIPages))
	}
}

// unreliable is a success that is not what the documents promise.
func unreliable(op operation.Operation, format string, args ...any) error {
	return &Error{Op: op.Name, Method: op.Method, StatusCode: http.StatusOK, Err: fmt.Errorf("%w: "+format, append([]any{ErrProtocol}, args...)...)}
}

// wantIDs refuses a page with an element that has none: it could be neither
// told from others nor asked for.
func wantIDs[E any](op operation.Operation, page []*E, id func(*E) string) error {
	if slices.ContainsFunc(page, func(e *E) bool { return e == nil || id(e) == "" }) {
		return noID(op)
	}
	return nil
}

func noID(op operation.Operation) error { return unreliable(op, "no id in the answer") }

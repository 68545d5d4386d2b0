package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"
)

// Sender sends the calls of one client. It is immutable; derived clients share
// its transport and [Shared].
type Sender struct {
	Transport http.RoundTripper
	Timeout   time.Duration      // of one attempt, without the wait for its turn; 0 is none
	Surface   string             // "oserve" or "userve"
	Base      [services]*url.URL // by Service
	Header    http.Header        // of every request, never credentials
	Policy    Policy
	MaxBody   int64        // longest answer read, in bytes
	Pace      *Pace        // nil is no limit; applies to Minapp
	Logger    *slog.Logger // one line per attempt at debug level
	// PlainHTTP says to which hosts a download may go unencrypted.
	PlainHTTP func(host string) bool
	// Authorize sets the credentials of a request and returns what must not
	// show in errors.
	Authorize func(context.Context, Service, http.Header) (secrets []string, err error)
	*Shared
}

// Shared is the state that a client and those derived from it have in common.
type Shared struct {
	Requests, Retries, Throttled, Sent, Received atomic.Int64
	Waited                                       atomic.Int64 // nanoseconds
	gates                                        [services]gate
	paces                                        [services]Pace // of calls without a limit
	Exports                                      Turns          // of creating export jobs
}

// Meta tells how a call went.
type Meta struct {
	Status    int
	Header    http.Header
	Attempts  int
	RequestID string
}

// Result is the answer of a call that succeeded.
type Result struct {
	Status    int
	Attempts  int
	RequestID string
	Path      string // of the request, without the query
	Body      []byte // for MOI what is inside the envelope
	Again     bool   // an earlier attempt may have happened, too

	exchange *exchange
}

// Excerpt is what of the answer may show in an error: for a caller who cannot
// read it.
func (r *Result) Excerpt() []byte {
	if x := r.exchange; x.op.Secret || x.isToken() {
		return nil
	}
	return excerpt(r.Body, r.exchange.secrets)
}

// Do sends one call, repeats it as its operation allows, and answers the raw
// body. Every error is a *Failure.
func (s *Sender) Do(ctx context.Context, op Operation, call Call) (*Result, error) {
	req, secrets, err := s.request(ctx, op, call)
	if err != nil {
		return nil, &Failure{Op: op.Name, Method: op.Method, Unsent: true, Err: err}
	}
	x := &exchange{sender: s, op: op, call: call, policy: s.Policy, secrets: append(slices.Clip(secrets), call.Secrets...), path: req.URL.Path}
	x.last = &x.none
	if call.Policy != nil {
		x.policy = *call.Policy
	}
	result, failure := x.run(req)
	if call.Meta != nil {
		*call.Meta = x.meta()
	}
	if failure != nil {
		return nil, failure
	}
	return result, nil
}

package api

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/minapp-go/minapp/internal/answer"
	"github.com/minapp-go/minapp/internal/attempt"
	"github.com/minapp-go/minapp/internal/download"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/pace"
	"github.com/minapp-go/minapp/internal/redact"
)

// exchange is one call on its way: all its attempts and what is known of them.
// It is its own transport, so that each attempt is paced and traced, and so
// that retryablehttp cannot close the idle connections of the others.
type exchange struct {
	sender  *Sender
	op      operation.Operation
	call    Call
	policy  Policy
	secrets []string
	path    string
	file    *download.File // nil for every call but a download

	attempts   int
	useful     int              // attempts whose repetition does not count, because they brought something
	last       *attempt.Attempt // that was made; &none if none was
	none       attempt.Attempt  // that was never handed over
	mayHaveRun bool             // an attempt may have reached its end on the service
	again      bool             // another attempt is wanted…
	delay      time.Duration
	query      string // of that attempt, if not that of the first one
}

// run makes the attempts.
func (x *exchange) run(req *http.Request) (*Result, *Failure) {
	err := x.loop(&retryablehttp.Request{Request: req})
	if x.last.Verdict != attempt.Done {
		return nil, x.failure(req.Context(), err)
	}
	return &Result{
		Status: x.last.Status, Attempts: x.attempts, RequestID: answer.RequestID(x.last.Header),
		Path: x.path, Body: x.last.Body, Again: x.mayHaveRun, exchange: x,
	}, nil
}

// loop drives retryablehttp, whose loop, timer and body rewinding are used, and
// none of its policies: they repeat creates, lose the last answer, sleep any
// Retry-After and add no jitter. Its error is one outside of the attempts: of
// the pace, of opening the body, or of the context between two of them.
func (x *exchange) loop(r *retryablehttp.Request) error {
	if err := x.setBody(r); err != nil {
		return err
	}
	client := &retryablehttp.Client{
		HTTPClient:   &http.Client{Transport: x},
		RetryMax:     math.MaxInt, // decide counts
		CheckRetry:   func(_ context.Context, _ *http.Response, err error) (bool, error) { return err == nil && x.again, nil },
		Backoff:      func(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return x.delay },
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	_, err := client.Do(r) //nolint:bodyclose // it is that of RoundTrip, and empty
	return redact.URL(err)
}

// setBody hands over a function, never a reader: a reader would be buffered.
// The length is set afterwards, because a file has none that can be asked for.
func (x *exchange) setBody(r *retryablehttp.Request) error {
	body := x.call.Body
	if body.Open == nil {
		return nil
	}
	err := r.SetBody(retryablehttp.ReaderFunc(func() (io.Reader, error) {
		stream, err := body.Open()
		if err != nil || body.Size >= 0 {
			return stream, err
		}
		return &counted{stream, &x.sender.Sent}, nil
	}))
	r.ContentLength = body.Size
	return err
}

// counted counts a body whose length nobody knows before it is sent.
type counted struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

// RoundTrip makes one attempt when the pace allows it. What came of it stays in
// x.last: net/http, which would look for the way of a redirect, and the loop,
// which would lose the last answer, are given one that says nothing.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := x.wait(ctx); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	x.count(req)
	x.last = x.send(req)
	x.last.Err = redact.Error(x.last.Err, append(slices.Clip(x.secrets), req.URL.RawQuery))
	x.decide(ctx)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// wait waits for the turn of an attempt.
func (x *exchange) wait(ctx context.Context) error {
	start := time.Now()
	defer func() { x.sender.Waited.Add(int64(time.Since(start))) }()
	line, n := &x.sender.lines[x.op.Service], 1+x.call.Cost
	if x.op.Service == operation.Minapp && x.sender.Line != nil {
		line = x.sender.Line
	}
	if err := line.Admits(n); err != nil {
		return fmt.Errorf("%w: %w", operation.ErrInvalid, err)
	}
	return line.Wait(ctx, &x.sender.gates[x.op.Service], n)
}

func (x *exchange) count(req *http.Request) {
	x.attempts++
	x.sender.Requests.Add(1)
	if x.attempts > 1 {
		x.sender.Retries.Add(1)
	}
	x.sender.Sent.Add(max(0, req.ContentLength))
}

// decide judges the last attempt and says whether and when there is another.
func (x *exchange) decide(ctx context.Context) {
	a := x.last
	a.Judge(ctx, x.op)
	switch {
	case x.goneAlready():
		a.Verdict = attempt.Done
	case x.file != nil && x.file.Stopped:
		a.Verdict = attempt.Broken
	}
	x.mayHaveRun = x.mayHaveRun || a.Verdict == attempt.Uncertain || a.Verdict == attempt.Broken
	x.log(ctx)
	tries := x.attempts - x.useful
	delay, ok := x.policy.delay(tries, a.RetryAfter)
	x.again = ok && x.repeatable() && tries < x.policy.MaxAttempts && !pace.PastDeadline(ctx, delay)
	x.delay = delay
	if gateway := a.Status == http.StatusBadGateway || a.Status == http.StatusGatewayTimeout; gateway && x.again && x.call.Shrink != nil {
		x.query = x.call.Shrink().Encode()
	}
	if a.Verdict == attempt.Throttled {
		x.sender.Throttled.Add(1)
		x.sender.gates[x.op.Service].Hold(min(delay, x.policy.MaxDelay))
		x.delay = 0 // it waits at the gate, with everybody else
	}
}

// goneAlready is the 404 of a delete that an earlier attempt has carried out.
func (x *exchange) goneAlready() bool {
	return x.last.Status == http.StatusNotFound && x.mayHaveRun &&
		x.op.Method == http.MethodDelete && x.op.Answer == operation.None
}

func (x *exchange) repeatable() bool {
	switch x.last.Verdict {
	case attempt.Throttled, attempt.Unsent:
		return true
	case attempt.Uncertain:
		return x.call.Replay || !x.call.Once && x.op.Safety != operation.Once
	default:
		return false
	}
}

// log writes one line per attempt from an allow-list: no query, body or header.
func (x *exchange) log(ctx context.Context) {
	if !x.sender.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("op", x.op.Name),
		slog.String("method", x.op.Method),
		slog.String("path", x.path),
		slog.Int("attempt", x.attempts),
		slog.Int("status", x.last.Status),
	}
	if x.last.Err != nil {
		attrs = append(attrs, slog.String("error", x.last.Err.Error()))
	}
	x.sender.Logger.LogAttrs(ctx, slog.LevelDebug, "minapp: attempt", attrs...)
}

func (x *exchange) meta() Meta {
	header := x.last.Header.Clone()
	header.Del("Set-Cookie")
	return Meta{Status: x.last.Status, Header: header, Attempts: x.attempts, RequestID: answer.RequestID(x.last.Header)}
}

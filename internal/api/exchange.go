package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// exchange is one call on its way: all its attempts and what is known of them.
// It is its own transport, so that each attempt is paced and traced, and so
// that retryablehttp cannot close the idle connections of the others.
type exchange struct {
	sender  *Sender
	op      Operation
	call    Call
	policy  Policy
	secrets []string
	path    string
	file    *file // what a download is about; nil for every other call

	attempts   int
	useful     int      // attempts whose repetition does not count, because they brought something
	last       *attempt // that was made; &none if none was
	none       attempt  // that was never handed over
	mayHaveRun bool     // an attempt may have reached its end on the service
	again      bool     // another attempt is wanted…
	delay      time.Duration
	query      string // of that attempt, if not that of the first one
}

// run makes the attempts.
func (x *exchange) run(req *http.Request) (*Result, *Failure) {
	err := x.loop(&retryablehttp.Request{Request: req})
	if x.last.verdict != done {
		return nil, x.failure(req.Context(), err)
	}
	return &Result{
		Status: x.last.status, Attempts: x.attempts, RequestID: requestID(x.last.header),
		Path: x.path, Body: x.last.body, Again: x.mayHaveRun, exchange: x,
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
	return unwrapURL(err)
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
	if err := x.pace(ctx); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	x.count(req)
	x.last = x.attempt(req)
	x.decide(ctx)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// pace waits for the turn of an attempt.
func (x *exchange) pace(ctx context.Context) error {
	start := time.Now()
	defer func() { x.sender.Waited.Add(int64(time.Since(start))) }()
	pace := &x.sender.paces[x.op.Service]
	if x.op.Service == Minapp && x.sender.Pace != nil {
		pace = x.sender.Pace
	}
	return pace.wait(ctx, &x.sender.gates[x.op.Service], 1+x.call.Cost)
}

func (x *exchange) count(req *http.Request) {
	x.attempts++
	x.sender.Requests.Add(1)
	if x.attempts > 1 {
		x.sender.Retries.Add(1)
	}
	x.sender.Sent.Add(max(0, req.ContentLength))
}

// attempt sends the request and reads the answer, both within the time-out. A
// download has none: a long file takes its time, and the context ends it.
func (x *exchange) attempt(req *http.Request) *attempt {
	a := &attempt{redirect: errRedirect}
	a.trace.GetConn = func(string) { a.connecting.Store(true) }
	a.trace.GotConn = func(httptrace.GotConnInfo) { a.connected.Store(true) }
	ctx := httptrace.WithClientTrace(req.Context(), &a.trace)
	if x.sender.Timeout > 0 && x.file == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, x.sender.Timeout)
		defer cancel()
	}
	req = req.WithContext(ctx)
	if x.query != "" {
		u := *req.URL
		u.RawQuery = x.query
		req.URL = &u
	}
	resp, err := x.transport(req)
	if err == nil && x.op.Follow {
		resp, err = x.follow(a, req, resp) //nolint:bodyclose // readBody closes it
	}
	if err != nil {
		a.err = unwrapURL(err)
		return a
	}
	a.status, a.header, a.retryAfter = resp.StatusCode, resp.Header, retryAfter(resp.Header, time.Now())
	if x.file != nil {
		a.err = x.takeFile(resp)
		return a
	}
	a.body, a.err = readBody(resp, x.sender.MaxBody)
	x.sender.Received.Add(int64(len(a.body)))
	return a
}

// transport sends one request, or for a download as many as lead to the file,
// and forgives a transport what net/http forgives.
func (x *exchange) transport(req *http.Request) (*http.Response, error) {
	if x.file != nil {
		return x.file.fetch(x.sender, req)
	}
	resp, err := x.sender.Transport.RoundTrip(req)
	switch {
	case err != nil:
		return nil, err
	case resp == nil:
		return nil, errors.New("the transport gave neither an answer nor an error")
	case resp.Body == nil:
		resp.Body = http.NoBody
	}
	return resp, nil
}

// decide judges the last attempt and says whether and when there is another.
func (x *exchange) decide(ctx context.Context) {
	a := x.last
	a.verdict = a.judge(ctx, x.op)
	switch {
	case x.goneAlready():
		a.verdict = done
	case x.file != nil && x.file.stopped:
		a.verdict = broken
	}
	x.mayHaveRun = x.mayHaveRun || a.verdict == uncertain || a.verdict == broken
	x.log(ctx)
	tries := x.attempts - x.useful
	delay, ok := x.policy.delay(tries, a.retryAfter)
	x.again = ok && x.repeatable() && tries < x.policy.MaxAttempts && !pastDeadline(ctx, delay)
	x.delay = delay
	if gateway := a.status == http.StatusBadGateway || a.status == http.StatusGatewayTimeout; gateway && x.again && x.call.Shrink != nil {
		x.query = x.call.Shrink().Encode()
	}
	if a.verdict == throttled {
		x.sender.Throttled.Add(1)
		x.sender.gates[x.op.Service].hold(min(delay, x.policy.MaxDelay))
		x.delay = 0 // it waits at the gate, with everybody else
	}
}

// goneAlready is the 404 of a delete that an earlier attempt has carried out.
func (x *exchange) goneAlready() bool {
	return x.last.status == http.StatusNotFound && x.mayHaveRun &&
		x.op.Method == http.MethodDelete && x.op.Answer == None
}

func (x *exchange) repeatable() bool {
	switch x.last.verdict {
	case throttled, unsent:
		return true
	case uncertain:
		return x.call.Replay || !x.call.Once && x.op.Safety != Once
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
		slog.Int("status", x.last.status),
	}
	if x.last.err != nil {
		attrs = append(attrs, slog.String("error", x.last.err.Error()))
	}
	x.sender.Logger.LogAttrs(ctx, slog.LevelDebug, "minapp: attempt", attrs...)
}

func (x *exchange) meta() Meta {
	header := x.last.header.Clone()
	header.Del("Set-Cookie")
	return Meta{Status: x.last.status, Header: header, Attempts: x.attempts, RequestID: requestID(x.last.header)}
}

// requestID reads the header that services commonly use; the documents of
// neither name one (inferred).
func requestID(h http.Header) string { return h.Get("X-Request-Id") }

// failure tells the end of a call; err is that of the loop.
func (x *exchange) failure(ctx context.Context, err error) *Failure {
	a := x.last
	f := &Failure{
		Op: x.op.Name, Method: x.op.Method, Path: x.path,
		Status: a.status, RequestID: requestID(a.header),
		RetryAfter: a.retryAfter, Attempts: x.attempts,
		Unknown: x.mayHaveRun && x.op.Safety != Read,
		Unsent:  !x.mayHaveRun && a.status == 0,
		Cut:     a.verdict == uncertain && a.status/100 == 2,
	}
	if !x.isToken() {
		f.describe(a.body, x.secrets)
	}
	if x.op.Secret {
		f.Body = nil
		if !json.Valid(a.body) {
			f.Message = ""
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		f.Ended, err = true, cause
	}
	f.Err = joinCause(err, a.err)
	return f
}

// isToken reports an answer that stays out of errors altogether.
func (x *exchange) isToken() bool { return x.op.Service == OAuth && x.last.status < 400 }

// joinCause puts why a call ended in front of what its last attempt ended with.
func joinCause(cause, last error) error {
	switch {
	case cause == nil || errors.Is(last, cause):
		return last
	case last == nil:
		return cause
	}
	return fmt.Errorf("%w (%w)", cause, last)
}

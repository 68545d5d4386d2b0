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
	useful     int // attempts whose repetition does not count, because they brought something
	last       attempt
	verdict    verdict
	mayHaveRun bool // an attempt may have reached its end on the service
	delay      time.Duration
	retryAfter time.Duration
	connecting atomic.Bool // written by the tracer, which runs on other goroutines
	connected  atomic.Bool
	handed     bool
	redirect   error // why a redirect was not followed
}

// run drives retryablehttp, whose loop, timer and body rewinding are used, and
// none of its policies: they repeat creates, lose the last answer, sleep any
// Retry-After and add no jitter.
func (x *exchange) run(req *http.Request) (*Result, *Failure) {
	r := &retryablehttp.Request{Request: req}
	if err := x.setBody(r); err != nil {
		return nil, x.failure(req.Context(), err)
	}
	loop := &retryablehttp.Client{
		HTTPClient:   &http.Client{Transport: x, Timeout: x.sender.Timeout, CheckRedirect: refuseRedirect},
		RetryMax:     math.MaxInt, // check counts
		CheckRetry:   x.check,
		Backoff:      func(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return x.delay },
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	if x.file != nil {
		loop.HTTPClient.Timeout = 0 // a long file takes its time, and the context ends it
	}
	_, err := loop.Do(r) //nolint:bodyclose // check has read and closed it
	if x.attempts > 0 && x.verdict == done {
		return &Result{Meta: x.meta(), Body: x.last.body, Again: x.mayHaveRun}, nil
	}
	return nil, x.failure(req.Context(), err)
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

func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// RoundTrip sends one attempt when the pace allows it.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	x.last = attempt{}
	x.handed = false
	x.connecting.Store(false)
	x.connected.Store(false)
	x.redirect = errRedirect
	if err := x.pace(req.Context()); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	x.count(req)
	x.handed = true
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { x.connecting.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { x.connected.Store(true) },
	})
	if x.file != nil {
		return x.file.fetch(x.sender, req.WithContext(ctx))
	}
	resp, err := x.sender.Transport.RoundTrip(req.WithContext(ctx))
	if err == nil && x.op.Follow {
		resp, err = x.follow(req.WithContext(ctx), resp)
	}
	if err == nil && isRedirect(resp.StatusCode) {
		// Before it asks refuseRedirect, net/http reads the address, and makes
		// of one that is malformed an error that shows it and hides the answer.
		resp.Header = resp.Header.Clone()
		resp.Header.Del("Location")
	}
	return resp, err
}

// pace waits for the gate that a 429 closes, then for the limiter, once for
// the request and once more for every further request that it is billed as.
func (x *exchange) pace(ctx context.Context) error {
	start := time.Now()
	defer func() { x.sender.Waited.Add(int64(time.Since(start))) }()
	if err := x.sender.gates[x.op.Service].wait(ctx); err != nil {
		return err
	}
	if x.sender.Limiter == nil || x.op.Service != Minapp {
		return nil
	}
	for range 1 + x.call.Cost {
		if err := x.sender.Limiter.Wait(ctx); err != nil {
			return fmt.Errorf("waiting for the limiter: %w", err)
		}
	}
	return nil
}

func (x *exchange) count(req *http.Request) {
	x.attempts++
	x.sender.Requests.Add(1)
	if x.attempts > 1 {
		x.sender.Retries.Add(1)
	}
	x.sender.Sent.Add(max(0, req.ContentLength))
}

// check is called by the loop after every attempt; it decides on the next.
func (x *exchange) check(ctx context.Context, resp *http.Response, err error) (bool, error) {
	x.observe(resp, err)
	x.verdict = x.last.judge(ctx, x.op)
	switch {
	case x.goneAlready():
		x.verdict = done
	case x.file != nil && x.file.stopped:
		x.verdict = broken
	}
	x.mayHaveRun = x.mayHaveRun || x.verdict == uncertain || x.verdict == broken
	x.log(ctx)
	if x.verdict == throttled {
		x.sender.Throttled.Add(1)
	}
	if !x.repeatable() {
		return false, nil
	}
	tries := x.attempts - x.useful
	delay, ok := x.policy.delay(tries, x.retryAfter)
	if x.verdict == throttled {
		x.sender.gates[x.op.Service].hold(min(delay, x.policy.MaxDelay))
	}
	if !ok || pastDeadline(ctx, delay) {
		return false, nil
	}
	x.delay = delay
	return tries < x.policy.MaxAttempts, nil
}

// observe keeps what the attempt brought. The body is read here, so that a cut
// one can be repeated and the last one is not lost when the loop gives up.
func (x *exchange) observe(resp *http.Response, err error) {
	x.last = attempt{
		handed: x.handed, connecting: x.connecting.Load(), connected: x.connected.Load(),
		redirect: x.redirect, err: unwrapURL(err),
	}
	x.retryAfter = 0
	if err != nil || resp == nil {
		return
	}
	x.last.status, x.last.header = resp.StatusCode, resp.Header
	x.retryAfter = retryAfter(resp.Header, time.Now())
	if x.file != nil {
		x.observeFile(resp)
	} else {
		x.last.body, x.last.err = readBody(resp, x.sender.MaxBody)
		x.sender.Received.Add(int64(len(x.last.body)))
	}
	resp.Body = http.NoBody
}

// goneAlready is the 404 of a delete that an earlier attempt has carried out.
func (x *exchange) goneAlready() bool {
	return x.last.status == http.StatusNotFound && x.mayHaveRun &&
		x.op.Method == http.MethodDelete && x.op.Answer == None
}

func (x *exchange) repeatable() bool {
	switch x.verdict {
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

// failure tells the end of a call. err is what the loop returned: it matters
// only when the loop ended outside of an attempt, by cancellation.
func (x *exchange) failure(ctx context.Context, err error) *Failure {
	f := &Failure{
		Op: x.op.Name, Method: x.op.Method, Path: x.path,
		Status: x.last.status, RequestID: requestID(x.last.header),
		RetryAfter: x.retryAfter, Attempts: x.attempts,
		Unknown: x.mayHaveRun && x.op.Safety != Read,
		Err:     x.last.err,
	}
	f.Unsent = !x.mayHaveRun && x.last.status == 0
	if x.last.status >= 400 || x.last.status != 0 && x.op.Service != OAuth { // a token stays out of errors
		f.describe(x.last.body, x.secrets)
	}
	if x.op.Secret {
		f.Body = nil
		if !json.Valid(x.last.body) {
			f.Message = ""
		}
	}
	switch cause := context.Cause(ctx); {
	case cause != nil:
		f.Ended = true
		if !errors.Is(f.Err, cause) {
			f.Err = joinCause(cause, f.Err)
		}
	case x.attempts == 0 && f.Err == nil:
		f.Err = unwrapURL(err)
	}
	return f
}

func joinCause(cause, last error) error {
	if last == nil {
		return cause
	}
	return fmt.Errorf("%w (%w)", cause, last)
}

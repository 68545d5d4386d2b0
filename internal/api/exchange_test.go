package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/internal/answer"
	"github.com/minapp-go/minapp/internal/attempt"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/pace"
)

// step plays one attempt of a scripted transport.
type step func(*http.Request) (*http.Response, error)

// script is a transport that plays its steps in turn and counts. The last
// step repeats.
type script struct {
	mu     sync.Mutex
	steps  []step
	calls  int
	closed int
	bodies []string
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		data, _ := io.ReadAll(r.Body)
		r.Body.Close()
		s.bodies = append(s.bodies, string(data))
	}
	s.mu.Lock()
	next := s.steps[min(s.calls, len(s.steps)-1)]
	s.calls++
	s.mu.Unlock()
	return next(r)
}

func (s *script) CloseIdleConnections() { s.closed++ }

func answering(status int, body string, header ...string) step {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{
			StatusCode: status, Header: h, Request: r, ContentLength: int64(len(body)),
			Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	}
}

func cut(status int, body string) step {
	return func(r *http.Request) (*http.Response, error) {
		resp, _ := answering(status, body)(r)
		resp.ContentLength += 10
		return resp, nil
	}
}

// failing ends an attempt with an error after the connection was asked for
// and, if got, obtained.
func failing(err error, asked, got bool) step {
	return func(r *http.Request) (*http.Response, error) {
		trace := httptrace.ContextClientTrace(r.Context())
		if asked {
			trace.GetConn("host:443")
		}
		if got {
			trace.GotConn(httptrace.GotConnInfo{})
		}
		return nil, err
	}
}

func newSender(t *testing.T, rt http.RoundTripper, base string) *Sender {
	t.Helper()
	u, err := url.Parse(base)
	require.NoError(t, err)
	return &Sender{
		Transport: rt, Surface: "oserve", Base: [operation.Services]*url.URL{u, u, u}, Header: http.Header{"User-Agent": {"test"}},
		Policy: Policy{MaxAttempts: 4, MinDelay: 500 * time.Millisecond, MaxDelay: 30 * time.Second}, MaxBody: 1 << 20,
		Logger: slog.New(slog.DiscardHandler), Shared: new(Shared),
		Authorize: func(_ context.Context, s operation.Service, h http.Header) ([]string, error) {
			h.Set(map[operation.Service]string{operation.Minapp: "Authorization", operation.MOI: "moi-key"}[s], "s3cret")
			return []string{"s3cret"}, nil
		},
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

var (
	read       = operation.Operation{Name: "test.read", Method: "GET", Path: "/{surface}/thing/{id}/", Safety: operation.Read}
	idempotent = operation.Operation{Name: "test.put", Method: "PUT", Path: "/{surface}/thing/{id}/", Safety: operation.Idempotent}
	remove     = operation.Operation{Name: "test.delete", Method: "DELETE", Path: "/{surface}/thing/{id}/", Safety: operation.Idempotent, Answer: operation.None}
	create     = operation.Operation{Name: "test.create", Method: "POST", Path: "/{surface}/thing/{id}/", Safety: operation.Once}
	moiRead    = operation.Operation{Name: "test.moi", Method: "POST", Path: "/thing/{id}", Safety: operation.Read, Service: operation.MOI}
)

var errReset = errors.New("connection reset")

// The rule that everything hangs on: what is repeated depends on the operation
// and on what the attempt can have done.
func TestRepetitionByOperation(t *testing.T) {
	const ok = `{"id":"1"}`
	type want struct {
		calls   int
		success bool
		unknown bool
	}
	tests := []struct {
		name                     string
		first                    step // then the service recovers
		read, idempotent, create want
	}{
		{"500", answering(500, ``), want{2, true, false}, want{2, true, false}, want{1, false, true}},
		{"502", answering(502, `<html>`), want{2, true, false}, want{2, true, false}, want{1, false, true}},
		{"503", answering(503, ``), want{2, true, false}, want{2, true, false}, want{1, false, true}},
		{"504", answering(504, ``), want{2, true, false}, want{2, true, false}, want{1, false, true}},
		{"501", answering(501, ``), want{1, false, false}, want{1, false, true}, want{1, false, true}},
		{"429", answering(429, ``), want{2, true, false}, want{2, true, false}, want{2, true, false}},
		{"400", answering(400, `{"error_msg":"no"}`), want{1, false, false}, want{1, false, false}, want{1, false, false}},
		{"307", answering(307, ``, "Location", "/x"), want{1, false, false}, want{1, false, false}, want{1, false, false}},
		{"not connected", failing(errReset, true, false), want{2, true, false}, want{2, true, false}, want{2, true, false}},
		{"reset after connecting", failing(errReset, true, true), want{2, true, false}, want{2, true, false}, want{1, false, true}},
		{"error without evidence", failing(errReset, false, false), want{2, true, false}, want{2, true, false}, want{1, false, true}},
		{"unknown host", failing(&net.DNSError{Err: "no such host", IsNotFound: true}, true, false), want{1, false, false}, want{1, false, false}, want{1, false, false}},
		{"answer cut by the network", cut(200, `{"id":`), want{2, true, false}, want{2, true, false}, want{1, false, true}},
		{"half a JSON value", answering(200, `{"id":"1"`), want{2, true, false}, want{2, true, false}, want{1, false, true}},
		{"empty 200", answering(200, ``), want{1, false, false}, want{1, false, true}, want{1, false, true}},
		{"HTML with 200", answering(200, `<html>login</html>`), want{1, false, false}, want{1, false, true}, want{1, false, true}},
		{"201", answering(201, ok), want{1, true, false}, want{1, true, false}, want{1, true, false}},
	}
	for _, tt := range tests {
		for op, want := range map[*operation.Operation]want{&read: tt.read, &idempotent: tt.idempotent, &create: tt.create} {
			t.Run(tt.name+"/"+op.Safety.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &script{steps: []step{tt.first, answering(200, ok)}}
					res, err := newSender(t, s, "https://host").Do(t.Context(), *op, Call{Path: []string{"1"}, Body: JSONBody([]byte(`{}`))})
					assert.Equal(t, want.calls, s.calls, "requests")
					assert.Equal(t, want.success, err == nil, "success, error is %v", err)
					if want.success {
						assert.JSONEq(t, ok, string(res.Body))
						return
					}
					f := errorAs[*Failure](t, err)
					assert.Equal(t, want.unknown, f.Unknown, "unknown")
					assert.Equal(t, want.calls, f.Attempts)
				})
			})
		}
	}
}

func errorAs[E error](t *testing.T, err error) E {
	t.Helper()
	e, ok := errors.AsType[E](err)
	require.True(t, ok, "error is %v", err)
	return e
}

func TestReplayMakesACreateRepeatable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{answering(503, ``), answering(201, `{}`)}}
		_, err := newSender(t, s, "https://host").Do(t.Context(), create, Call{Path: []string{"1"}, Replay: true})
		require.NoError(t, err)
		assert.Equal(t, 2, s.calls)
	})
}

func TestRefusalAfterAnUncertainAttemptStaysUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{answering(503, ``), answering(400, `{"error_msg":"duplicate"}`)}}
		_, err := newSender(t, s, "https://host").Do(t.Context(), create, Call{Path: []string{"1"}, Replay: true})
		f := errorAs[*Failure](t, err)
		assert.True(t, f.Unknown, "the first attempt may have written the row that the second met")
		assert.Equal(t, "duplicate", f.Message)
	})
}

func TestUnrepeatableBodyOfAnIdempotentOperation(t *testing.T) {
	s := &script{steps: []step{answering(503, ``)}}
	_, err := newSender(t, s, "https://host").Do(t.Context(), idempotent, Call{Path: []string{"1"}, Once: true})
	assert.Equal(t, 1, s.calls)
	assert.True(t, errorAs[*Failure](t, err).Unknown)
}

func TestDeleteMeets404(t *testing.T) {
	tests := []struct {
		name    string
		first   step
		success bool
	}{
		{"at once", answering(404, ``), false},
		{"after a 429, which did nothing", answering(429, ``), false},
		{"after an attempt that never connected", failing(errReset, true, false), false},
		{"after an attempt that may have deleted", failing(errReset, true, true), true},
		{"after a 502", answering(502, ``), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: []step{tt.first, answering(404, ``)}}
				_, err := newSender(t, s, "https://host").Do(t.Context(), remove, Call{Path: []string{"1"}})
				assert.Equal(t, tt.success, err == nil, "error is %v", err)
			})
		})
	}
}

// Pitfall of the library: giving up throws the last answer away.
func TestLastAnswerIsKeptWhenGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{answering(503, `{"error_msg":"busy"}`, "X-Request-Id", "r7", "Retry-After", "2")}}
		var meta Meta
		_, err := newSender(t, s, "https://host").Do(t.Context(), read, Call{Path: []string{"1"}, Meta: &meta})
		f := errorAs[*Failure](t, err)
		assert.Equal(t, 4, s.calls)
		assert.Equal(t, Failure{
			Op: "test.read", Method: "GET", Path: "/oserve/thing/1/", Status: 503, Message: "busy", RequestID: "r7",
			RetryAfter: 2 * time.Second, Attempts: 4, Body: []byte(`{"error_msg":"busy"}`),
		}, *f)
		assert.Equal(t, 4, meta.Attempts)
		assert.Equal(t, 503, meta.Status)
	})
}

// The cookies of an answer are credentials: no one may find them in a log of Meta.
func TestMetaHasTheHeaderOfTheAnswerWithoutItsCookies(t *testing.T) {
	s := &script{steps: []step{answering(200, `{}`, "Set-Cookie", "session=s3cret", "X-Request-Id", "r7")}}
	var meta Meta
	_, err := newSender(t, s, "https://host").Do(t.Context(), read, Call{Path: []string{"1"}, Meta: &meta})
	require.NoError(t, err)
	assert.Equal(t, Meta{Status: 200, Header: http.Header{"X-Request-Id": {"r7"}}, Attempts: 1, RequestID: "r7"}, meta)
}

// Pitfall of the library: giving up, or a cancelled wait, closes the idle
// connections of everybody.
func TestIdleConnectionsSurviveAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{answering(503, ``)}}
		sender := newSender(t, s, "https://host")
		_, err := sender.Do(t.Context(), read, Call{Path: []string{"1"}})
		require.Error(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		_, err = sender.Do(ctx, read, Call{Path: []string{"1"}})
		require.ErrorIs(t, err, context.Canceled)
		assert.Zero(t, s.closed)
	})
}

// Pitfall of the library: any Retry-After is slept, an hour or a century.
func TestRetryAfter(t *testing.T) {
	tests := []struct {
		name    string
		value   string
		timeout time.Duration
		calls   int
		waited  time.Duration // 0: the default back-off
		figure  time.Duration // in the error
	}{
		{"seconds", "3", 0, 2, 3 * time.Second, 0},
		{"date", "Sat, 01 Jan 2000 00:00:20 GMT", 0, 2, 20 * time.Second, 0}, // bubbles begin at 2000-01-01
		{"above the policy", "3600", 0, 1, 0, time.Hour},
		{"absurd", "99999999999999999999999", 0, 1, 0, 1<<63 - 1},
		{"after the deadline", "10", 5 * time.Second, 1, 0, 10 * time.Second},
		{"malformed", "soon", 0, 2, 0, 0},
		{"negative", "-5", 0, 2, 0, 0},
		{"past date", "Fri, 31 Dec 1999 00:00:00 GMT", 0, 2, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, start := t.Context(), time.Now()
				if tt.timeout > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.timeout)
					defer cancel()
				}
				s := &script{steps: []step{answering(429, ``, "Retry-After", tt.value), answering(200, `{}`)}}
				_, err := newSender(t, s, "https://host").Do(ctx, create, Call{Path: []string{"1"}})
				assert.Equal(t, tt.calls, s.calls)
				if tt.calls == 1 {
					assert.Equal(t, tt.figure, errorAs[*Failure](t, err).RetryAfter)
					assert.Zero(t, time.Since(start), "a hopeless wait must not begin")
				} else if require.NoError(t, err); tt.waited > 0 {
					assert.Equal(t, tt.waited, time.Since(start))
				} else {
					assert.LessOrEqual(t, time.Since(start), 500*time.Millisecond+1)
				}
			})
		})
	}
}

// Pitfall of the library: its back-off has no jitter.
func TestBackOffIsExponentialWithFullJitter(t *testing.T) {
	p := Policy{MaxAttempts: 9, MinDelay: time.Second, MaxDelay: 10 * time.Second}
	for n, ceiling := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 5: 10 * time.Second, 60: 10 * time.Second} {
		distinct, low := map[time.Duration]bool{}, false
		for range 200 {
			d, ok := p.delay(n, 0)
			require.True(t, ok)
			require.Positive(t, d)
			require.LessOrEqual(t, d, ceiling)
			distinct[d] = true
			low = low || d < ceiling/2
		}
		assert.Greater(t, len(distinct), 100)
		assert.True(t, low, "full jitter reaches below half of %s", ceiling)
	}
}

// The wait after attempt n is any of 1 to MinDelay << (n-1), and after that any
// up to MaxDelay.
func TestBackOffReachesItsBoundsAndNoFurther(t *testing.T) {
	p := Policy{MaxAttempts: 9, MinDelay: 1, MaxDelay: 3}
	for n, want := range map[int][]time.Duration{1: {1}, 2: {1, 2}, 3: {1, 2, 3}, 4: {1, 2, 3}} {
		var met []time.Duration
		for range 200 {
			d, _ := p.delay(n, 0)
			met = append(met, d)
		}
		slices.Sort(met)
		assert.Equal(t, want, slices.Compact(met), "after attempt %d", n)
	}
}

// Pitfall of the library: bodies are buffered, and their length is lost.
func TestBodyIsReopenedForEveryAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened, closed := 0, 0
		body := Body{Type: "text/plain", Size: 5, Open: func() (io.ReadCloser, error) {
			opened++
			return &closeCounter{strings.NewReader("hello"), &closed}, nil
		}}
		var lengths []int64
		s := &script{}
		s.steps = []step{func(r *http.Request) (*http.Response, error) {
			lengths = append(lengths, r.ContentLength)
			return answering(map[bool]int{true: 200, false: 503}[s.calls == 3], `{}`)(r)
		}}
		_, err := newSender(t, s, "https://host").Do(t.Context(), idempotent, Call{Path: []string{"1"}, Body: body})
		require.NoError(t, err)
		assert.Equal(t, []string{"hello", "hello", "hello"}, s.bodies)
		assert.Equal(t, []int64{5, 5, 5}, lengths)
		assert.Equal(t, 4, opened, "once per attempt, and once when the library looks at it")
		assert.Equal(t, opened, closed)
	})
}

type closeCounter struct {
	io.Reader
	closed *int
}

func (c *closeCounter) Close() error { *c.closed++; return nil }

func TestBodyThatCannotBeOpenedIsNotSent(t *testing.T) {
	s := &script{steps: []step{answering(200, `{}`)}}
	gone := errors.New("file vanished")
	_, err := newSender(t, s, "https://host").Do(t.Context(), idempotent, Call{
		Path: []string{"1"},
		Body: Body{Open: func() (io.ReadCloser, error) { return nil, gone }},
	})
	require.ErrorIs(t, err, gone)
	assert.True(t, errorAs[*Failure](t, err).Unsent)
	assert.Zero(t, s.calls)
}

// Pitfall of the library: redirects happen inside, and Go sends custom headers
// such as moi-key on to another host.
func TestRedirectsAreRefusedAndCarryNothing(t *testing.T) {
	var reached atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, op := range []operation.Operation{read, idempotent, create, remove, moiRead} {
			t.Run(fmt.Sprint(status, op.Name), func(t *testing.T) {
				var requests atomic.Int64
				origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					requests.Add(1)
					w.Header().Set("Location", other.URL)
					w.WriteHeader(status)
				}))
				defer origin.Close()
				_, err := newSender(t, http.DefaultTransport, origin.URL).Do(t.Context(), op, Call{Path: []string{"1"}})
				f := errorAs[*Failure](t, err)
				assert.Equal(t, status, f.Status)
				assert.ErrorIs(t, err, attempt.ErrRedirect)
				assert.False(t, f.Unknown)
				assert.EqualValues(t, 1, requests.Load())
			})
		}
	}
	assert.Zero(t, reached.Load())
}

// Pitfall of the library: a client time-out counts per attempt and is
// repeated; the context ends everything at once.
func TestContextEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(r *http.Request) (*http.Response, error) {
			trace := httptrace.ContextClientTrace(r.Context())
			trace.GetConn("host:443")
			trace.GotConn(httptrace.GotConnInfo{})
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		}
		s := &script{steps: []step{hang}}
		why := errors.New("user left")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		start := time.Now()
		_, err := newSender(t, s, "https://host").Do(ctx, create, Call{Path: []string{"1"}})
		require.ErrorIs(t, err, why)
		assert.True(t, errorAs[*Failure](t, err).Unknown, "the service may have read the request")
		assert.Equal(t, time.Second, time.Since(start))
		assert.Equal(t, 1, s.calls)
	})
}

func TestAttemptTimeOutIsRepeatedForReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		s := &script{steps: []step{hang, answering(200, `{}`)}}
		sender := newSender(t, s, "https://host")
		sender.Timeout = time.Second
		start := time.Now()
		_, err := sender.Do(t.Context(), read, Call{Path: []string{"1"}})
		require.NoError(t, err)
		assert.Equal(t, 2, s.calls)
		assert.GreaterOrEqual(t, time.Since(start), time.Second)
	})
}

func TestCancellationDuringTheWaitKeepsTheLastAnswer(t *testing.T) {
	for _, status := range []int{429, 503} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{steps: []step{answering(status, `{"error_msg":"slow down"}`, "Retry-After", "20")}}
			why := errors.New("user left")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(why) })
			start := time.Now()
			_, err := newSender(t, s, "https://host").Do(ctx, read, Call{Path: []string{"1"}})
			require.ErrorIs(t, err, why)
			f := errorAs[*Failure](t, err)
			assert.Equal(t, time.Second, time.Since(start))
			assert.Equal(t, status, f.Status)
			assert.Equal(t, "slow down", f.Message)
			assert.True(t, f.Ended)
		})
	}
}

func TestA429HoldsEveryCallOfTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{answering(429, ``, "Retry-After", "10"), answering(200, `{}`)}}
		sender := newSender(t, s, "https://host")
		start := time.Now()
		var first sync.WaitGroup
		first.Go(func() {
			_, err := sender.Do(t.Context(), read, Call{Path: []string{"1"}})
			assert.NoError(t, err)
		})
		synctest.Wait()
		_, err := sender.Do(t.Context(), read, Call{Path: []string{"2"}})
		require.NoError(t, err)
		assert.Equal(t, 10*time.Second+pace.MaxStep, time.Since(start), "the other call waits too, and leaves after it")
		first.Wait()
		assert.EqualValues(t, 1, sender.Throttled.Load())
	})
}

type countingLimiter struct {
	waits int
	err   error
}

func (l *countingLimiter) Wait(context.Context) error { l.waits++; return l.err }

func TestLimiterPacesEveryAttemptAndEveryExpand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := &countingLimiter{}
		s := &script{steps: []step{answering(503, ``), answering(200, `{}`)}}
		sender := newSender(t, s, "https://host")
		sender.Line = pace.LimitedBy(limiter)
		_, err := sender.Do(t.Context(), read, Call{Path: []string{"1"}, Cost: 2})
		require.NoError(t, err)
		assert.Equal(t, 6, limiter.waits)
		_, err = sender.Do(t.Context(), moiRead, Call{Path: []string{"1"}})
		require.Error(t, err, "the script's answer has no envelope")
		assert.Equal(t, 6, limiter.waits, "the plan is minapp's")
	})
}

func TestLimiterThatRefusesIsNotSent(t *testing.T) {
	s := &script{steps: []step{answering(200, `{}`)}}
	sender := newSender(t, s, "https://host")
	sender.Line = pace.LimitedBy(&countingLimiter{err: context.DeadlineExceeded})
	_, err := sender.Do(t.Context(), create, Call{Path: []string{"1"}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	f := errorAs[*Failure](t, err)
	assert.True(t, f.Unsent)
	assert.False(t, f.Unknown)
	assert.Zero(t, f.Attempts)
	assert.Zero(t, s.calls)
}

func TestEnvelopeDecidesForMOI(t *testing.T) {
	tests := []struct {
		name, body    string
		status        int
		data          string // on success
		code, message string // on a refusal
		protocol      bool
	}{
		{"ok", `{"code":"ok","msg":"ok","data":{"id":"7"}}`, 200, `{"id":"7"}`, "", "", false},
		{"OK", `{"code":"OK","msg":"OK","data":null}`, 200, `null`, "", "", false},
		{"0", `{"code":0,"data":[]}`, 200, `[]`, "", "", false},
		{"business failure", `{"code":"ErrServer","msg":"no such task","data":null}`, 200, "", "ErrServer", "no such task", false},
		{"no code", `{"data":{}}`, 200, "", "", "", true},
		{"not JSON", `{"code":"ok"]}`, 200, "", "", "", true},
		{"validation error", `{"detail":[{"loc":["body","files",0],"msg":"field required","type":"missing"}]}`, 422, "", "", "body.files.0: field required", false},
		{"bare error", `{"error":"cannot parse"}`, 400, "", "", "cannot parse", false},
		{"envelope with status", `{"code":"ErrForbidden","msg":"no permission","request_id":"r1"}`, 403, "", "ErrForbidden", "no permission", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{steps: []step{answering(tt.status, tt.body)}}
			res, err := newSender(t, s, "https://host").Do(t.Context(), moiRead, Call{Path: []string{"1"}})
			assert.Equal(t, 1, s.calls)
			if tt.data != "" {
				require.NoError(t, err)
				assert.JSONEq(t, tt.data, string(res.Body))
				return
			}
			f := errorAs[*Failure](t, err)
			assert.Equal(t, tt.protocol, errors.Is(err, answer.ErrProtocol))
			assert.Equal(t, tt.code, f.Code)
			assert.Equal(t, tt.message, f.Message)
		})
	}
}

func TestMessageOfEveryErrorBody(t *testing.T) {
	for body, want := range map[string]string{
		`{"status":"error","error_msg":"表名已存在"}`: "表名已存在",
		`{"message":"m"}`:                           "m",
		`{"error_message":"e"}`:                     "e",
		`{"error":{"err_msg":"x","code":11000}}`:    "x",
		`{"error":{"message":"y"}}`:                 "y",
		`{"error":"z"}`:                             "z",
		`{"error_msg":"m","detail":"d"}`:            "m",
		`{"detail":"Not Found"}`:                    "Not Found", // FastAPI's own 404 and 405
		`{"code":"E","msg":"m","request_id":7}`:     "m",
		`plain text` + "\nsecond line":              "plain text",
		`<html><body>502 Bad Gateway</body></html>`: "",
		``: "",
	} {
		f := &Failure{}
		f.describe([]byte(body), nil)
		assert.Equal(t, want, f.Message, body)
	}
}

func TestFailureShowsNoCredentials(t *testing.T) {
	echo := `{"error_msg":"bad token s3cret"}`
	s := &script{steps: []step{answering(401, echo)}}
	_, err := newSender(t, s, "https://host").Do(t.Context(), read, Call{Path: []string{"1"}, Query: url.Values{"where": {"private"}}})
	f := errorAs[*Failure](t, err)
	assert.Equal(t, "bad token [redacted]", f.Message)
	for _, text := range []string{f.Error(), string(f.Body), f.Path, fmt.Sprintf("%+v", *f)} {
		assert.NotContains(t, text, "s3cret")
		assert.NotContains(t, text, "private")
	}
}

func TestNetworkErrorShowsNoQuery(t *testing.T) {
	s := &script{steps: []step{failing(errReset, true, true)}}
	_, err := newSender(t, s, "https://host").Do(t.Context(), create, Call{Path: []string{"1"}, Query: url.Values{"where": {"private"}}})
	require.ErrorIs(t, err, errReset)
	assert.NotContains(t, err.Error(), "private")
}

// A transport of the caller's may quote the request that it could not send.
func TestErrorAndLogOfATransportShowNoCredentialAndNoQuery(t *testing.T) {
	var log bytes.Buffer
	quoting := func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("proxy refused %s with %s", r.URL.RawQuery, r.Header.Get("Authorization"))
	}
	sender := newSender(t, &script{steps: []step{quoting}}, "https://host")
	sender.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	_, err := sender.Do(t.Context(), create, Call{Path: []string{"1"}, Query: url.Values{"where": {"private"}}})
	for _, text := range []string{err.Error(), log.String()} {
		assert.Contains(t, text, "proxy refused [redacted] with [redacted]", "what can be told is told")
		assert.NotContains(t, text, "s3cret")
		assert.NotContains(t, text, "private")
	}
}

func TestLogLineHasNoQueryBodyOrCredential(t *testing.T) {
	var log bytes.Buffer
	s := &script{steps: []step{answering(200, `{"row":"private"}`)}}
	sender := newSender(t, s, "https://host")
	sender.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	_, err := sender.Do(t.Context(), create, Call{Path: []string{"1"}, Query: url.Values{"q": {"private"}}, Body: JSONBody([]byte(`{"x":"private"}`))})
	require.NoError(t, err)
	assert.Contains(t, log.String(), "op=test.create")
	assert.NotContains(t, log.String(), "private")
	assert.NotContains(t, log.String(), "s3cret")
}

func TestAnswersAreReadUpToALimit(t *testing.T) {
	endless := func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Request: r, ContentLength: -1, Body: io.NopCloser(neverEnding('x'))}, nil
	}
	for name, first := range map[string]step{"endless": endless, "announced": answering(200, strings.Repeat(" ", 2<<20))} {
		t.Run(name, func(t *testing.T) {
			s := &script{steps: []step{first}}
			_, err := newSender(t, s, "https://host").Do(t.Context(), read, Call{Path: []string{"1"}})
			require.ErrorIs(t, err, answer.ErrTooLarge)
			assert.Equal(t, 1, s.calls)
		})
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

func TestStatsCountEveryAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{answering(503, ``), answering(503, ``), answering(200, `{"a":1}`)}}
		sender := newSender(t, s, "https://host")
		_, err := sender.Do(t.Context(), idempotent, Call{Path: []string{"1"}, Body: JSONBody([]byte(`{}`))})
		require.NoError(t, err)
		assert.EqualValues(t, 3, sender.Requests.Load())
		assert.EqualValues(t, 2, sender.Retries.Load())
		assert.EqualValues(t, 6, sender.Sent.Load())
		assert.EqualValues(t, 7, sender.Received.Load())
	})
}

// A body whose length nobody knows is counted while it is read.
func TestStatsCountABodyOfUnknownLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{answering(503, ``), answering(200, `{}`)}}
		sender := newSender(t, s, "https://host")
		_, err := sender.Do(t.Context(), idempotent, Call{Path: []string{"1"}, Body: Body{Size: -1, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("hello")), nil
		}}})
		require.NoError(t, err)
		assert.Equal(t, []string{"hello", "hello"}, s.bodies)
		assert.EqualValues(t, 10, sender.Sent.Load())
	})
}

// A body that was opened for an attempt that is not made is closed.
func TestBodyOfAnAttemptThatThePaceRefusesIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened, closed := 0, 0
		body := Body{Size: 5, Open: func() (io.ReadCloser, error) {
			opened++
			return &closeCounter{strings.NewReader("hello"), &closed}, nil
		}}
		s := &script{steps: []step{answering(503, ``)}}
		sender := newSender(t, s, "https://host")
		sender.Line = pace.LimitedBy(&refusing{after: 1, err: errors.New("budget spent")})
		_, err := sender.Do(t.Context(), idempotent, Call{Path: []string{"1"}, Body: body})
		require.ErrorContains(t, err, "budget spent")
		assert.Equal(t, []string{"hello"}, s.bodies, "the second attempt is not made")
		assert.Equal(t, 3, opened, "once when the library looks at it, and once for each attempt")
		assert.Equal(t, opened, closed)
	})
}

// After a gateway gave up on the service a smaller answer is asked for, and after
// nothing else.
func TestWhatIsAskedForShrinksAfterAGateway(t *testing.T) {
	for status, want := range map[int][]string{
		502: {"limit=8", "limit=4", "limit=2"},
		504: {"limit=8", "limit=4", "limit=2"},
		500: {"limit=8", "limit=8", "limit=8"},
		503: {"limit=8", "limit=8", "limit=8"},
		429: {"limit=8", "limit=8", "limit=8"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var asked []string
			fails := func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r.URL.RawQuery)
				return answering(map[bool]int{true: 200, false: status}[len(asked) == 3], `{}`)(r)
			}
			limit := 8
			_, err := newSender(t, &script{steps: []step{fails}}, "https://host").Do(t.Context(), read, Call{
				Path: []string{"1"}, Query: url.Values{"limit": {"8"}},
				Shrink: func() url.Values { limit /= 2; return url.Values{"limit": {strconv.Itoa(limit)}} },
			})
			require.NoError(t, err)
			assert.Equal(t, want, asked, "after a %d", status)
		})
	}
}

// Real sockets: what a scripted transport cannot show.
func TestRealConnections(t *testing.T) {
	t.Run("refused is repeated even for a create", func(t *testing.T) {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		listener.Close()
		sender := newSender(t, http.DefaultTransport, "http://"+listener.Addr().String())
		sender.Policy.MinDelay, sender.Policy.MaxDelay = time.Millisecond, time.Millisecond
		_, err = sender.Do(t.Context(), create, Call{Path: []string{"1"}, Body: JSONBody([]byte(`{}`))})
		f := errorAs[*Failure](t, err)
		assert.Equal(t, 4, f.Attempts)
		assert.True(t, f.Unsent)
		assert.False(t, f.Unknown)
	})
	t.Run("certificate error is final", func(t *testing.T) {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
		server.StartTLS()
		defer server.Close()
		_, err := newSender(t, http.DefaultTransport, server.URL).Do(t.Context(), read, Call{Path: []string{"1"}})
		f := errorAs[*Failure](t, err)
		assert.Equal(t, 1, f.Attempts)
		assert.True(t, f.Unsent)
	})
	t.Run("dropped after processing is unknown for a create", func(t *testing.T) {
		var processed atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			processed.Add(1)
			panic(http.ErrAbortHandler)
		}))
		defer server.Close()
		_, err := newSender(t, http.DefaultTransport, server.URL).Do(t.Context(), create, Call{Path: []string{"1"}, Body: JSONBody([]byte(`{}`))})
		assert.True(t, errorAs[*Failure](t, err).Unknown)
		assert.EqualValues(t, 1, processed.Load())
	})
}

// net/http parses Location before it asks CheckRedirect: a malformed one turns
// a refusal into a network error, which is repeated, is "unknown" for a create,
// and shows the URL with its query.
func TestRedirectWithMalformedLocationIsARefusal(t *testing.T) {
	for _, op := range []operation.Operation{read, idempotent, create} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			s := &script{steps: []step{answering(302, ``, "Location", "https://other/%zz?token=s1gned")}}
			sender := newSender(t, s, "https://host")
			sender.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			_, err := sender.Do(t.Context(), op, Call{Path: []string{"1"}, Body: JSONBody([]byte(`{}`))})
			f := errorAs[*Failure](t, err)
			assert.Equal(t, 302, f.Status, op.Name)
			assert.Equal(t, 1, s.calls, "%s: a refusal is not repeated", op.Name)
			assert.False(t, f.Unknown, op.Name)
			assert.NotContains(t, err.Error()+log.String(), "s1gned", op.Name)
		})
	}
}

// For a 307 or 308 net/http reopens the body before it asks CheckRedirect and
// never closes it: a file handle is leaked.
func TestRefusedRedirectClosesTheBodyItReopened(t *testing.T) {
	var closes []*int
	body := Body{Type: "text/plain", Size: 5, Open: func() (io.ReadCloser, error) {
		closes = append(closes, new(int))
		return &closeCounter{strings.NewReader("hello"), closes[len(closes)-1]}, nil
	}}
	s := &script{steps: []step{answering(307, ``, "Location", "https://other/")}}
	_, err := newSender(t, s, "https://host").Do(t.Context(), create, Call{Path: []string{"1"}, Body: body})
	require.ErrorIs(t, err, attempt.ErrRedirect)
	for i, n := range closes {
		assert.Positive(t, *n, "opening %d of %d was never closed", i+1, len(closes))
	}
}

// A context that ends while the transport still looks for a connection: the row
// of a create is certainly not written.
func TestCallThatEndsWhileConnectingIsCertainlyNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connecting := func(r *http.Request) (*http.Response, error) {
			httptrace.ContextClientTrace(r.Context()).GetConn("host:443")
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		}
		s := &script{steps: []step{connecting}}
		_, err := newSender(t, s, "https://host").Do(within(t, time.Second), create, Call{Path: []string{"1"}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		f := errorAs[*Failure](t, err)
		assert.True(t, f.Unsent)
		assert.False(t, f.Unknown)
		assert.Equal(t, 1, s.calls)
	})
}

// A context that has ended before the call: nothing is sent, and the transport
// does not even ask for a connection, so that no trace says so.
func TestCallWithAnEndedContextIsCertainlyNotSent(t *testing.T) {
	var hits atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sender := newSender(t, http.DefaultTransport, server.URL)
	_, err := sender.Do(ctx, create, Call{Path: []string{"1"}, Body: JSONBody([]byte(`{}`))})
	require.ErrorIs(t, err, context.Canceled)
	f := errorAs[*Failure](t, err)
	assert.Zero(t, hits.Load())
	assert.False(t, f.Unknown, "nothing was sent")
	assert.True(t, f.Unsent)
	assert.Zero(t, f.Attempts)
	assert.Zero(t, sender.Requests.Load())
}

// Timeout is "of one attempt": waiting for the pace is not part of it.
func TestAttemptTimeOutDoesNotCoverTheWaitForThePace(t *testing.T) {
	t.Run("limiter", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sender := newSender(t, &script{steps: []step{answering(200, `{}`)}}, "https://host")
			sender.Timeout = time.Second
			sender.Line = pace.LimitedBy(slowLimiter(5 * time.Second))
			_, err := sender.Do(t.Context(), read, Call{Path: []string{"1"}})
			assert.NoError(t, err, "the caller's context has no deadline")
		})
	})
	t.Run("gate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sender := newSender(t, &script{steps: []step{answering(429, ``, "Retry-After", "10"), answering(200, `{}`)}}, "https://host")
			sender.Timeout = time.Second
			var first sync.WaitGroup
			first.Go(func() {
				_, err := sender.Do(t.Context(), read, Call{Path: []string{"1"}})
				assert.NoError(t, err)
			})
			synctest.Wait()
			_, err := sender.Do(t.Context(), read, Call{Path: []string{"2"}})
			assert.NoError(t, err, "one 429 must not fail every other call")
			first.Wait()
		})
	})
}

type slowLimiter time.Duration

func (l slowLimiter) Wait(ctx context.Context) error { return pace.Sleep(ctx, time.Duration(l)) }

// A 429 slows the whole client, also calls that have passed the gate and wait
// for the limiter.
func TestA429HoldsCallsThatWaitForTheLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		var at []time.Duration
		s := &script{}
		s.steps = []step{
			answering(429, ``, "Retry-After", "20"),
			func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				at = append(at, time.Since(start))
				mu.Unlock()
				return answering(200, `{}`)(r)
			},
		}
		sender := newSender(t, s, "https://host")
		sender.Line = pace.LimitedBy(&queue{step: time.Second})
		var calls sync.WaitGroup
		for range 5 {
			calls.Go(func() {
				_, err := sender.Do(t.Context(), read, Call{Path: []string{"1"}})
				assert.NoError(t, err)
			})
		}
		calls.Wait()
		assert.GreaterOrEqual(t, at[0], 20*time.Second, "sent at %v although the service asked for 20 s of rest at 1 s", at)
	})
}

// queue lets one pass each step, first come first served.
type queue struct {
	mu   sync.Mutex
	step time.Duration
	next time.Time
}

func (q *queue) Wait(ctx context.Context) error {
	q.mu.Lock()
	if now := time.Now(); q.next.Before(now) {
		q.next = now
	}
	q.next = q.next.Add(q.step)
	left := time.Until(q.next)
	q.mu.Unlock()
	return pace.Sleep(ctx, left)
}

// What the service said last is not forgotten because the pace refuses the
// next attempt.
func TestLimiterErrorOnALaterAttemptKeepsTheLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := &refusing{after: 1, err: errors.New("budget spent")}
		sender := newSender(t, &script{steps: []step{answering(429, `{"error_msg":"slow down"}`, "Retry-After", "2", "X-Request-Id", "r7")}}, "https://host")
		sender.Line = pace.LimitedBy(limiter)
		_, err := sender.Do(t.Context(), read, Call{Path: []string{"1"}})
		require.ErrorContains(t, err, "budget spent")
		f := errorAs[*Failure](t, err)
		assert.Equal(t, 429, f.Status)
		assert.Equal(t, "slow down", f.Message)
		assert.Equal(t, "r7", f.RequestID)
		assert.Equal(t, 2*time.Second, f.RetryAfter)
		assert.Equal(t, -1, limiter.after, "it is not asked again")
	})
}

type refusing struct {
	after int
	err   error
}

func (r *refusing) Wait(context.Context) error {
	if r.after--; r.after >= 0 {
		return nil
	}
	return r.err
}

// A body that cannot be opened again ends the call; the error must say so.
func TestBodyThatCannotBeReopenedIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone, opened := errors.New("file vanished"), 0
		body := Body{Size: 5, Open: func() (io.ReadCloser, error) {
			if opened++; opened > 2 { // the library's look, the first attempt
				return nil, gone
			}
			return io.NopCloser(strings.NewReader("hello")), nil
		}}
		_, err := newSender(t, &script{steps: []step{answering(503, `{"error_msg":"busy"}`)}}, "https://host").
			Do(t.Context(), idempotent, Call{Path: []string{"1"}, Body: body})
		assert.Equal(t, 503, errorAs[*Failure](t, err).Status)
		assert.ErrorIs(t, err, gone, "the reason why it was not repeated")
	})
}

// A page that is cut behind a row ends in a closing bracket like a whole one.
func TestAnswerCutBehindABracketIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{answering(200, `{"meta":{},"objects":[{"id":"1"},{"id":"2"}`), answering(200, `{}`)}}
		_, err := newSender(t, s, "https://host").Do(t.Context(), read, Call{Path: []string{"1"}})
		require.NoError(t, err)
		assert.Equal(t, 2, s.calls)
	})
}

// Brackets within strings cut nothing.
func TestAnswerWithBracketsInStringsIsWhole(t *testing.T) {
	for _, body := range []string{`{"name":"a{b{"}`, `[["}]]]"]]`} {
		s := &script{steps: []step{answering(200, body)}}
		_, err := newSender(t, s, "https://host").Do(t.Context(), create, Call{Path: []string{"1"}})
		require.NoError(t, err, body)
	}
}

// A login page with status 200 does not mean that a row was deleted.
func TestAnswerOfADeleteIsEmptyOrJSON(t *testing.T) {
	for body, deleted := range map[string]bool{
		``: true, "\n": true, `{}`: true, `{"ok":true}`: true,
		`<html>please log in</html>`: false, `OK`: false,
	} {
		s := &script{steps: []step{answering(200, body)}}
		_, err := newSender(t, s, "https://host").Do(t.Context(), remove, Call{Path: []string{"1"}})
		assert.Equal(t, deleted, err == nil, "%q: %v", body, err)
		assert.Equal(t, 1, s.calls, body)
		if !deleted {
			require.ErrorIs(t, err, answer.ErrProtocol)
			assert.True(t, errorAs[*Failure](t, err).Unknown, body)
		}
	}
}

// Stats.Waited is documented as "for the limiter and after a 429".
func TestWaitedCountsTheCallThatMetThe429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sender := newSender(t, &script{steps: []step{answering(429, ``, "Retry-After", "10"), answering(200, `{}`)}}, "https://host")
		_, err := sender.Do(t.Context(), read, Call{Path: []string{"1"}})
		require.NoError(t, err)
		assert.Equal(t, 10*time.Second, time.Duration(sender.Waited.Load()))
	})
}

// What the service asks for is waited, and nothing above the policy.
func TestWaitThatTheServiceAsksFor(t *testing.T) {
	p := Policy{MaxAttempts: 4, MinDelay: 500 * time.Millisecond, MaxDelay: 30 * time.Second}
	for asked, ok := range map[time.Duration]bool{1: true, p.MaxDelay: true, p.MaxDelay + 1: false, 1<<63 - 1: false} {
		delay, within := p.delay(1, asked)
		assert.Equal(t, ok, within, "%s", asked)
		assert.Equal(t, asked, delay)
	}
}

// RetryPolicy.MinDelay is documented as the upper bound of the first wait.
func TestMinDelayBoundsTheFirstWait(t *testing.T) {
	p := Policy{MaxAttempts: 4, MaxDelay: 10 * time.Second}
	for range 100 {
		d, ok := p.delay(1, 0)
		require.True(t, ok, "no wait is within every policy")
		require.Zero(t, d)
	}
}

// A 429 and its end are met by many at once; they do not leave at once.
func TestHeldCallsLeaveOneAfterTheOther(t *testing.T) {
	const n = 200
	for _, tt := range []struct {
		meet int // calls that met the 429
		hold int // seconds
		step time.Duration
	}{{1, 10, pace.MaxStep}, {n, 10, pace.MaxStep}, {1, 1, 10 * time.Millisecond}} {
		t.Run(fmt.Sprintf("%+v", tt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				moments := map[time.Time]bool{}
				var arrival, order []string
				together := make(chan struct{})
				s := &script{steps: []step{func(r *http.Request) (*http.Response, error) {
					mu.Lock()
					defer mu.Unlock()
					moments[time.Now()] = true
					order = append(order, r.URL.Path)
					return answering(200, `{}`)(r)
				}}}
				for range tt.meet {
					s.steps = append([]step{func(r *http.Request) (*http.Response, error) {
						<-together
						return answering(429, ``, "Retry-After", strconv.Itoa(tt.hold))(r)
					}}, s.steps...)
				}
				sender := newSender(t, s, "https://host")
				start := time.Now()
				var calls sync.WaitGroup
				for i := range n {
					calls.Go(func() {
						_, err := sender.Do(t.Context(), read, Call{Path: []string{strconv.Itoa(i)}})
						assert.NoError(t, err)
					})
					if i+1 == tt.meet {
						synctest.Wait()
						close(together)
					}
					synctest.Wait()
					arrival = append(arrival, fmt.Sprintf("/oserve/thing/%d/", i))
				}
				calls.Wait()
				assert.Len(t, moments, n)
				assert.Equal(t, time.Duration(tt.hold)*time.Second+(n-1)*tt.step, time.Since(start))
				assert.True(t, tt.meet == n || slices.Equal(arrival, order), "in the order of arrival, not %v", order)
			})
		})
	}
}

// Who comes when the hold is over does not wait behind those that it held, and
// who leaves the queue does not keep anybody.
func TestHoldEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{answering(429, ``, "Retry-After", "10"), answering(200, `{}`)}}
		sender := newSender(t, s, "https://host")
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		var calls sync.WaitGroup
		for range 50 {
			calls.Go(func() { _, _ = sender.Do(ctx, read, Call{Path: []string{"1"}}) })
		}
		synctest.Wait()
		hurry, cancelHurry := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancelHurry()
		_, err := sender.Do(hurry, create, Call{Path: []string{"1"}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.True(t, errorAs[*Failure](t, err).Unsent)
		assert.Equal(t, start, time.Now(), "a hopeless wait must not begin")
		time.AfterFunc(time.Second, cancel)
		calls.Wait()
		assert.Equal(t, time.Second, time.Since(start), "the context ends the wait")
		require.NoError(t, pace.Sleep(t.Context(), 9*time.Second))
		_, err = sender.Do(t.Context(), read, Call{Path: []string{"2"}})
		require.NoError(t, err)
		assert.Equal(t, 10*time.Second, time.Since(start))
	})
}

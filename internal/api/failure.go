package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/minapp-go/minapp/internal/answer"
	"github.com/minapp-go/minapp/internal/attempt"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/redact"
)

// Failure is a call that did not succeed.
type Failure struct { //nolint:errname // Error is the documented one, in the root package
	Op, Method, Path string
	Status           int // 0: no answer was received
	Code             string
	Message          string // the service's own text
	RequestID        string
	RetryAfter       time.Duration
	Attempts         int
	Body             []byte // excerpt without credentials
	Unknown          bool   // a write that may have happened
	Unsent           bool   // certainly nothing reached the service
	Ended            bool   // the caller's context ended the call
	Cut              bool   // the answer was no refusal, and only a part of it arrived
	Err              error  // nil when the status says it all
}

// Error names the operation and the cause; the root package has the full text.
func (f *Failure) Error() string {
	if f.Err != nil {
		return f.Op + ": " + f.Err.Error()
	}
	return f.Op + ": " + http.StatusText(f.Status) + " " + f.Message
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// failure tells the end of a call; err is that of the loop.
func (x *exchange) failure(ctx context.Context, err error) *Failure {
	a := x.last
	f := &Failure{
		Op: x.op.Name, Method: x.op.Method, Path: x.path,
		Status: a.Status, RequestID: answer.RequestID(a.Header),
		RetryAfter: a.RetryAfter, Attempts: x.attempts,
		Unknown: x.mayHaveRun && x.op.Safety != operation.Read,
		Unsent:  !x.mayHaveRun && a.Status == 0,
		Cut:     a.Verdict == attempt.Uncertain && a.Status/100 == 2,
	}
	if !x.isToken() {
		f.describe(a.Body, x.secrets)
	}
	if x.op.Secret {
		f.Body = nil
		if !json.Valid(a.Body) {
			f.Message = ""
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		f.Ended, err = true, cause
	}
	f.Err = joinCause(err, a.Err)
	return f
}

// isToken reports an answer that stays out of errors altogether.
func (x *exchange) isToken() bool { return x.op.Service == operation.OAuth && x.last.Status < 400 }

// describe fills in what an error body says. A body that is not JSON, such as
// the page of a gateway, is kept as an excerpt only.
func (f *Failure) describe(body []byte, secrets []string) {
	f.Body = redact.Excerpt(body, secrets)
	switch text := strings.TrimSpace(string(f.Body)); {
	case strings.HasPrefix(text, "{"):
		said := answer.ReadComplaint(body)
		clean := func(text string) string { return string(redact.Text([]byte(text), secrets)) }
		f.Code, f.Message = clean(said.Code), clean(said.Message)
		f.RequestID = clean(cmp.Or(said.RequestID, f.RequestID))
	case !strings.HasPrefix(text, "<"):
		f.Message = firstLine(text)
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	if len(line) > 200 {
		line = strings.ToValidUTF8(line[:200], "") + "…"
	}
	return line
}

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

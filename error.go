package minapp

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/minapp-go/minapp/internal/answer"
	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
)

// Reasons of an error, for errors.Is. They are true of every *[Error] whose
// status or cause says so, and of every error that contains one, such as
// *[BulkError].
var (
	// ErrNotFound is a 404: no such table, row, job or operation.
	ErrNotFound = errors.New("not found")
	// ErrUnauthorized is a 401: the token is missing or not valid, or the
	// thing belongs to somebody else.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrForbidden is a 403.
	ErrForbidden = errors.New("forbidden")
	// ErrInvalid is an argument that was refused, by this package before
	// anything was sent (StatusCode 0) or by the service (400, 422).
	ErrInvalid = operation.ErrInvalid
	// ErrPaymentRequired is a 402: the application is in arrears.
	ErrPaymentRequired = errors.New("payment required")
	// ErrDuplicate is a row that a unique index refused (code 11000 of a bulk
	// create).
	ErrDuplicate = errors.New("duplicate")
	// ErrRateLimited is a 429 that lasted longer than the retry policy, or a
	// second export within a minute, which is not sent.
	ErrRateLimited = errors.New("rate limited")
	// ErrUnavailable is a 5xx, or no answer or only a part of one, unless the
	// caller's own context ended the wait.
	ErrUnavailable = errors.New("unavailable")
	// ErrProtocol is an answer that is not what the documents promise.
	ErrProtocol = answer.ErrProtocol
	// ErrUnfiltered is a write by filter that was given no filter.
	ErrUnfiltered = errors.New("no filter given: say where.Everything() to mean every row")
	// ErrOutcomeUnknown is a write that may or may not have happened.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrNoCredentials is a call to a service for which the client was given
	// no credentials; nothing was sent.
	ErrNoCredentials = errors.New("no credentials for this service")
	// ErrAmbiguous is a thing that was asked for by its name, which several
	// have.
	ErrAmbiguous = errors.New("ambiguous")
	// ErrTooLong is a URL longer than the 16,386 bytes that the service
	// answers, usually because of a filter with many values, which [AllIn]
	// splits; nothing was sent.
	ErrTooLong = operation.ErrTooLong
)

// Error is a call that did not succeed. Its text names operation, status, the
// service's own words and the path, which has the table and the row, and holds no
// query, body or credential.
type Error struct {
	Op         string        // the operation, such as "records.get"
	Method     string        // of the request
	Path       string        // of the request, without the query, which may hold data; "" where no request was made
	StatusCode int           // 0: no answer was received
	Code       string        // the service's code, such as "11000", where it has one
	Message    string        // the service's own text, often Chinese, verbatim
	RequestID  string        // where the service sends one
	RetryAfter time.Duration // how long the service asked to wait, also where a sign-in for the call met that; 0 if it did not
	Attempts   int           // requests that were sent
	Body       []byte        // at most 4 KiB of the answer, without credentials
	Err        error         // the cause: of the network, of the argument, of the context

	unknown bool // a write that may have happened
	unsent  bool // certainly nothing reached the service
	ended   bool // by the caller's context
	cut     bool // only a part of the answer arrived
}

// Error says what failed, how it ended and what the service said.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.StatusCode >= 300 || e.StatusCode != 0 && e.Code == "" { // MOI refuses with a 200 and a code
		fmt.Fprintf(&b, ": %d %s", e.StatusCode, strings.ToLower(http.StatusText(e.StatusCode)))
	}
	if e.Code != "" && e.Code != strconv.Itoa(e.StatusCode) {
		b.WriteString(": code " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.unknown {
		b.WriteString(": " + ErrOutcomeUnknown.Error())
	}
	if hint := exportHint(e.Op, e.StatusCode); hint != "" {
		b.WriteString(" (" + hint + ")")
	}
	if inner, _ := errors.AsType[*Error](e.Err); e.RetryAfter > 0 && (inner == nil || inner.RetryAfter == 0) {
		fmt.Fprintf(&b, " (retry after %s)", e.RetryAfter)
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (%d attempts)", e.Attempts)
	}
	if e.Path != "" {
		b.WriteString(" (" + e.Method + " " + e.Path + ")")
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether the error is of the kind of one of the sentinels.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrOutcomeUnknown:
		return e.unknown
	case ErrDuplicate:
		return e.Code == codeDuplicate
	case ErrNotFound:
		return e.StatusCode == http.StatusNotFound
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrInvalid:
		return e.StatusCode == http.StatusBadRequest || e.StatusCode == http.StatusUnprocessableEntity
	case ErrPaymentRequired:
		return e.StatusCode == http.StatusPaymentRequired
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrUnavailable:
		return e.StatusCode >= 500 || (e.StatusCode == 0 && e.Attempts > 0 || e.cut) && !e.ended
	}
	return false
}

// LogValue gives log/slog the same facts as the text, as attributes.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("op", e.Op),
		slog.Int("status", e.StatusCode),
		slog.String("message", e.Message),
		slog.Int("attempts", e.Attempts),
		slog.Bool("outcome_unknown", e.unknown),
	}
	if e.Path != "" {
		attrs = append(attrs, slog.String("method", e.Method), slog.String("path", e.Path))
	}
	if e.Code != "" {
		attrs = append(attrs, slog.String("code", e.Code))
	}
	if e.RequestID != "" {
		attrs = append(attrs, slog.String("request_id", e.RequestID))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	return slog.GroupValue(attrs...)
}

// toError turns the failure of a call into the documented error.
func toError(err error) error {
	f, ok := errors.AsType[*api.Failure](err)
	if !ok {
		return err
	}
	e := &Error{
		Op: f.Op, Method: f.Method, Path: f.Path, StatusCode: f.Status, Code: f.Code, Message: f.Message,
		RequestID: f.RequestID, RetryAfter: f.RetryAfter, Attempts: f.Attempts, Body: f.Body, Err: f.Err,
		unknown: f.Unknown, unsent: f.Unsent, ended: f.Ended, cut: f.Cut,
	}
	if inner, ok := errors.AsType[*Error](f.Err); ok { // of a sign-in: the call cannot go sooner
		e.RetryAfter = max(e.RetryAfter, inner.RetryAfter)
	}
	return e
}

// invalid refuses an argument of op before anything is sent.
func invalid(op operation.Operation, format string, args ...any) error {
	return &Error{Op: op.Name, Method: op.Method, unsent: true, Err: fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)}
}

// failed is a call that was answered, and did not bring what it was for.
func failed(op operation.Operation, format string, args ...any) error {
	return &Error{Op: op.Name, Method: op.Method, Err: fmt.Errorf(format, args...)}
}

// misread is a 2xx whose JSON is not what the documents promise. A write has
// happened then, but its result is not known.
func misread(op operation.Operation, res *api.Result, cause error) error {
	return &Error{
		Op: op.Name, Method: op.Method, Path: res.Path, StatusCode: res.Status,
		RequestID: res.RequestID, Attempts: res.Attempts, Body: res.Excerpt(),
		Err: fmt.Errorf("%w: %w", ErrProtocol, cause), unknown: op.Safety != operation.Read,
	}
}

// DecodeError is a row that the caller's type cannot hold. The row itself is
// in Record.Raw, and the other rows of the page are not affected.
type DecodeError struct {
	ID    string // of the record; "" if it has none
	Field string // the column, as far as the decoder tells
	Err   error
}

// Error names record and field.
func (e *DecodeError) Error() string {
	text := "decode record " + strconv.Quote(e.ID)
	if e.Field != "" {
		text += ", field " + strconv.Quote(e.Field)
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns the decoder's error.
func (e *DecodeError) Unwrap() error { return e.Err }

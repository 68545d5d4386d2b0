package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/redact"
)

// Call is what one call adds to its operation.
type Call struct {
	Path    []string    // fills the braces of Operation.Path in order
	Query   url.Values  //
	Body    Body        // the zero value is no body
	Header  http.Header // extra headers, never credentials
	Secrets []string    // what of the body must not show in errors
	Once    bool        // this body makes an idempotent operation unrepeatable
	Replay  bool        // the caller accepts that a repetition happens twice
	Policy  *Policy     // nil is the policy of the sender
	Cost    int         // further requests it counts as (each expand is billed as one)
	Meta    *Meta       // filled in, also on failure
	Strict  bool        // for the caller, who compares the answer with the body
	// Shrink gives the query of a repetition after a gateway gave up on the
	// service (502, 504), which a smaller answer may not meet; nil changes
	// nothing.
	Shrink func() url.Values
}

// Body is a request body that can be opened again for every attempt, so that
// nothing has to be buffered to be repeatable.
type Body struct {
	Type string // content type
	Size int64  // exact length in bytes; -1 is unknown, and the body is sent in chunks
	Open func() (io.ReadCloser, error)
}

// JSONBody is a body of encoded JSON. The content type goes without a charset,
// which the convention of the API does not know.
func JSONBody(data []byte) Body {
	return Body{Type: "application/json", Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}}
}

// request builds the HTTP request of a call, credentials included.
func (s *Sender) request(ctx context.Context, op operation.Operation, call Call) (*http.Request, []string, error) {
	raw, err := s.url(op, call)
	if err != nil {
		return nil, nil, err
	}
	if op.Service != operation.MOI && len(raw) > operation.MaxURL {
		return nil, nil, fmt.Errorf("%w: %d bytes encoded, the service answers at most %d", operation.ErrTooLong, len(raw), operation.MaxURL)
	}
	req, err := http.NewRequestWithContext(ctx, op.Method, raw, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", operation.ErrInvalid, redact.URL(err))
	}
	copyHeader(req.Header, s.Header)
	copyHeader(req.Header, call.Header)
	if call.Body.Open != nil {
		req.Header.Set("Content-Type", call.Body.Type)
	}
	secrets, err := s.Authorize(ctx, op.Service, req.Header)
	if err != nil {
		return nil, nil, err
	}
	return req, secrets, nil
}

// Room is by how many bytes the URL of a call may still grow; below zero it is
// too long.
func (s *Sender) Room(op operation.Operation, call Call) (int, error) {
	raw, err := s.url(op, call)
	return operation.MaxURL - len(raw), err
}

func (s *Sender) url(op operation.Operation, call Call) (string, error) {
	return op.URL(s.Base[op.Service], s.Surface, call.Path, call.Query)
}

func copyHeader(dst, src http.Header) {
	for name, values := range src {
		dst[name] = append([]string(nil), values...)
	}
}

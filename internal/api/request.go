package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// MaxURL is the longest URL, in bytes, that minapp answers; a longer one gets
// a 502 that names no reason. Source: js-sdk/schema/query.md.
const MaxURL = 16386

// Reasons for a refusal before anything is sent, and for an unreadable answer.
var (
	ErrInvalid  = errors.New("invalid argument")
	ErrTooLong  = errors.New("URL too long")
	ErrProtocol = errors.New("answer does not follow the protocol")
	ErrTooLarge = fmt.Errorf("%w: too large", ErrProtocol)
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
func (s *Sender) request(ctx context.Context, op Operation, call Call) (*http.Request, []string, error) {
	raw, err := s.url(op, call)
	if err != nil {
		return nil, nil, err
	}
	if op.Service != MOI && len(raw) > MaxURL {
		return nil, nil, fmt.Errorf("%w: %d bytes encoded, the service answers at most %d", ErrTooLong, len(raw), MaxURL)
	}
	req, err := http.NewRequestWithContext(ctx, op.Method, raw, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrInvalid, unwrapURL(err))
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
func (s *Sender) Room(op Operation, call Call) (int, error) {
	raw, err := s.url(op, call)
	return MaxURL - len(raw), err
}

func (s *Sender) url(op Operation, call Call) (string, error) {
	base := s.Base[op.Service]
	if base == nil {
		return "", fmt.Errorf("%w: no base URL for this service", ErrInvalid)
	}
	root := strings.TrimSuffix(base.String(), "/")
	if op.Root {
		root = strings.TrimSuffix(root, MOIPrefix)
	}
	query := call.Query.Encode()
	var b strings.Builder
	b.Grow(len(root) + 2*len(op.Path) + len(query))
	b.WriteString(root)
	if err := s.path(&b, op.Path, call.Path); err != nil {
		return "", err
	}
	if query != "" {
		b.WriteByte('?')
		b.WriteString(query)
	}
	return b.String(), nil
}

// path fills a template. Every value is escaped; one that is empty or a dot
// segment is refused, because it would address something else: an empty record
// id the whole table.
func (s *Sender) path(b *strings.Builder, template string, values []string) error {
	for segment := range strings.SplitSeq(strings.Trim(template, "/"), "/") {
		name, isValue := strings.CutPrefix(segment, "{")
		name = strings.TrimSuffix(name, "}")
		value := segment
		switch {
		case isValue && name == "surface":
			value = s.Surface
		case isValue && len(values) == 0:
			return fmt.Errorf("%w: no %s given", ErrInvalid, name)
		case isValue:
			value, values = values[0], values[1:]
		}
		if err := checkSegment(name, value); err != nil {
			return err
		}
		b.WriteByte('/')
		b.WriteString(url.PathEscape(value))
	}
	if strings.HasSuffix(template, "/") {
		b.WriteByte('/')
	}
	return nil
}

func checkSegment(name, value string) error {
	switch {
	case strings.TrimSpace(value) == "":
		return fmt.Errorf("%w: %s is blank", ErrInvalid, name)
	case value == "." || value == "..":
		return fmt.Errorf("%w: %s is %q", ErrInvalid, name, value)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("%w: %s has a control character", ErrInvalid, name)
	}
	return nil
}

func copyHeader(dst, src http.Header) {
	for name, values := range src {
		dst[name] = append([]string(nil), values...)
	}
}

// unwrapURL drops the URL that net/http and net/url put in front of a cause:
// its query can hold data.
func unwrapURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

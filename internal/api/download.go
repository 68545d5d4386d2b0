package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/minapp-go/minapp/internal/download"
	"github.com/minapp-go/minapp/internal/operation"
)

// Download fetches a file from a URL that a service gave, without credentials.
// It goes on after the bytes that the target has, if the server allows it and
// the file is still the same; else it starts anew. Every error is a *Failure,
// which never holds the query of the URL: that signs it.
func (s *Sender) Download(ctx context.Context, op operation.Operation, raw string, target download.Target) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		err = fmt.Errorf("%w: the download URL cannot be used", operation.ErrInvalid)
	case !s.mayFetch(u):
		err = fmt.Errorf("%w: the download URL is not https", operation.ErrInvalid)
	}
	if err != nil {
		return &Failure{Op: op.Name, Method: op.Method, Unsent: true, Err: err}
	}
	if have, of := target.Have(); have > 0 && have == of.Size {
		return nil
	}
	req := (&http.Request{Method: op.Method, URL: u, Header: http.Header{}}).WithContext(ctx)
	copyHeader(req.Header, s.Header)
	req.Header.Set("Accept-Encoding", "identity") // the bytes of the file, which is compressed or not by itself
	x := &exchange{sender: s, op: op, policy: s.Policy, path: u.EscapedPath(), file: download.New(target, s.mayFetch)}
	x.last = &x.none
	if _, failure := x.run(req); failure != nil {
		return failure
	}
	return nil
}

func (s *Sender) mayFetch(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && s.PlainHTTP(u.Hostname())
}

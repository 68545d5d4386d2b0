package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/minapp-go/minapp/internal/answer"
	"github.com/minapp-go/minapp/internal/attempt"
	"github.com/minapp-go/minapp/internal/redact"
	"github.com/minapp-go/minapp/internal/redirect"
)

// send makes one attempt: it sends the request and reads the answer, both within
// the time-out. A download has none: a long file takes its time, and the context
// ends it.
func (x *exchange) send(req *http.Request) *attempt.Attempt {
	a := new(attempt.Attempt)
	ctx := a.Trace(req.Context())
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
	resp, err := x.answer(a, req) //nolint:bodyclose // what reads it closes it
	if err != nil {
		a.Err = redact.URL(err)
		return a
	}
	a.Answered(resp)
	if x.file != nil {
		a.Err = x.takeFile(resp)
		return a
	}
	a.Body, a.Err = answer.ReadBody(resp, x.sender.MaxBody)
	x.sender.Received.Add(int64(len(a.Body)))
	return a
}

// answer sends one request, or as many as lead to the file of a download or to
// the end of the code step.
func (x *exchange) answer(a *attempt.Attempt, req *http.Request) (*http.Response, error) {
	if x.file != nil {
		return x.file.Fetch(x.roundTrip, req)
	}
	resp, err := x.roundTrip(req)
	if err != nil || !x.op.Follow {
		return resp, err
	}
	var way redirect.Way
	resp, err = way.Follow(x.hop, req, resp)
	a.Refused, x.secrets = way.Refused, append(x.secrets, way.Cookies...)
	return resp, err
}

func (x *exchange) hop(req *http.Request) (*http.Response, error) {
	x.sender.Requests.Add(1)
	return x.roundTrip(req)
}

// roundTrip forgives a transport what net/http forgives.
func (x *exchange) roundTrip(req *http.Request) (*http.Response, error) {
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

func (x *exchange) takeFile(resp *http.Response) error {
	read, err := x.file.Take(resp)
	x.sender.Received.Add(read)
	if x.file.Grown {
		x.useful = x.attempts - 1
	}
	return err
}

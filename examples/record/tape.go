package main

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// keptHeaders is what is kept of the headers of an answer.
var keptHeaders = []string{"Allow", "Content-Encoding", "Content-Type", "Retry-After"}

// tape is a transport that keeps the last exchange that passed.
type tape struct {
	next http.RoundTripper

	mu     sync.Mutex
	last   *take
	hidden []string // credentials seen in headers
}

// take is one exchange as it passed. It holds no credential of the request.
type take struct {
	method, path string // the path is escaped
	query        url.Values
	contentType  string
	sent         []byte
	status       int
	header       map[string]string
	body         []byte
}

// RoundTrip implements http.RoundTripper.
func (t *tape) RoundTrip(r *http.Request) (*http.Response, error) {
	sent, err := drain(r.Body)
	if err != nil {
		return nil, err
	}
	if sent != nil {
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := drain(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hide(r, resp)
	t.last = &take{
		method: r.Method, path: r.URL.EscapedPath(), query: r.URL.Query(), contentType: r.Header.Get("Content-Type"),
		sent: sent, status: resp.StatusCode, header: kept(resp.Header), body: body,
	}
	return resp, nil
}

func drain(body io.ReadCloser) ([]byte, error) {
	if body == nil || body == http.NoBody {
		return nil, nil
	}
	defer func() { _ = body.Close() }()
	return io.ReadAll(body)
}

func kept(h http.Header) map[string]string {
	some := map[string]string{}
	for _, name := range keptHeaders {
		if value := h.Get(name); value != "" {
			some[name] = value
		}
	}
	return some
}

// hide remembers the credentials of an exchange, so that they can be found in
// what is written.
func (t *tape) hide(r *http.Request, resp *http.Response) {
	var seen []string
	if _, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		seen = append(seen, token)
	}
	for _, cookie := range slices.Concat(r.Cookies(), resp.Cookies()) {
		seen = append(seen, cookie.Value)
	}
	for _, value := range seen {
		if len(value) >= 6 && !slices.Contains(t.hidden, value) { // shorter ones are words
			t.hidden = append(t.hidden, value)
		}
	}
}

func (t *tape) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = nil
}

func (t *tape) taken() *take {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

func (t *tape) secrets() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.hidden)
}

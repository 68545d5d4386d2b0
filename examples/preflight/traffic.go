package main

import (
	"errors"
	"net/http"
	"sync"
)

// readOnly is a transport that lets nothing pass but GET, and remembers the
// form of the last answer.
type readOnly struct {
	next http.RoundTripper

	mu         sync.Mutex
	compressed bool  // net/http asked for gzip, got it and undid it
	length     int64 // as announced; -1 if it was not
}

var errWrite = errors.New("preflight only reads")

// RoundTrip implements http.RoundTripper.
func (t *readOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, errWrite
	}
	resp, err := t.next.RoundTrip(r)
	if err == nil {
		t.mu.Lock()
		t.compressed, t.length = resp.Uncompressed, resp.ContentLength
		t.mu.Unlock()
	}
	return resp, err
}

func (t *readOnly) last() (compressed bool, length int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.compressed, t.length
}

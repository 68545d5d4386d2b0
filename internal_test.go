package minapp

import "net/http"

// LimitAnswers makes a client give up on answers that are longer than n bytes,
// so that a test of one without an end is not a test of memory.
func LimitAnswers(c *Client, n int64) { c.api.MaxBody = n }

// DefaultTransport is what a client sends with if it is told nothing else.
func DefaultTransport() *http.Transport { return defaultTransport().(*http.Transport) }

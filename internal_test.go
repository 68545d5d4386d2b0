package minapp

// LimitAnswers makes a client give up on answers that are longer than n bytes,
// so that a test of one without an end is not a test of memory.
func LimitAnswers(c *Client, n int64) { c.api.MaxBody = n }

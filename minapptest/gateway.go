package minapptest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// gateway refuses what never reaches an operation: addresses that are too long
// or lack their slash, callers without credentials, and too many requests.
func (s *Server) gateway(c *call) (a answer, refused bool) {
	if c.surface == byoa {
		return s.moi.gateway(c)
	}
	limits := s.limits.Load()
	if urlLength(c.r) > limits.URLMax {
		return badGateway(), true
	}
	if c.redirect != "" {
		return answer{status: http.StatusMovedPermanently, header: http.Header{"Location": {c.redirect}}}, true
	}
	if c.route.name == "exports.download" {
		return answer{}, false // not an API: the link is the credential
	}
	if !slices.Contains([]string{oserve, userve, signIn}, c.surface) {
		return c.bad.answer(), true // a wrong base URL, whatever the credentials
	}
	if !s.authorized(c) {
		// inferred: the text.
		return fail(http.StatusUnauthorized, "authentication credentials were not provided or are invalid").answer(), true
	}
	if after, ok := s.quota.take(s.now(), c.cost(), limits.RPM); !ok {
		return tooManyRequests(after), true
	}
	return answer{}, false
}

// urlLength is what counts against the limit. inferred: that this is the whole
// address and not the path.
func urlLength(r *http.Request) int {
	return len("http://") + len(r.Host) + len(r.RequestURI)
}

// badGateway is the answer to a long address. inferred: the body, in the manner
// of nginx.
func badGateway() answer {
	const page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n" +
		"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
	return answer{status: http.StatusBadGateway, header: http.Header{"Content-Type": {"text/html"}}, body: []byte(page)}
}

// tooManyRequests is the answer to a used-up quota. inferred: all of it.
func tooManyRequests(after time.Duration) answer {
	a := fail(http.StatusTooManyRequests, "too many requests").answer()
	seconds := int((after + time.Second - 1) / time.Second)
	a.header.Set("Retry-After", strconv.Itoa(max(1, seconds)))
	return a
}

// authorized checks the bearer token on oserve and the presence of a cookie on
// userve. Signing in carries its own credentials.
func (s *Server) authorized(c *call) bool {
	switch c.surface {
	case userve:
		return c.r.Header.Get("Cookie") != ""
	case signIn:
		return true
	}
	// inferred: the documented curl sample that deletes a table sends a cookie.
	if c.route.name == "tables.delete" && s.token == "" && c.r.Header.Get("Cookie") != "" {
		return true
	}
	scheme, token, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return false
	}
	return s.accepts(token)
}

// cost is the number of requests that a call is billed as. inferred: expand
// counts as one more however many columns it names.
func (c *call) cost() int {
	if c.query.Get("expand") != "" {
		return 2
	}
	return 1
}

// quota counts the requests of the last minute.
type quota struct {
	mu    sync.Mutex
	times []time.Time
}

// take spends cost requests, or returns how long to wait for them.
func (q *quota) take(now time.Time, cost, rpm int) (time.Duration, bool) {
	if rpm == noLimit {
		return 0, true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	old := 0
	for old < len(q.times) && now.Sub(q.times[old]) >= time.Minute {
		old++
	}
	q.times = slices.Delete(q.times, 0, old)
	if n := len(q.times); n+cost > rpm {
		if n == 0 {
			return time.Minute, false
		}
		return time.Minute - now.Sub(q.times[min(n, max(1, n+cost-rpm))-1]), false
	}
	for range cost {
		q.times = append(q.times, now)
	}
	return 0, true
}

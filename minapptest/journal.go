package minapptest

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Request is a request that arrived.
type Request struct {
	Time      time.Time
	Operation string // see the package documentation; empty for an address that the emulator does not know
	Method    string
	Path      string
	RawQuery  string      // empty for exports.download, where it is a signature
	Header    http.Header // without credentials
	Body      []byte      // nil for oauth.*, where it holds credentials
	Status    int         // of the answer; 0 when the connection was dropped
}

// The journal forgets its oldest requests beyond these sizes.
const (
	journalEntries = 10_000
	journalBytes   = 64 << 20
)

type journal struct {
	mu       sync.Mutex
	requests []Request
	bytes    int
	counts   map[string]int
	examined int64
}

func (j *journal) add(r Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.counts == nil {
		j.counts = map[string]int{}
	}
	j.counts[r.Operation]++
	j.requests = append(j.requests, r)
	j.bytes += len(r.Body)
	for len(j.requests) > journalEntries || j.bytes > journalBytes && len(j.requests) > 1 {
		j.bytes -= len(j.requests[0].Body)
		j.requests[0] = Request{}
		j.requests = j.requests[1:]
	}
}

func (j *journal) examine(rows int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.examined += int64(rows)
}

// Requests returns the requests that were answered or dropped, oldest first. The
// latest 10,000 are kept, with bodies of at most 64 MiB; [Server.Count] has all.
func (s *Server) Requests() []Request {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return slices.Clone(s.journal.requests)
}

// Count returns how many requests of an operation arrived; an empty name counts
// all of them. Count panics at an operation that does not exist.
func (s *Server) Count(operation string) int {
	if operation != "" {
		mustBeOperation(operation)
	}
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	if operation != "" {
		return s.journal.counts[operation]
	}
	n := 0
	for _, count := range s.journal.counts {
		n += count
	}
	return n
}

// RowsExamined returns how many rows the service has looked at to answer: a page
// at an offset costs offset+limit rows, a filter every row it is tried on.
func (s *Server) RowsExamined() int64 {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return s.journal.examined
}

// ResetLog forgets the requests, the counts and the rows examined.
func (s *Server) ResetLog() {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	s.journal.requests, s.journal.bytes, s.journal.counts, s.journal.examined = nil, 0, nil, 0
}

// loggedHeader is a copy without credentials.
func loggedHeader(h http.Header) http.Header {
	h = h.Clone()
	for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization", "moi-key"} {
		h.Del(name)
	}
	return h
}

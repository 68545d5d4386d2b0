package minapptest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Fault is something that goes wrong with requests. Delays, Status and Drop can
// be combined; a body that is malformed is Status 200 with that Body.
//
// A connection closed without any byte of an answer looks to net/http like one
// that had been idle too long: on a connection used before it repeats a GET by
// itself, and that second try meets the next fault, or none.
type Fault struct {
	Operation string // as [Request.Operation]; empty is any
	Skip      int    // requests to leave alone first
	Times     int    // requests to disturb; 0 is one, negative is all

	Delay       time.Duration // wait before the request is processed
	AnswerDelay time.Duration // wait after that, before the answer

	// Status answers with this status, with Header and Body. The request has
	// no effect unless Processed is set.
	Status    int
	Header    http.Header
	Body      string
	Processed bool

	Drop Drop // loses the connection
}

// Drop says at which point a connection is lost.
type Drop int

const (
	// NoDrop keeps the connection.
	NoDrop Drop = iota
	// DropBefore closes the connection without processing the request.
	DropBefore
	// DropAfter processes the request and closes the connection unanswered.
	DropAfter
	// CutBody processes the request and sends half of the answer's body.
	CutBody
)

// Fault arranges for a fault. Of several that concern a request the one that was
// arranged first takes effect, and only that one is used up. Fault panics at an
// operation that does not exist.
func (s *Server) Fault(f Fault) {
	if f.Operation != "" {
		mustBeOperation(f.Operation)
	}
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults.add(f)
}

// ClearFaults forgets all faults that have not happened yet.
func (s *Server) ClearFaults() { s.faults.clear() }

// RefuseDials makes the next n connections over the in-memory network fail, so
// that their requests are certainly not sent. Open connections stay.
func (s *Server) RefuseDials(n int) { s.network().refuse(n) }

type faults struct {
	mu   sync.Mutex
	list []*Fault
}

func (fs *faults) add(f Fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = append(fs.list, &f)
}

func (fs *faults) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = nil
}

// take returns the fault for a request, if there is one.
func (fs *faults) take(operation string) Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i, f := range fs.list {
		if f.Operation != "" && f.Operation != operation {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		taken := *f
		if f.Times == 0 {
			fs.list = slices.Delete(fs.list, i, i+1)
		}
		return taken
	}
	return Fault{}
}

// respond lets the fault act around the processing of a request. ok is false
// when the connection is to be dropped.
func (f Fault) respond(ctx context.Context, closed <-chan struct{}, process func() answer) (a answer, ok bool) {
	if !wait(ctx, closed, f.Delay) || f.Drop == DropBefore {
		return answer{}, false
	}
	if f.Status == 0 || f.Processed {
		a = process()
	}
	if !wait(ctx, closed, f.AnswerDelay) || f.Drop == DropAfter {
		return answer{}, false
	}
	if f.Status != 0 {
		a = f.answer()
	}
	if f.Drop == CutBody {
		if a.header == nil {
			a.header = http.Header{}
		}
		a.header.Set("Content-Length", strconv.Itoa(max(1, len(a.body))))
		a.body = a.body[:len(a.body)/2]
	}
	return a, true
}

func (f Fault) answer() answer {
	header := f.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	return answer{status: f.Status, header: header, body: []byte(f.Body)}
}

// wait sleeps, and returns false when the caller or the server is gone.
func wait(ctx context.Context, closed <-chan struct{}, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-closed:
	}
	return false
}

package minapptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// TB is what a server asks of a test.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
}

// Server is an emulated minapp service. It is safe for concurrent use.
type Server struct {
	token    string
	now      func() time.Time
	store    *store
	oauth    oauth
	faults   faults
	journal  journal
	quota    quota
	moi      *MOI
	limits   atomic.Pointer[Limits]
	requests atomic.Int64 // for request ids

	http   *http.Server
	conns  connections
	closed chan struct{}

	mu      sync.Mutex // guards what follows
	stopped bool
	memory  *memoryNetwork
	client  *http.Client
	baseURL string         // on TCP
	serving sync.WaitGroup // accept loops
}

// New returns a server that listens nowhere until Listen or Client is called.
// Close it after use.
func New(opts ...Option) *Server {
	s := &Server{now: time.Now, store: newStore(), closed: make(chan struct{})}
	s.moi = newMOI(s)
	s.SetLimits(Limits{})
	s.http = &http.Server{
		Handler:   s.Handler(),
		ErrorLog:  log.New(io.Discard, "", 0),
		ConnState: s.conns.track,
	}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// NewServer returns a server on an in-memory network that is closed when the
// test ends.
func NewServer(t TB, opts ...Option) *Server {
	t.Helper()
	s := New(opts...)
	s.network()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("minapptest: %v", err)
		}
	})
	return s
}

// Listen puts the server on a TCP address such as "127.0.0.1:0" and returns its
// base URL.
func (s *Server) Listen(addr string) (baseURL string, err error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("minapptest: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return "", errors.Join(errors.New("minapptest: server is closed"), l.Close())
	}
	s.baseURL = "http://" + l.Addr().String()
	s.serve(l)
	return s.baseURL, nil
}

// serve starts an accept loop; s.mu is held.
func (s *Server) serve(l net.Listener) {
	s.serving.Go(func() { _ = s.http.Serve(l) }) // ends with Close, and only then
}

// network returns the in-memory network and starts it if need be.
func (s *Server) network() *memoryNetwork {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory == nil {
		n := newMemoryNetwork()
		s.memory = n
		s.client = &http.Client{Transport: &http.Transport{DialContext: n.DialContext, MaxIdleConnsPerHost: 64}}
		if s.stopped {
			_ = n.Close()
		} else {
			s.serve(n)
		}
	}
	return s.memory
}

// Client returns an HTTP client that reaches this server over the in-memory
// network, whatever host it is asked for. It carries no credentials.
func (s *Server) Client() *http.Client {
	s.network()
	return s.client
}

// URL returns the base URL: that of Listen, else one for use with Client.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.baseURL != "" {
		return s.baseURL
	}
	return "http://" + memoryAddr
}

// Close stops the server, drops all connections and waits for their end.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return nil
	}
	s.stopped = true
	close(s.closed)
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	err := s.http.Close()
	s.mu.Unlock()
	s.serving.Wait()
	s.conns.wg.Wait()
	return err
}

// SetLimits changes the limits of a running server.
func (s *Server) SetLimits(l Limits) {
	l = l.withDefaults()
	s.limits.Store(&l)
}

// Handler returns the service as a handler, for servers of other makes.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

// maxBody bounds what is read of a request.
const maxBody = 256 << 20

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	c := s.newCall(r)
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler) // the caller is gone
	}
	c.setBody(body)
	f := s.faults.take(c.route.name)
	a, ok := f.respond(r.Context(), s.closed, func() answer { return s.process(c) })
	s.record(c, a.status)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	// inferred: the header's name; no document mentions a request id.
	w.Header().Set("X-Request-Id", "emulator-"+strconv.FormatInt(s.requests.Add(1), 10))
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	a.write(w, f.Drop == CutBody)
}

func (a answer) write(w http.ResponseWriter, cut bool) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, err := w.Write(a.body)
	if cut || err != nil && len(a.body) > 0 {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) record(c *call, status int) {
	if c.surface == signIn {
		c.body = nil // it holds secrets
	}
	query := c.r.URL.RawQuery
	if c.route.name == "exports.download" {
		query = "" // it is the signature
	}
	s.journal.add(Request{
		Time: s.now(), Operation: c.route.name, Method: c.r.Method, Path: c.r.URL.Path, RawQuery: query,
		Header: loggedHeader(c.r.Header), Body: c.body, Status: status,
	})
}

// process answers a request: first what a gateway checks, then the operation.
func (s *Server) process(c *call) answer {
	if a, refused := s.gateway(c); refused {
		return a
	}
	if c.bad != nil {
		return c.bad.answer()
	}
	s.finishJobs()
	a, bad := c.route.handle(s, c)
	if bad != nil {
		return bad.answer()
	}
	return a
}

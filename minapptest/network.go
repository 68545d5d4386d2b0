package minapptest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// memoryAddr is the address of the in-memory network. It is a loopback address,
// since clients may refuse plain http elsewhere, with a port on which nothing
// listens should somebody dial it for real.
const memoryAddr = "127.0.0.1:1"

var errRefused = errors.New("minapptest: connection refused")

// memoryNetwork is a listener whose connections are pipes inside the process:
// no socket, so that waiting on one is waiting in the sense of testing/synctest.
type memoryNetwork struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex
	refused int // dials still to be refused
}

func newMemoryNetwork() *memoryNetwork {
	return &memoryNetwork{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// DialContext connects to the server, whatever the address.
func (n *memoryNetwork) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	if n.takeRefusal() {
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: n.Addr(), Err: errRefused}
	}
	client, server := net.Pipe()
	select {
	case n.conns <- server:
		return client, nil
	case <-n.closed:
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: n.Addr(), Err: errRefused}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *memoryNetwork) refuse(times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refused = times
}

func (n *memoryNetwork) takeRefusal() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refused == 0 {
		return false
	}
	n.refused--
	return true
}

// Accept implements net.Listener.
func (n *memoryNetwork) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (n *memoryNetwork) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

// Addr implements net.Listener.
func (n *memoryNetwork) Addr() net.Addr { return networkAddr{} }

type networkAddr struct{}

func (networkAddr) Network() string { return "memory" }
func (networkAddr) String() string  { return memoryAddr }

// connections waits for the goroutines of a server's connections.
type connections struct{ wg sync.WaitGroup }

func (c *connections) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.wg.Add(1)
	case http.StateClosed, http.StateHijacked:
		c.wg.Done()
	case http.StateActive, http.StateIdle:
	}
}

package minapptest

import (
	"sync"
	"time"
)

// Clock is a clock that stands still until it is told otherwise.
//
//	clock := minapptest.NewClock(time.Unix(1700000000, 0))
//	s := minapptest.NewServer(t, minapptest.WithClock(clock.Now))
//	clock.Advance(time.Second)
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows start.
func NewClock(start time.Time) *Clock { return &Clock{now: start} }

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set makes the clock show another time.
func (c *Clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// Advance moves the clock by d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

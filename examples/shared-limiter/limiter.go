package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/gofrs/flock"
)

// FileLimiter lets the processes of one machine share so many requests a
// minute, evenly spaced. It is a minapp.Limiter to copy. A file holds the time
// of the next request that may be sent; whoever wants to send takes that time
// for himself and moves it on. The file is locked only while it is read and
// written, never during a wait, and the system ends the lock of a process that
// dies. A time that was taken and not used, because its process died or its call
// was given up, is lost: the others send no sooner, and no later either.
//
// The client asks for one call at a time, in the order of their arrival, so that
// a process has one place in the file, however many of its calls wait.
type FileLimiter struct {
	path  string
	every time.Duration
}

// NewFileLimiter shares the file, and path+".lock" beside it.
func NewFileLimiter(path string, perMinute int) *FileLimiter {
	return &FileLimiter{path: path, every: time.Minute / time.Duration(perMinute)}
}

// Wait returns when the next request may be sent, at once if that is after the
// deadline, and with the context.
func (l *FileLimiter) Wait(ctx context.Context) error {
	at, err := l.take(ctx)
	if err != nil {
		return err
	}
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// take reserves the next time.
func (l *FileLimiter) take(ctx context.Context) (at time.Time, err error) {
	lock := flock.New(l.path + ".lock") // one for each caller: it does not keep goroutines apart
	if _, err := lock.TryLockContext(ctx, time.Millisecond); err != nil {
		return at, fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()

	file, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return at, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	next, err := readTime(file)
	if err != nil {
		return at, err
	}
	at = time.Now()
	if next.After(at) {
		at = next
	}
	if deadline, ok := ctx.Deadline(); ok && at.After(deadline) {
		return at, fmt.Errorf("the next request may be sent in %s: %w", time.Until(at).Round(time.Millisecond), context.DeadlineExceeded)
	}
	// Always as long as before and in one piece: a process that dies here
	// leaves the old time or the new one.
	_, err = file.WriteAt(fmt.Appendf(nil, "%020d", at.Add(l.every).UnixNano()), 0)
	return at, err
}

// readTime reads the time in a file; an empty one is new and has none.
func readTime(file *os.File) (t time.Time, err error) {
	data, err := io.ReadAll(file)
	if err != nil || len(data) == 0 {
		return t, err
	}
	nanos, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return t, fmt.Errorf("%s does not hold a time: delete it when nobody uses it", file.Name())
	}
	return time.Unix(0, nanos), nil
}

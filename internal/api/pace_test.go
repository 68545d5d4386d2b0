package api

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/pace"
)

// traffic is calls that arrive, wait and are sent, in fake time. Every arrival
// has a moment of its own.
type traffic struct {
	sender *Sender
	random *rand.Rand
	start  time.Time

	mu       sync.Mutex
	arrivals []*arrival // of attempts
	last     map[string]*arrival
}

// arrival is an attempt that begins to wait.
type arrival struct {
	id       string
	n        int // what it counts as
	at, sent time.Duration
	wasSent  bool
}

func newTraffic(t *testing.T, seed uint64, line *pace.Line) *traffic {
	t.Helper()
	tr := &traffic{random: rand.New(rand.NewPCG(seed, 0)), start: time.Now(), last: map[string]*arrival{}}
	tr.sender = newSender(t, tr, "https://host")
	tr.sender.Line = line
	return tr
}

func (tr *traffic) now() time.Duration { return time.Since(tr.start) }

func (tr *traffic) arrive(id string, n int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	a := &arrival{id: id, n: n, at: tr.now()}
	tr.last[id] = a
	tr.arrivals = append(tr.arrivals, a)
}

// RoundTrip answers after a while, and one request in ten with a 429, after
// which the call arrives again.
func (tr *traffic) RoundTrip(r *http.Request) (*http.Response, error) {
	tr.mu.Lock()
	a := tr.last[r.URL.Path]
	a.sent, a.wasSent = tr.now(), true
	busy, pause := tr.random.IntN(10) == 0, strconv.Itoa(tr.random.IntN(20))
	latency := 1 + time.Duration(tr.random.Int64N(int64(2*time.Second)))
	tr.mu.Unlock()
	if err := pace.Sleep(r.Context(), latency); err != nil {
		return nil, err
	}
	if busy {
		tr.arrive(a.id, a.n)
		return answering(429, ``, "Retry-After", pause)(r)
	}
	return answering(200, `{}`)(r)
}

// call makes a call that counts as n requests.
func (tr *traffic) call(ctx context.Context, i, n int) error {
	id := strconv.Itoa(i)
	tr.arrive("/oserve/thing/"+id+"/", n)
	_, err := tr.sender.Do(ctx, read, Call{Path: []string{id}, Cost: n - 1})
	return err
}

// check looks at all that was sent: in the order of arrival, and in no minute
// more than the share.
func (tr *traffic) check(t *testing.T, share float64) {
	t.Helper()
	var sent []*arrival
	for _, a := range tr.arrivals {
		if a.wasSent {
			sent = append(sent, a)
		}
	}
	slices.SortStableFunc(sent, func(a, b *arrival) int { return int(a.at - b.at) })
	for i, a := range sent[1:] {
		require.GreaterOrEqual(t, a.sent, sent[i].sent, "%s came at %v and was overtaken by %s, which came at %v", sent[i].id, sent[i].at, a.id, a.at)
	}
	for i, first := range sent {
		inMinute := 0
		for _, a := range sent[i:] {
			if a.sent-first.sent < time.Minute {
				inMinute += a.n
			}
		}
		require.LessOrEqual(t, float64(inMinute), share, "in the minute from %v", first.sent)
	}
}

// Calls of different weight arrive and give up at random, some have a deadline,
// and the service says 429 now and then.
func TestNobodyIsOvertakenAndNoMinuteHasMoreThanTheShare(t *testing.T) {
	const calls = 150
	var given, sent, repeated int
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			share := 5 + 295*random.Float64()
			tr := newTraffic(t, seed, pace.PerMinute(share))
			var all sync.WaitGroup
			for i := range calls {
				require.NoError(t, pace.Sleep(t.Context(), 1+time.Duration(random.Int64N(int64(90e9/share)))))
				ctx, cancel := context.WithCancel(t.Context())
				n, patience := 1, time.Duration(1+random.Int64N(int64(time.Minute)))
				if random.IntN(4) == 0 {
					n += random.IntN(4)
				}
				switch random.IntN(4) {
				case 0:
					time.AfterFunc(patience, cancel)
				case 1:
					ctx, cancel = context.WithTimeout(ctx, patience)
				default:
					patience = 0
				}
				all.Go(func() {
					defer cancel()
					arrived := time.Now()
					if err := tr.call(ctx, i, n); err != nil && patience > 0 {
						assert.LessOrEqual(t, time.Since(arrived), patience, "whoever gives up is gone at once: %v", err)
					}
				})
			}
			all.Wait()
			tr.check(t, share)
			for _, a := range tr.arrivals {
				if a.wasSent {
					sent++
				} else {
					given++
				}
			}
			repeated += len(tr.arrivals) - calls
		})
	}
	t.Logf("%d attempts were sent, %d of them again after a 429; %d were given up", sent, repeated, given)
	assert.Positive(t, min(given, repeated))
}

func TestRefusedWaitSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{answering(200, `{}`)}}
		sender := newSender(t, s, "https://host")
		sender.Line = pace.PerMinute(25)
		do := func(d time.Duration, cost int) error {
			_, err := sender.Do(within(t, d), create, Call{Path: []string{"1"}, Cost: cost})
			return err
		}
		require.NoError(t, do(time.Second, 0))
		err := do(time.Second, 0)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "waiting for the limiter: the turn comes in 2.5s")
		f := errorAs[*Failure](t, err)
		assert.True(t, f.Unsent && !f.Unknown && !f.Ended)
		sender.gates[operation.Minapp].Hold(10 * time.Second)
		require.ErrorContains(t, do(time.Second, 0), "waiting after a 429: the turn comes in 10s")
		require.ErrorIs(t, do(time.Hour, 25), operation.ErrInvalid, "26 requests are in no minute")
		require.NoError(t, do(time.Hour, 24))
		assert.Equal(t, 2, s.calls)
	})
}

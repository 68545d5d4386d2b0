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

func newTraffic(t *testing.T, seed uint64, pace *Pace) *traffic {
	t.Helper()
	tr := &traffic{random: rand.New(rand.NewPCG(seed, 0)), start: time.Now(), last: map[string]*arrival{}}
	tr.sender = newSender(t, tr, "https://host")
	tr.sender.Pace = pace
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
	if err := Sleep(r.Context(), latency); err != nil {
		return nil, err
	}
	if busy {
		tr.arrive(a.id, a.n)
		return answer(429, ``, "Retry-After", pause)(r)
	}
	return answer(200, `{}`)(r)
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
			tr := newTraffic(t, seed, PerMinute(share))
			var all sync.WaitGroup
			for i := range calls {
				require.NoError(t, Sleep(t.Context(), 1+time.Duration(random.Int64N(int64(90e9/share)))))
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

// queueing has attempts that count as given wait one behind the other, and
// answers when each left; cancelled ones give up after a second.
func queueing(t *testing.T, p *Pace, weights []int, cancelled ...int) []time.Duration {
	t.Helper()
	start, left := time.Now(), make([]time.Duration, len(weights))
	var g gate
	var all sync.WaitGroup
	for i, n := range weights {
		ctx, cancel := context.WithCancel(t.Context())
		if slices.Contains(cancelled, i) {
			time.AfterFunc(time.Second, cancel)
		}
		all.Go(func() {
			defer cancel()
			if err := p.wait(ctx, &g, n); !slices.Contains(cancelled, i) {
				assert.NoError(t, err)
			} else {
				assert.ErrorIs(t, err, context.Canceled)
			}
			left[i] = time.Since(start)
		})
		synctest.Wait()
	}
	all.Wait()
	return left
}

func TestWhoGivesUpGivesItsPlaceBack(t *testing.T) {
	// 25 a minute are one at once and another every 2.5 s.
	tick := func(n int) time.Duration { return time.Duration(n) * (time.Minute + time.Millisecond) / 24 }
	for _, tt := range []struct {
		name      string
		weights   []int
		cancelled []int
		want      []time.Duration
	}{
		{"nobody", []int{1, 1, 1}, nil, []time.Duration{0, tick(1), tick(2)}},
		{"the one in front", []int{1, 1, 1}, []int{1}, []time.Duration{0, time.Second, tick(1)}},
		{"one in the middle", []int{1, 1, 1, 1}, []int{2}, []time.Duration{0, tick(1), time.Second, tick(2)}},
		{"a heavy one in front", []int{1, 3, 1, 1}, []int{1}, []time.Duration{0, time.Second, tick(1), tick(2)}},
		{"a heavy one in the middle", []int{1, 1, 3, 1}, []int{2}, []time.Duration{0, tick(1), time.Second, tick(2)}},
		{"the last", []int{1, 1, 1}, []int{2}, []time.Duration{0, tick(1), time.Second}},
		{"all but one", []int{1, 1, 3, 2, 1}, []int{1, 2, 3}, []time.Duration{0, time.Second, time.Second, time.Second, tick(1)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := queueing(t, PerMinute(25), tt.weights, tt.cancelled...)
				for i := range got {
					assert.InDelta(t, tt.want[i], got[i], float64(time.Microsecond), "attempt %d", i)
				}
			})
		})
	}
}

// The turn is known in advance, whatever those in front count as and whoever
// has given up: a deadline just behind it is met, one just before it is refused
// at once.
func TestWaitThatWouldOutlastTheDeadlineFailsAtOnce(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 2))
		share := 10 + 290*random.Float64()
		idle := time.Duration(random.Int64N(int64(time.Minute)))
		hold := time.Duration(random.IntN(2)) * 10 * time.Second
		last, weights, quitters := 1+random.IntN(4), make([]int, 1+random.IntN(20)), make([]bool, 20)
		for i := range weights {
			weights[i], quitters[i] = 1+max(0, random.IntN(6)-3), random.IntN(4) == 0
		}
		// attempt has the last one arrive with a deadline, and says when it left.
		attempt := func(deadline time.Duration) (left time.Duration, err error) {
			synctest.Test(t, func(t *testing.T) {
				p, g := PerMinute(share), &gate{}
				require.NoError(t, p.wait(t.Context(), g, weights[0]))
				require.NoError(t, Sleep(t.Context(), idle))
				g.hold(hold)
				ctx, quit := context.WithCancel(t.Context())
				var others sync.WaitGroup
				for i, n := range weights[1:] {
					others.Go(func() {
						if quitters[i] {
							_ = p.wait(ctx, g, n)
						} else {
							assert.NoError(t, p.wait(t.Context(), g, n))
						}
					})
					synctest.Wait()
				}
				quit()
				synctest.Wait()
				start := time.Now()
				err = p.wait(within(t, deadline), g, last)
				left = time.Since(start)
				others.Wait()
			})
			return left, err
		}
		turn, err := attempt(24 * time.Hour)
		require.NoError(t, err)
		left, err := attempt(turn + time.Nanosecond)
		require.NoError(t, err, "share %v, %d behind %v, hold %v", share, last, weights, hold)
		assert.Equal(t, turn, left)
		if turn > time.Microsecond {
			left, err = attempt(turn - time.Microsecond)
			require.ErrorIs(t, err, context.DeadlineExceeded, "share %v, %d behind %v, hold %v", share, last, weights, hold)
			assert.Zero(t, left, "refused at once, not after %v: %v", left, err)
		}
	}
}

func TestRefusedWaitSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{answer(200, `{}`)}}
		sender := newSender(t, s, "https://host")
		sender.Pace = PerMinute(25)
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
		sender.gates[Minapp].hold(10 * time.Second)
		require.ErrorContains(t, do(time.Second, 0), "waiting after a 429: the turn comes in 10s")
		require.ErrorIs(t, do(time.Hour, 25), ErrInvalid, "26 requests are in no minute")
		require.NoError(t, do(time.Hour, 24))
		assert.Equal(t, 2, s.calls)
	})
}

// A call that counts as several requests does not let others in between, even
// with a limiter that is asked for each of them.
func TestHeavyCallIsNotOvertakenAtALimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := queueing(t, LimitedBy(&queue{step: time.Second}), []int{1, 3, 1})
		assert.Equal(t, []time.Duration{time.Second, 4 * time.Second, 5 * time.Second}, left)
	})
}

// Who waits, after one 429 or for the limiter, when another comes keeps the
// place before those that come later.
func TestASecond429KeepsTheOrder(t *testing.T) {
	for name, tt := range map[string]struct {
		limiter Limiter
		share   *share
		first   time.Duration // how long the first one holds
	}{
		"no limit": {nil, nil, 10 * time.Second},
		"plan":     {nil, newShare(60), 10 * time.Second},
		"limiter":  {slowLimiter(10 * time.Second), nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, g := &Pace{limiter: tt.limiter, share: tt.share}, &gate{}
				start := time.Now()
				g.hold(tt.first)
				var mu sync.Mutex
				var order []int
				var all sync.WaitGroup
				for i := range 8 {
					all.Go(func() {
						assert.NoError(t, p.wait(t.Context(), g, 1))
						mu.Lock()
						defer mu.Unlock()
						order = append(order, i)
						assert.GreaterOrEqual(t, time.Since(start), 20*time.Second)
					})
					require.NoError(t, Sleep(t.Context(), time.Second))
					if i == 3 {
						g.hold(20*time.Second - time.Since(start))
					}
				}
				all.Wait()
				assert.True(t, slices.IsSorted(order), "%v", order)
				assert.Zero(t, p.waiting, "nobody is left in the line")
			})
		})
	}
}

package pace

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// queueing has attempts that count as given wait one behind the other, and
// answers when each left; cancelled ones give up after a second.
func queueing(t *testing.T, l *Line, weights []int, cancelled ...int) []time.Duration {
	t.Helper()
	start, left := time.Now(), make([]time.Duration, len(weights))
	var g Gate
	var all sync.WaitGroup
	for i, n := range weights {
		ctx, cancel := context.WithCancel(t.Context())
		if slices.Contains(cancelled, i) {
			time.AfterFunc(time.Second, cancel)
		}
		all.Go(func() {
			defer cancel()
			if err := l.Wait(ctx, &g, n); !slices.Contains(cancelled, i) {
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
				l, g := PerMinute(share), &Gate{}
				require.NoError(t, l.Wait(t.Context(), g, weights[0]))
				require.NoError(t, Sleep(t.Context(), idle))
				g.Hold(hold)
				ctx, quit := context.WithCancel(t.Context())
				var others sync.WaitGroup
				for i, n := range weights[1:] {
					others.Go(func() {
						if quitters[i] {
							_ = l.Wait(ctx, g, n)
						} else {
							assert.NoError(t, l.Wait(t.Context(), g, n))
						}
					})
					synctest.Wait()
				}
				quit()
				synctest.Wait()
				start := time.Now()
				err = l.Wait(within(t, deadline), g, last)
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

// A call that counts as several requests does not let others in between, even
// with a limiter that is asked for each of them.
func TestHeavyCallIsNotOvertakenAtALimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := queueing(t, LimitedBy(slowLimiter(time.Second)), []int{1, 3, 1})
		assert.Equal(t, []time.Duration{time.Second, 4 * time.Second, 5 * time.Second}, left)
	})
}

type slowLimiter time.Duration

func (l slowLimiter) Wait(ctx context.Context) error { return Sleep(ctx, time.Duration(l)) }

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
				l, g := &Line{limiter: tt.limiter, share: tt.share}, &Gate{}
				start := time.Now()
				g.Hold(tt.first)
				var mu sync.Mutex
				var order []int
				var all sync.WaitGroup
				for i := range 8 {
					all.Go(func() {
						assert.NoError(t, l.Wait(t.Context(), g, 1))
						mu.Lock()
						defer mu.Unlock()
						order = append(order, i)
						assert.GreaterOrEqual(t, time.Since(start), 20*time.Second)
					})
					require.NoError(t, Sleep(t.Context(), time.Second))
					if i == 3 {
						g.Hold(20*time.Second - time.Since(start))
					}
				}
				all.Wait()
				assert.True(t, slices.IsSorted(order), "%v", order)
				assert.Zero(t, l.waiting, "nobody is left in the line")
			})
		})
	}
}

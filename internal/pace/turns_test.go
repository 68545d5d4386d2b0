package pace

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestTurnsPauseBetweenTheEndAndTheNextBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		start := time.Now()
		var begun []time.Duration
		for range 3 {
			done, _, err := turns.Wait(t.Context(), time.Minute)
			require.NoError(t, err)
			begun = append(begun, time.Since(start))
			require.NoError(t, Sleep(t.Context(), 5*time.Second)) // its work
			done(true)
		}
		assert.Equal(t, []time.Duration{0, 65 * time.Second, 130 * time.Second}, begun)
	})
}

func TestATurnThatComesTooLateIsKnownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		start := time.Now()
		done, _, err := turns.Wait(t.Context(), time.Minute)
		require.NoError(t, err)
		_, left, err := turns.Wait(within(t, 59*time.Second), time.Minute)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Minute, left, "one caller is at work")
		done(true)
		_, left, err = turns.Wait(within(t, time.Minute), time.Minute)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Minute, left)
		assert.Zero(t, time.Since(start))
		done, _, err = turns.Wait(within(t, 61*time.Second), time.Minute)
		require.NoError(t, err)
		done(false)
		_, _, err = turns.Wait(within(t, time.Second), time.Minute)
		require.NoError(t, err, "a turn that was not used pauses nobody")
	})
}

func TestLeavingTheQueueOfTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		done, _, err := turns.Wait(t.Context(), time.Minute)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, _, err := turns.Wait(ctx, time.Minute) // behind the one at work
			left <- err
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-left, context.Canceled)
		done(true)

		ctx, cancel = context.WithCancel(t.Context())
		go func() {
			_, _, err := turns.Wait(ctx, time.Minute) // in its pause
			left <- err
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-left, context.Canceled)
		_, _, err = turns.Wait(within(t, time.Hour), time.Minute)
		require.NoError(t, err, "nobody is left in the queue")
	})
}

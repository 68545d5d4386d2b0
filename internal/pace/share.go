package pace

import (
	"math"
	"time"
)

// share is how many requests a minute may have. It is a bucket: a full one and
// what flows in during a minute make the share. For an attempt that counts as
// more than a full one, more is let in. What is above the bucket is charged
// twice then: it was saved up, and comes on top of what flows in afterwards.
type share struct {
	requests float64
	size     int     // of the bucket
	rate     float64 // what flows in, per nanosecond

	level float64
	at    time.Time // when it was that
	front int       // what the attempt in front counts as
	due   int       // what the attempts in the line cost
}

func newShare(requests float64) *share {
	size := max(1, int(requests/60))
	// The millisecond is for what is rounded: it must not add up to a request.
	rate := (requests - float64(size)) / float64(time.Minute+time.Millisecond)
	return &share{requests: requests, size: size, rate: rate, level: float64(size)}
}

// cost is what is charged for an attempt that counts as n requests.
func (s *share) cost(n int) int { return n + max(0, n-s.size) }

// fill is the level at a moment.
func (s *share) fill(at time.Time) float64 {
	flown := s.rate * float64(at.Sub(s.at))
	return min(s.level+flown, float64(max(s.size, s.front)))
}

// left is how long after a moment n have flown in.
func (s *share) left(at time.Time, n int) time.Duration {
	return time.Duration(math.Ceil((float64(n) - s.fill(at)) / s.rate))
}

// take charges the attempt in front, or says how long that cannot be.
func (s *share) take(now time.Time) (left time.Duration) {
	if left := s.left(now, s.front); left > 0 {
		return left
	}
	s.level, s.at = s.fill(now)-float64(s.cost(s.front)), now
	return 0
}

package answer

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RequestID reads the header that services commonly use; the documents of
// neither name one (inferred).
func RequestID(h http.Header) string { return h.Get("X-Request-Id") }

// RetryAfter reads the header Retry-After: seconds or an HTTP date. Zero is
// "not said", also for a value that is malformed or lies in the past.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0 // as nearly always: each try below would make an error
	}
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		if seconds > math.MaxInt64/uint64(time.Second) {
			return math.MaxInt64
		}
		return time.Duration(seconds) * time.Second
	}
	if isDigits(value) { // more digits than fit
		return math.MaxInt64
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

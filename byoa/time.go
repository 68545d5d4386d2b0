package byoa

import (
	"strconv"
	"time"
)

// Time is a moment as the service spelled it; "" is none, such as the end of
// what still runs. The services spell moments in several ways, some of them
// without a zone.
type Time string

// UnmarshalJSON keeps a string or a number as it is; null is "".
func (t *Time) UnmarshalJSON(data []byte) error { return (*text)(t).UnmarshalJSON(data) }

// Time returns the moment. It is false if there is none, if it cannot be read,
// or if no zone is stated, which leaves open which moment it is; see [Time.In].
func (t Time) Time() (time.Time, bool) { return t.In(nil) }

// In is Time for callers who know the zone of a service that states none. A
// zone that is stated wins.
func (t Time) In(loc *time.Location) (time.Time, bool) {
	if n, err := strconv.ParseInt(string(t), 10, 64); err == nil {
		return unix(n), true
	}
	s := string(t)
	if len(s) > 10 && s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, true
		}
	}
	if loc == nil {
		return time.Time{}, false
	}
	at, err := time.ParseInLocation("2006-01-02T15:04:05", s, loc)
	return at, err == nil
}

// unix reads seconds, as connectors have them, or milliseconds, as other calls
// of the service do: 10^11 seconds lie in the year 5138.
func unix(n int64) time.Time {
	const largestSecond = 100_000_000_000
	if n > largestSecond || n < -largestSecond {
		return time.UnixMilli(n).UTC()
	}
	return time.Unix(n, 0).UTC()
}

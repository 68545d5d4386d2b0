package answer

import (
	"math"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The wait is what the header says; it is never negative, and the longest there
// is where the figure does not fit.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"", "3", " 3 ", "-1", "+3", "0", "030", "9223372036", "9223372037", "18446744073709551616", "99999999999999999999", "1.5", "1e3", "0x3", "３",
		"Thu, 01 Jan 1970 00:00:20 GMT", "Sat, 01 Jan 2000 00:00:20 GMT", "Wed, 31 Dec 1969 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Thursday, 01-Jan-70 00:00:20 GMT", "Thu Jan  1 00:00:20 1970", "soon",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		now := time.Unix(0, 0)
		got := RetryAfter(http.Header{"Retry-After": {value}}, now)
		want := new(big.Int)
		text := strings.TrimSpace(value)
		if at, err := http.ParseTime(text); err == nil {
			want.SetInt64(int64(max(0, at.Sub(now))))
		} else if text != "" && strings.Trim(text, "0123456789") == "" {
			want.SetString(text, 10)
			want.Mul(want, big.NewInt(int64(time.Second)))
		}
		if most := big.NewInt(math.MaxInt64); want.Cmp(most) > 0 {
			want = most
		}
		if want.Int64() != int64(got) {
			t.Fatalf("%q is %s, not %s ns", value, got, want)
		}
	})
}

package literal_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/internal/literal"
)

func TestEncode(t *testing.T) {
	for want, v := range map[string]any{
		`"<a>&包"`:                "<a>&包",
		`9223372036854775807`:    int64(math.MaxInt64),
		`{"a":1,"b":[true]}`:     map[string]any{"b": []bool{true}, "a": 1},
		`null`:                   nil,
		`"2026-11-20T00:00:00Z"`: "2026-11-20T00:00:00Z",
	} {
		got, err := literal.Encode(v)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

func TestValuesThatWouldBeMisread(t *testing.T) {
	now := time.Now()
	for _, v := range []any{now, &now, []any{1, now}, map[string]any{"at": now}, "\xff", []string{"\xff"}, math.NaN(), make(chan int)} {
		_, err := literal.Encode(v)
		assert.Error(t, err, "%T", v)
	}
}

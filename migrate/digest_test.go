package migrate

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func plainRow(t *testing.T, key, row string) plain {
	t.Helper()
	r, err := newPlain(json.RawMessage(row), key, make(map[string]bool), true)
	require.NoError(t, err)
	return r
}

// Two rows that have swapped their values are seen: sums of hashes that are
// alike would hide it.
func TestSwappedValuesAreSeen(t *testing.T) {
	var byBucket [buckets][]string
	for i := range 5_000 {
		key := fmt.Sprintf("c%05d", i)
		b := plainRow(t, "k", fmt.Sprintf(`{"k":%q}`, key)).bucket()
		byBucket[b] = append(byBucket[b], key)
	}
	hash := func(key, value string) uint64 {
		return plainRow(t, "k", fmt.Sprintf(`{"k":%q,"v":%s}`, key, value)).hash
	}
	hidden := 0
	for _, keys := range byBucket {
		for i := 1; i < len(keys); i++ {
			for _, v := range [...][2]string{{"1", "2"}, {"true", "false"}, {`"a"`, `"b"`}} {
				if hash(keys[i-1], v[0])+hash(keys[i], v[1]) == hash(keys[i-1], v[1])+hash(keys[i], v[0]) {
					hidden++
				}
			}
		}
	}
	assert.Zero(t, hidden)
}

// Rows in which minapp.Differences finds a difference have other hashes, and
// numbers that are equal are the same key.
func TestHashesTellRowsApart(t *testing.T) {
	for _, pair := range [][2]string{
		{`1`, `"1"`},
		{`1e400`, `1e500`},
		{`9223372036854775808`, `9223372036854775809`},
		{`9007199254740993`, `9007199254740992`},
		{`10000000000000000000001`, `1e22`},
		{`1e21`, `"1e+21"`},
		{`1e99999999`, `1e99999998`},
		{`null`, `""`},
		{`[]`, `null`},
		{`[1,2]`, `[2,1]`},
		{`{"a":1}`, `{"a":2}`},
		{`0`, `false`},
		{`"2024-01-01T00:00:00Z"`, `"2024-01-01T00:00:00.001Z"`},
	} {
		one, other := plainRow(t, "", `{"v":`+pair[0]+`}`), plainRow(t, "", `{"v":`+pair[1]+`}`)
		assert.NotEqual(t, one.hash, other.hash, pair)
	}
	for _, pair := range [][2]string{{`1`, `1.0`}, {`0.1`, `0.10`}, {`1e3`, `1000`}, {`1e22`, `10000000000000000000000`}, {`-0`, `0`}} {
		one, other := plainRow(t, "v", `{"v":`+pair[0]+`}`), plainRow(t, "v", `{"v":`+pair[1]+`}`)
		assert.Equal(t, one.hash, other.hash, pair)
		assert.Equal(t, one.name, other.name, pair)
	}
	user := `{"id":%s,"_table":"_userprofile"}`
	assert.Equal(t, plainRow(t, "", `{"v":77}`).hash, plainRow(t, "", `{"v":`+fmt.Sprintf(user, "77")+`}`).hash, "a pointer, by its number")
}

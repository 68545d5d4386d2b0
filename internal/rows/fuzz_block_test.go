package rows

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzBrackets compares the blocks with a walk from byte to byte.
func FuzzBrackets(f *testing.F) {
	for pad := range 130 { // quotes, backslashes and brackets on both sides of every border
		f.Add(append(make([]byte, pad), `{"a\\\"]":["\\",{}],"b":"[\\\\"}`...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var in inside
		var spare block
		var text, escaped bool
		var want, got []int
		for at, c := range data {
			switch {
			case !text && (c == '{' || c == '}' || c == '[' || c == ']'):
				want = append(want, at)
			case c == '"' && !escaped:
				text = !text
			}
			escaped = c == '\\' && !escaped
		}
		for at := 0; at < len(data); at += len(spare) {
			found := in.brackets(blockAt(data, at, &spare))
			for i := range min(len(spare), len(data)-at) {
				switch data[at+i] {
				case '{', '}', '[', ']':
					if found>>i&1 == 1 {
						got = append(got, at+i)
					}
				}
			}
		}
		require.Equal(t, want, got)
	})
}

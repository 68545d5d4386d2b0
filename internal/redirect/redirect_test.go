package redirect

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Wherever an answer points to, the next request is a GET without body or
// credentials, and never leaves https.
func FuzzRedirect(f *testing.F) {
	for _, location := range []string{"/a", "//evil.example/", "https://a.example:444/x?y#z", "http://a.example", "HTTP:\\\\evil", "https:opaque", "?", "\x00", "javascript:alert(1)", "https://u:p@h/"} {
		f.Add(302, location)
	}
	f.Fuzz(func(t *testing.T, status int, location string) {
		req, err := http.NewRequest(http.MethodPost, "https://a.example/authorize/", strings.NewReader(`{"client_secret":"s3cret"}`)) //nolint:noctx // it is never sent
		require.NoError(t, err)
		req.Header.Set("Authorization", "s3cret")
		next, err := nextHop(req, &http.Response{StatusCode: status, Header: http.Header{"Location": {location}}}, 0)
		if err != nil {
			return
		}
		assert.Less(t, status, 307)
		assert.Equal(t, http.MethodGet, next.Method)
		assert.Nil(t, next.Body)
		assert.Equal(t, "https", next.URL.Scheme)
		delete(next.Header, "User-Agent")
		assert.Empty(t, next.Header)
	})
}

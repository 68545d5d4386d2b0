package redact

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A short cookie value is no secret worth destroying every message for, and a
// secret is one in any spelling of JSON.
func TestWhatIsRedacted(t *testing.T) {
	for _, tt := range []struct{ text, secret, want string }{
		{"table 1 has 11 rows", "1", "table 1 has 11 rows"},
		{`bad token s3cret, s3cret`, "s3cret", "bad token [redacted], [redacted]"},
		{`bad token ab\/cd\u002bef`, "ab/cd+ef", "bad token [redacted]"},
		{`bad token ab\/cd\u002Bef`, "ab/cd+ef", "bad token [redacted]"},
	} {
		assert.Equal(t, tt.want, string(Text([]byte(tt.text), []string{tt.secret})))
	}
}

func TestErrorWithoutSecretsIsTheSame(t *testing.T) {
	cause := errors.New("cannot send Authorization: s3cret")
	err := Error(cause, []string{"s3cret"})
	require.ErrorIs(t, err, cause)
	require.EqualError(t, err, "cannot send Authorization: [redacted]")
	assert.Same(t, cause, Error(cause, []string{"another"}))
	require.NoError(t, Error(nil, []string{"s3cret"}))
	assert.Same(t, cause, URL(&url.Error{Op: "Get", URL: "https://host/?where=private", Err: cause}))
}

// An excerpt ends between two characters, and shows no secret that goes beyond
// its end.
func TestExcerptIsCutWithCare(t *testing.T) {
	assert.Equal(t, "short", string(Excerpt([]byte("short"), nil)))
	long := Excerpt([]byte(strings.Repeat("x", MaxExcerpt-1)+"包"), nil)
	assert.Equal(t, strings.Repeat("x", MaxExcerpt-1), string(long))
	split := Excerpt([]byte(strings.Repeat("x", MaxExcerpt-3)+"s3cret"), []string{"s3cret"})
	assert.NotContains(t, string(split), "s3c")
}

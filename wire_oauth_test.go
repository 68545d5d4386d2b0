package minapp_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/internal/fixture"
)

// The same row for a console session, and in another environment.
func init() { //nolint:gochecknoinits // the table of cases is put together from several files
	wireCases["records.get/console-session"] = func(ctx context.Context, c *minapp.Client) wireResult {
		c, err := c.With(minapp.WithSession(&http.Cookie{Name: "session", Value: secret}))
		if err != nil {
			return wireResult{err: err}
		}
		return rowResult(products(c).Get(ctx, firstID))
	}
	wireCases["records.get/environment"] = func(ctx context.Context, c *minapp.Client) wireResult {
		c, err := c.With(minapp.WithEnvID("0123456789abcdef"))
		if err != nil {
			return wireResult{err: err}
		}
		return rowResult(products(c).Get(ctx, firstID))
	}
}

// checkCredentials finds the credential of the surface in a request, and no
// other.
func checkCredentials(t *testing.T, e fixture.Exchange, r *http.Request) {
	t.Helper()
	var token, cookie []string
	if strings.HasPrefix(e.Request.Path, "/userve/") {
		cookie = []string{"session=" + secret}
	} else {
		token = []string{"Bearer " + secret}
	}
	assert.Equal(t, token, r.Header.Values("Authorization"), e.Name)
	assert.Equal(t, cookie, r.Header.Values("Cookie"), e.Name)
}

// isSignIn tells the exchanges that no call makes alone: a sign-in is several
// requests.
func isSignIn(e fixture.Exchange) bool { return strings.HasPrefix(e.Operation, "oauth.") }

// The contract of signing in, seen from the client: the step of the exchange
// is sent exactly as documented, between steps that succeed.
func TestSignInWire(t *testing.T) {
	for _, e := range exchanges(t) {
		if !isSignIn(e) {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			var sent []string
			transport := httpmock.NewMockTransport()
			transport.RegisterNoResponder(func(r *http.Request) (*http.Response, error) {
				body, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				step := stepOf(r.URL.Path, string(body))
				sent = append(sent, step)
				assert.Empty(t, r.Header.Values("Authorization"))
				assert.Equal(t, "https://cloud.minapp.com", r.URL.Scheme+"://"+r.URL.Host)
				if step != e.Operation {
					return httpmock.NewStringResponse(200, earlier[step]), nil
				}
				assert.Empty(t, e.Request.Diff(r, body))
				return httpmock.NewBytesResponse(e.Response.Status, e.Response.Body), nil
			})
			client, err := minapp.NewClient(
				minapp.WithClientCredentials("example-id", "example-secret"),
				minapp.WithHTTPClient(&http.Client{Transport: transport}),
				minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1}),
			)
			require.NoError(t, err)
			token, err := client.RefreshToken(t.Context())
			steps := []string{"oauth.code", "oauth.token", "oauth.refresh"}
			if e.Response.Status >= 400 {
				checkRefusal(t, e, err)
				assert.Equal(t, e.Operation, sent[len(sent)-1], "a refusal is the end")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, steps, sent)
			if e.Operation == "oauth.refresh" {
				assert.Equal(t, memberOf(parseJSON(e.Response.Body), "access_token"), token.AccessToken)
				assert.Equal(t, memberOf(parseJSON(e.Response.Body), "refresh_token"), token.RefreshToken)
			}
		})
	}
}

// stepOf is the operation of a request of a sign-in.
func stepOf(path, body string) string {
	switch {
	case !strings.HasSuffix(path, "/access_token/"):
		return "oauth.code"
	case strings.Contains(body, `"refresh_token"`):
		return "oauth.refresh"
	}
	return "oauth.token"
}

// earlier answers the steps around the one of an exchange.
var earlier = map[string]string{
	"oauth.code":    `{"code":"example-code"}`,
	"oauth.token":   `{"access_token":"example-access","refresh_token":"example-refresh"}`,
	"oauth.refresh": `{"access_token":"a","refresh_token":"r"}`,
}

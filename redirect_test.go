package minapp_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/patch"
	"github.com/minapp-go/minapp/where"
)

// redirectCase is a call with one of the credentials, and the request of it
// that is redirected.
type redirectCase struct {
	name    string
	op      operation.Operation
	opts    []minapp.Option // beside the MOI key
	call    func(context.Context, *minapp.Client) error
	follows func(status int, location string) bool // nil: never
}

func redirectCases() []redirectCase {
	token := []minapp.Option{minapp.WithToken(secret)}
	session := []minapp.Option{minapp.WithSession(&http.Cookie{Name: "session", Value: worldCookie})}
	app := []minapp.Option{minapp.WithClientCredentials(appID, appSecret)}
	// Only these two follow, and carry nothing: a code is fetched with a GET, a
	// file with the GET that it was.
	code := func(status int, location string) bool {
		return status >= 301 && status <= 303 && strings.HasPrefix(location, "https:")
	}
	file := func(status int, location string) bool {
		return (code(status, location) || status == 307 || status == 308) && strings.HasPrefix(location, "https:")
	}
	get := func(ctx context.Context, c *minapp.Client) error {
		_, err := c.Records.Get(ctx, 1, firstRow)
		return err
	}
	create := func(ctx context.Context, c *minapp.Client) error {
		_, err := c.Records.Create(ctx, 1, minapp.Fields{"name": "x"})
		return err
	}
	update := func(ctx context.Context, c *minapp.Client) error {
		_, err := c.Records.Update(ctx, 1, firstRow, patch.Set("price", 9))
		return err
	}
	remove := func(ctx context.Context, c *minapp.Client) error { return c.Records.Delete(ctx, 1, firstRow) }
	count := func(ctx context.Context, c *minapp.Client) error {
		_, err := c.Records.Count(ctx, 1, where.Everything())
		return err
	}
	return []redirectCase{
		{"token, read", operation.RecordsGet, token, get, nil},
		{"token, create", operation.RecordsCreate, token, create, nil},
		{"token, update", operation.RecordsUpdate, token, update, nil},
		{"token, delete", operation.RecordsDelete, token, remove, nil},
		{"cookie, read", operation.RecordsGet, session, get, nil},
		{"cookie, create", operation.RecordsCreate, session, create, nil},
		{"cookie, update", operation.RecordsUpdate, session, update, nil},
		{"moi-key, read by GET", operation.ConnectorsList, token, func(ctx context.Context, c *minapp.Client) error {
			_, err := c.Connectors.Find(ctx, "kb")
			return err
		}, nil},
		{"moi-key, read by POST", operation.ExportTasksGet, token, func(ctx context.Context, c *minapp.Client) error {
			_, err := c.ExportTasks.Get(ctx, worldTask)
			return err
		}, nil},
		{"moi-key, write", operation.ExportTasksRerun, token, func(ctx context.Context, c *minapp.Client) error {
			return c.ExportTasks.Rerun(ctx, worldTask)
		}, nil},
		{"client secret, code", operation.OAuthCode, app, count, code},
		{"client secret, token", operation.OAuthToken, app, count, nil},
		{"client secret, refresh", operation.OAuthRefresh, app, func(ctx context.Context, c *minapp.Client) error {
			_, err := c.RefreshToken(ctx)
			return err
		}, nil},
		{"signed URL", operation.ExportsDownload, token, func(ctx context.Context, c *minapp.Client) error {
			_, err := c.Exports.Download(ctx, &minapp.ExportJob{DownloadURL: "https://cloud.minapp.com/file?Signature=s1gnature-that-nobody-may-see"}, io.Discard)
			return err
		}, file},
	}
}

// Every credential, every 3xx, to the same host, to another one and down to
// plain http: nothing is sent there but by the two steps that follow, and then
// nothing of the request; no write becomes a read or is sent again.
func TestRedirectsCarryNoCredential(t *testing.T) {
	targets := map[string]string{
		"same host": "https://cloud.minapp.com/next/", "other host": "https://evil.example/next/",
		"downgrade": "http://cloud.minapp.com/next/", "other host, downgrade": "http://evil.example/next/",
	}
	heard := &evidence{secrets: []string{secret, worldKey, worldCookie, appSecret, "example-access", "example-refresh", "s1gnature"}}
	redirects := 0
	for _, c := range redirectCases() {
		for _, status := range []int{300, 301, 302, 303, 304, 305, 306, 307, 308} {
			for name, location := range targets {
				t.Run(fmt.Sprint(c.name, " ", status, " ", name), func(t *testing.T) {
					redirects++
					c.meet(t, status, location, heard)
				})
			}
		}
	}
	assert.Empty(t, heard.leaks())
	figures := fmt.Sprintf("%d redirects", redirects)
	t.Log(figures)
	if filter := flag.Lookup("test.run").Value.String(); !strings.Contains(filter, "/") {
		onReliabilityPage(t, figures)
	}
}

func (c redirectCase) meet(t *testing.T, status int, location string, heard *evidence) {
	t.Helper()
	origin, then := 0, 0
	transport := httpmock.NewMockTransport()
	transport.RegisterNoResponder(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/next/" {
			then++
			assertBare(t, r)
			return httpmock.NewStringResponse(200, `{"code":"example-code"}`), nil
		}
		name := c.op.Name
		if strings.HasPrefix(r.URL.Path, "/api/oauth2/") {
			name = stepOf(r.URL.Path, requestBody(t, r))
		} else if c.op.Service == operation.OAuth {
			name = "the call that needs the token"
		}
		switch {
		case name == c.op.Name:
			origin++
			resp := httpmock.NewStringResponse(status, "")
			resp.Header.Set("Location", location)
			resp.Header.Set("Set-Cookie", "session="+worldCookie+"; Path=/")
			return resp, nil
		case earlier[name] != "":
			return httpmock.NewStringResponse(200, earlier[name]), nil
		}
		return httpmock.NewStringResponse(200, `{"meta":{"total_count":0},"objects":[]}`), nil
	})
	opts := append([]minapp.Option{minapp.WithMOIKey(worldKey), minapp.WithHTTPClient(&http.Client{Transport: transport}), minapp.WithLogger(heard.logger())}, c.opts...)
	client, err := minapp.NewClient(opts...)
	require.NoError(t, err)
	err = c.call(t.Context(), client)
	heard.take(client, nil, err)
	assert.Equal(t, 1, origin, "requests to the address itself")
	if c.follows != nil && c.follows(status, location) {
		assert.Equal(t, 1, then)
		return
	}
	assert.Zero(t, then, "a request to %s", location)
	require.Error(t, err)
	assert.NotErrorIs(t, err, minapp.ErrOutcomeUnknown)
	assert.NotErrorIs(t, err, minapp.ErrUnavailable)
	all := failures(err)
	assert.Equal(t, status, all[len(all)-1].StatusCode)
}

// assertBare finds nothing in a request but its address.
func assertBare(t *testing.T, r *http.Request) {
	t.Helper()
	assert.Equal(t, http.MethodGet, r.Method)
	assert.Empty(t, requestBody(t, r))
	assert.Empty(t, r.URL.RawQuery)
	for name := range r.Header {
		if name == "Cookie" {
			assert.Equal(t, "cloud.minapp.com", r.URL.Host, "a cookie goes back to the host that set it")
			continue
		}
		assert.Contains(t, []string{"User-Agent", "Accept-Encoding"}, name)
	}
}

func requestBody(t *testing.T, r *http.Request) string {
	t.Helper()
	if r.Body == nil {
		return ""
	}
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(body)
}

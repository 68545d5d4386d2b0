package minapptest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/stretchr/testify/require"
)

const (
	authorizeURL = "/api/oauth2/hydrogen/openapi/authorize/"
	tokenURL     = "/api/oauth2/access_token/"
	clientBody   = `{"client_id":"id","client_secret":"secret"}`
)

// login follows the redirects by hand and returns the last answer.
func (e *emulator) login() reply {
	e.t.Helper()
	r := e.send("POST", authorizeURL, clientBody)
	var cookies []string
	for range 2 {
		require.Equal(e.t, 302, r.status)
		pair, _, _ := strings.Cut(r.header.Get("Set-Cookie"), ";")
		cookies = append(cookies, pair)
		r = e.send("GET", r.header.Get("Location"), "", "Cookie", strings.Join(cookies, "; "), "Authorization", "")
	}
	return r
}

// grant exchanges a code or a refresh token.
func (e *emulator) grant(kind, name, value string) reply {
	e.t.Helper()
	return e.send("POST", tokenURL, fmt.Sprintf(`{"client_id":"id","client_secret":"secret","grant_type":%q,%q:%q}`, kind, name, value))
}

func (e *emulator) exchange(code any) reply {
	e.t.Helper()
	return e.grant("authorization_code", "code", fmt.Sprint(code))
}

// works reports whether a token is accepted.
func (e *emulator) works(token any) bool {
	e.t.Helper()
	return e.send("GET", recordURL, "", "Authorization", fmt.Sprint("Bearer ", token)).status == 200
}

func TestSignIn(t *testing.T) {
	e := newEmulator(t, minapptest.WithClientCredentials("id", "secret"), minapptest.WithToken("fixed"))
	code := e.login()
	require.Equal(t, 200, code.status)
	require.Equal(t, json.Number("600"), code.json["expires_in"])
	token := e.exchange(code.json["code"])
	require.Equal(t, 200, token.status)
	require.Len(t, token.json["access_token"], 40)
	require.True(t, e.works(token.json["access_token"]))
	require.True(t, e.works("fixed"))
	require.False(t, e.works("other"))
	require.Equal(t, 400, e.exchange(code.json["code"]).status, "a code works once")
	for _, r := range e.Requests() {
		require.Empty(t, r.Body, "no secret is logged")
	}
	require.Equal(t, []int{1, 2, 2}, []int{e.Count("oauth.code"), e.Count("oauth.redirect"), e.Count("oauth.token")})
}

func TestRedirectsNeedTheirCookies(t *testing.T) {
	e := newEmulator(t, minapptest.WithClientCredentials("id", "secret"))
	first := e.send("POST", authorizeURL, clientBody)
	session, _, _ := strings.Cut(first.header.Get("Set-Cookie"), ";")
	require.Equal(t, 401, e.send("GET", first.header.Get("Location"), "").status)
	require.Equal(t, 401, e.send("GET", first.header.Get("Location"), "", "Cookie", "sessionid=other").status)
	second := e.send("GET", first.header.Get("Location"), "", "Cookie", session)
	require.Equal(t, 302, second.status)
	require.Equal(t, 401, e.send("GET", second.header.Get("Location"), "").status)
	require.Equal(t, 401, e.send("GET", second.header.Get("Location"), "", "Cookie", session).status, "the second redirect sets a cookie, too")
	require.Equal(t, 401, e.send("GET", second.header.Get("Location"), "", "Cookie", session+"; authorized=other").status)
}

func TestCodesAndTokensExpireOnTheClock(t *testing.T) {
	e := newEmulator(t, minapptest.WithClientCredentials("id", "secret"))
	late, early := e.login().json["code"], e.login().json["code"]
	e.clock.Advance(599 * time.Second)
	token := e.exchange(early)
	require.Equal(t, 200, token.status)
	e.clock.Advance(time.Second)
	require.Equal(t, 400, e.exchange(late).status)

	e.clock.Advance(31535997 * time.Second)
	require.True(t, e.works(token.json["access_token"]))
	e.clock.Advance(time.Second)
	require.False(t, e.works(token.json["access_token"]))
}

func TestRefreshEndsEveryTokenGivenBefore(t *testing.T) {
	for name, opts := range map[string][]minapptest.Option{
		"one application": {minapptest.WithClientCredentials("id", "secret"), minapptest.WithToken("fixed")},
		"any token":       nil,
	} {
		t.Run(name, func(t *testing.T) {
			e := newEmulator(t, opts...)
			a, b := e.exchange(e.login().json["code"]), e.exchange(e.login().json["code"])
			require.True(t, e.works(a.json["access_token"]), "another sign-in leaves it alone")
			fresh := e.grant("refresh_token", "refresh_token", b.json["refresh_token"].(string))
			require.Equal(t, 200, fresh.status)
			require.Equal(t, 1, e.Count("oauth.refresh"))
			for _, old := range []reply{a, b} {
				require.False(t, e.works(old.json["access_token"]))
				require.Equal(t, 400, e.grant("refresh_token", "refresh_token", old.json["refresh_token"].(string)).status)
			}
			require.True(t, e.works(fresh.json["access_token"]))
			require.True(t, e.works("fixed"))
		})
	}
}

func TestSignInRefusals(t *testing.T) {
	e := newEmulator(t, minapptest.WithClientCredentials("id", "secret"))
	for _, tt := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", authorizeURL, `{"client_id":"id","client_secret":"other"}`, 401},
		{"POST", authorizeURL, `{"client_id":"id"}`, 400},
		{"POST", authorizeURL, `client_id=id`, 400},
		{"GET", authorizeURL, ``, 405},
		{"POST", strings.TrimSuffix(authorizeURL, "/"), clientBody, 301},
		{"POST", tokenURL, `{"client_id":"id","client_secret":"other","grant_type":"authorization_code","code":"x"}`, 401},
		{"POST", tokenURL, `{"client_id":"id","client_secret":"secret","grant_type":"authorization_code","code":"x"}`, 400},
		{"POST", tokenURL, `{"client_id":"id","client_secret":"secret","grant_type":"refresh_token"}`, 400},
		{"POST", tokenURL, `{"client_id":"id","client_secret":"secret","grant_type":"password"}`, 400},
		{"POST", "/api/oauth2/", `{}`, 404},
		{"POST", "/api/", `{}`, 404},
	} {
		require.Equal(t, tt.want, e.send(tt.method, tt.path, tt.body).status, "%s %s %s", tt.method, tt.path, tt.body)
	}
}

func TestApplicationOfADataFile(t *testing.T) {
	s := minapptest.NewServer(t)
	require.ErrorContains(t, s.LoadData(strings.NewReader(`{"oauth": {"client_id": "a"}}`)), "client_secret")
	require.NoError(t, s.LoadData(strings.NewReader(`{"tables": [{"id": 1, "name": "a", "schema": {"fields": []}}], "oauth": {"client_id": "a", "client_secret": "b"}}`)))
	client, err := minapp.NewClient(s.Options()...)
	require.NoError(t, err)
	_, err = client.Tables.Get(t.Context(), 1)
	require.NoError(t, err, "Options has the credentials")
	require.Equal(t, 1, s.Count("oauth.token"))
	client, err = client.With(minapp.WithToken("any"))
	require.NoError(t, err)
	_, err = client.Tables.Get(t.Context(), 1)
	require.ErrorIs(t, err, minapp.ErrUnauthorized)
}

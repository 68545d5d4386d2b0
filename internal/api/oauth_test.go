package api

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/internal/attempt"
	"github.com/minapp-go/minapp/internal/operation"
)

const (
	codePath = "/api/oauth2/hydrogen/openapi/authorize/"
	codeBody = `{"client_id":"id","client_secret":"c1ient-s3cret"}`
)

// web is a transport that knows the answers of some addresses and remembers
// what was asked of them.
type web struct {
	answers map[string]step
	asked   []*http.Request
	bodies  []string
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	w.asked, w.bodies = append(w.asked, r), append(w.bodies, string(body))
	next, ok := w.answers[r.URL.String()]
	if !ok {
		return answering(404, `{}`)(r)
	}
	return next(r)
}

// askForCode makes the code step against https://a.example.
func askForCode(t *testing.T, w *web, base string) (*Result, error) {
	t.Helper()
	sender := newSender(t, w, base)
	sender.Policy.MaxAttempts = 1
	sender.Header.Set("X-Own", "of-the-first-request")
	return sender.Do(t.Context(), operation.OAuthCode, Call{Body: JSONBody([]byte(codeBody)), Secrets: []string{"c1ient-s3cret"}})
}

func TestCodeIsAtTheEndOfTwoRedirects(t *testing.T) {
	w := &web{answers: map[string]step{
		"https://a.example" + codePath: answering(302, ``, "Location", "/confirm/?next=1", "Set-Cookie", "session=s1; Path=/; Secure; HttpOnly"),
		"https://a.example/confirm/?next=1": func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Cookie") != "session=s1" {
				return answering(401, `{}`)(r)
			}
			return answering(302, ``, "Location", "https://a.example/code/", "Set-Cookie", "session=s2; Path=/")(r)
		},
		"https://a.example/code/": func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Cookie") != "session=s2" {
				return answering(401, `{}`)(r)
			}
			return answering(200, `{"code":"c0de"}`)(r)
		},
	}}
	res, err := askForCode(t, w, "https://a.example")
	require.NoError(t, err)
	assert.JSONEq(t, `{"code":"c0de"}`, string(res.Body))
	require.Len(t, w.asked, 3)
	assert.Equal(t, codeBody, w.bodies[0])
	for i, r := range w.asked[1:] {
		assert.Equal(t, "GET", r.Method)
		assert.Empty(t, w.bodies[i+1])
		assert.Equal(t, []string{"test"}, r.Header["User-Agent"])
		delete(r.Header, "User-Agent")
		delete(r.Header, "Cookie")
		assert.Empty(t, r.Header, "a hop carries nothing else")
	}
}

// Whatever an answer says, no credential reaches another address: neither the
// secret nor the cookies of the host that set them.
func TestHostileRedirectsGetNoCredential(t *testing.T) {
	const start = "https://a.example" + codePath
	followed := map[int]bool{301: true, 302: true, 303: true}
	for _, status := range []int{300, 301, 302, 303, 304, 305, 307, 308} {
		for name, target := range map[string]struct {
			location string
			refused  bool
		}{
			"same host":  {"https://a.example/next/", false},
			"subdomain":  {"https://sub.a.example/next/", false},
			"other host": {"https://evil.example/next/", false},
			"downgrade":  {"http://a.example/next/", true},
			"other http": {"http://evil.example/next/", true},
			"with user":  {"https://me:pw@evil.example/next/", false},
			"file":       {"file:///etc/passwd", true},
			"no address": {"", true},
			"no URL":     {"https://%zz/", true},
		} {
			t.Run(fmt.Sprint(status, " ", name), func(t *testing.T) {
				w := &web{answers: map[string]step{start: answering(status, ``, "Location", target.location, "Set-Cookie", "session=s1; Path=/")}}
				for _, host := range []string{"https://a.example", "https://sub.a.example", "https://evil.example", "https://me:pw@evil.example"} {
					w.answers[host+"/next/"] = answering(200, `{"code":"c0de"}`)
				}
				_, err := askForCode(t, w, "https://a.example")
				if follow := followed[status] && !target.refused; follow {
					require.NoError(t, err)
					require.Len(t, w.asked, 2)
				} else {
					f := errorAs[*Failure](t, err)
					assert.Equal(t, status, f.Status)
					assert.False(t, f.Unknown)
					assert.ErrorContains(t, err, "oauth.code: redirect refused")
					assert.Len(t, w.asked, 1, "nothing may be sent")
				}
				for i, r := range w.asked[1:] {
					assert.Equal(t, "GET", r.Method)
					assert.Empty(t, w.bodies[i+1])
					assert.Empty(t, r.Header.Get("Authorization"))
					assert.Empty(t, r.Header.Get("Referer"))
					assert.Equal(t, r.URL.Host == "a.example", r.Header.Get("Cookie") != "", "cookies belong to their host")
					assert.NotContains(t, fmt.Sprint(r.Header, r.URL), "s3cret")
				}
			})
		}
	}
}

func TestRedirectsEnd(t *testing.T) {
	w := &web{answers: map[string]step{}}
	for i := range 10 {
		from := fmt.Sprintf("https://a.example/%d", i)
		w.answers[from] = answering(302, ``, "Location", fmt.Sprintf("/%d", i+1))
	}
	w.answers["https://a.example"+codePath] = answering(302, ``, "Location", "/0")
	_, err := askForCode(t, w, "https://a.example")
	assert.ErrorContains(t, err, "redirect refused: more than 5 in a row")
	assert.Len(t, w.asked, 6)
}

func TestPlainHTTPMayBecomeHTTPSAndNotGoBack(t *testing.T) {
	w := &web{answers: map[string]step{
		"http://127.0.0.1" + codePath: answering(302, ``, "Location", "http://127.0.0.1/b"),
		"http://127.0.0.1/b":          answering(302, ``, "Location", "https://127.0.0.1/c"),
		"https://127.0.0.1/c":         answering(302, ``, "Location", "http://127.0.0.1/d"),
	}}
	_, err := askForCode(t, w, "http://127.0.0.1")
	assert.ErrorContains(t, err, `redirect refused: from https to "http"`)
	assert.Len(t, w.asked, 3)
}

// A code that was given and lost expires by itself: the step is repeated like a
// read, from its beginning and with no cookie of the attempt before.
func TestTheCodeStepIsRepeatedAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hops atomic.Int64
		w := &web{}
		w.answers = map[string]step{
			"https://a.example" + codePath: answering(302, ``, "Location", "/next/", "Set-Cookie", "session=s; Path=/"),
			"https://a.example/next/": func(r *http.Request) (*http.Response, error) {
				switch hops.Add(1) {
				case 1:
					return answering(503, ``)(r)
				case 2:
					return nil, errReset
				case 3:
					return cut(200, `{"code"`)(r)
				}
				return answering(200, `{"code":"c0de"}`)(r)
			},
		}
		var meta Meta
		sender := newSender(t, w, "https://a.example")
		_, err := sender.Do(t.Context(), operation.OAuthCode, Call{Body: JSONBody([]byte(codeBody)), Meta: &meta})
		require.NoError(t, err)
		assert.Equal(t, 4, meta.Attempts, "redirects are no attempts")
		assert.EqualValues(t, 8, sender.Requests.Load(), "but requests")
		for i, r := range w.asked {
			assert.Equal(t, i%2 == 0, r.Header.Get("Cookie") == "", "request %d", i)
			assert.Equal(t, i%2 == 0, w.bodies[i] == codeBody, "request %d", i)
		}
	})
}

// No other operation follows a redirect, not even of the same service.
func TestOnlyTheCodeStepFollowsRedirects(t *testing.T) {
	for _, op := range operation.Operations() {
		assert.Equal(t, op == operation.OAuthCode, op.Follow, op.Name)
	}
	w := &web{answers: map[string]step{"https://a.example/api/oauth2/access_token/": answering(302, ``, "Location", "/next/")}}
	_, err := newSender(t, w, "https://a.example").Do(t.Context(), operation.OAuthToken, Call{Body: JSONBody([]byte(codeBody))})
	require.ErrorIs(t, err, attempt.ErrRedirect)
	assert.Len(t, w.asked, 1)
}

// The answers of the sign-in are tokens: what is wrong with one is said without
// showing it.
func TestFailuresOfTheSignInShowNoTokens(t *testing.T) {
	for name, reply := range map[string]step{
		"cut":         cut(200, `{"access_token":"t0ken`),
		"form":        answering(200, `access_token=t0ken&token_type=bearer`),
		"redirect":    answering(302, `t0ken`, "Location", "https://x/?code=t0ken"),
		"echo":        answering(400, `{"error":"bad secret c1ient-s3cret"}`),
		"echo, plain": answering(400, `bad secret c1ient-s3cret`),
	} {
		t.Run(name, func(t *testing.T) {
			w := &web{answers: map[string]step{"https://a.example/api/oauth2/access_token/": reply}}
			sender := newSender(t, w, "https://a.example")
			_, err := sender.Do(t.Context(), operation.OAuthToken, Call{Body: JSONBody([]byte(codeBody)), Secrets: []string{"c1ient-s3cret"}})
			f := errorAs[*Failure](t, err)
			assert.NotContains(t, fmt.Sprintf("%v %+v %s", err, *f, f.Body), "t0ken")
			assert.NotContains(t, fmt.Sprintf("%v %+v %s", err, *f, f.Body), "s3cret")
			assert.Equal(t, strings.HasPrefix(name, "echo"), len(f.Body) > 0)
		})
	}
}

// Nor does an answer that the caller cannot read.
func TestExcerptOfAnAnswerShowsNoTokens(t *testing.T) {
	for _, op := range []operation.Operation{operation.OAuthToken, operation.ConnectorsList, read} {
		s := &script{steps: []step{answering(200, `{"code":"ok","data":"t0ken"}`)}}
		res, err := newSender(t, s, "https://a.example").Do(t.Context(), op, Call{Path: []string{"1"}})
		require.NoError(t, err)
		assert.Equal(t, op.Name == read.Name, len(res.Excerpt()) > 0, op.Name)
	}
}

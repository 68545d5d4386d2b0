package minapptest

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"
)

// signIn is the first segment of the addresses where tokens are given.
const signIn = "api"

// inferred: the addresses of the second and the third request; the documents
// say only that there are two redirects and that they need cookies.
var signInRoutes = []route{
	{"oauth.code", http.MethodPost, []string{""}, "oauth2/hydrogen/openapi/authorize", (*Server).startSignIn},
	{"oauth.redirect", http.MethodGet, []string{""}, "oauth2/hydrogen/openapi/authorize/confirm", (*Server).confirmSignIn},
	{"oauth.redirect", http.MethodGet, []string{""}, "oauth2/hydrogen/openapi/authorize/code", (*Server).giveCode},
	{"oauth.token", http.MethodPost, []string{""}, "oauth2/access_token", (*Server).giveToken},
}

const (
	codeLifetime  = 600 * time.Second
	tokenLifetime = 31535999 * time.Second
	// inferred: the names of the cookies.
	signInCookie  = "sessionid"
	confirmCookie = "authorized"
)

// oauth is the application, and the codes and tokens that it was given.
type oauth struct {
	mu         sync.Mutex
	id, secret string               // empty: any will do
	sessions   map[string]string    // sign-ins under way: the first cookie and what the second must be
	codes      map[string]time.Time // not exchanged yet, with their ends
	access     map[string]time.Time // given at some time, with their ends; the zero time is invalidated
	refresh    map[string]bool
}

func (o *oauth) register(id, secret string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.id, o.secret = id, secret
}

func (o *oauth) registered() (id, secret string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.id, o.secret
}

func (o *oauth) load(app *OAuth, now time.Time) error {
	switch {
	case app == nil:
		return nil
	case app.ClientID == "" || app.ClientSecret == "":
		return errors.New("oauth: client_id and client_secret are required")
	}
	o.register(app.ClientID, app.ClientSecret)
	o.mu.Lock()
	defer o.mu.Unlock()
	if app.Code != "" {
		put(&o.codes, app.Code, now.Add(codeLifetime))
	}
	if app.RefreshToken != "" {
		put(&o.refresh, app.RefreshToken, true)
	}
	return nil
}

func put[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = value
}

// accepts reports whether a bearer token is one of those the server accepts.
func (s *Server) accepts(token string) bool {
	if s.token != "" && token == s.token {
		return true
	}
	o := &s.oauth
	o.mu.Lock()
	defer o.mu.Unlock()
	if end, given := o.access[token]; given {
		return s.now().Before(end)
	}
	return s.token == "" && o.id == ""
}

// grant is the body of the requests.
type grant struct {
	ID           string `json:"client_id"`
	Secret       string `json:"client_secret"`
	Type         string `json:"grant_type"`
	Code         string `json:"code"`
	RefreshToken string `json:"refresh_token"`
}

func isRefresh(body []byte) bool {
	var g grant
	return json.Unmarshal(body, &g) == nil && g.Type == "refresh_token"
}

// readGrant checks who asks; o.mu is held. inferred: statuses and texts of all
// refusals, which no document prints.
func (o *oauth) readGrant(body []byte) (grant, *failure) {
	var g grant
	switch err := json.Unmarshal(body, &g); {
	case err != nil:
		return g, badRequest("the body is not a JSON object of texts")
	case g.ID == "" || g.Secret == "":
		return g, badRequest("client_id and client_secret are required")
	case o.id != "" && (g.ID != o.id || g.Secret != o.secret):
		return g, fail(http.StatusUnauthorized, "invalid client")
	}
	return g, nil
}

// startSignIn sends the caller on with a cookie.
func (s *Server) startSignIn(c *call) (answer, *failure) {
	o := &s.oauth
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, bad := o.readGrant(c.body); bad != nil {
		return answer{}, bad
	}
	session := newSecret()
	put(&o.sessions, session, "")
	return redirect("/api/oauth2/hydrogen/openapi/authorize/confirm/", signInCookie, session), nil
}

// confirmSignIn is the first redirect; it sets another cookie.
func (s *Server) confirmSignIn(c *call) (answer, *failure) {
	o := &s.oauth
	o.mu.Lock()
	defer o.mu.Unlock()
	session, bad := o.session(c.r)
	if bad != nil {
		return answer{}, bad
	}
	o.sessions[session] = newSecret()
	return redirect("/api/oauth2/hydrogen/openapi/authorize/code/", confirmCookie, o.sessions[session]), nil
}

// giveCode is the second redirect, and the end of the way.
func (s *Server) giveCode(c *call) (answer, *failure) {
	o := &s.oauth
	o.mu.Lock()
	defer o.mu.Unlock()
	session, bad := o.session(c.r)
	if bad != nil {
		return answer{}, bad
	}
	confirmed, err := c.r.Cookie(confirmCookie)
	if err != nil || confirmed.Value != o.sessions[session] {
		return answer{}, fail(http.StatusUnauthorized, "the cookie of the redirect is missing")
	}
	delete(o.sessions, session)
	code := newSecret()
	put(&o.codes, code, s.now().Add(codeLifetime))
	return jsonAnswer(http.StatusOK, object{{"code", code}, {"expires_in", int(codeLifetime.Seconds())}}), nil
}

// session finds the sign-in that a request belongs to; o.mu is held.
func (o *oauth) session(r *http.Request) (string, *failure) {
	if cookie, err := r.Cookie(signInCookie); err == nil {
		if _, ok := o.sessions[cookie.Value]; ok {
			return cookie.Value, nil
		}
	}
	return "", fail(http.StatusUnauthorized, "the cookie of the sign-in is missing")
}

func redirect(to, cookie, value string) answer {
	set := http.Cookie{Name: cookie, Value: value, Path: "/", HttpOnly: true}
	return answer{status: http.StatusFound, header: http.Header{"Location": {to}, "Set-Cookie": {set.String()}}}
}

// giveToken exchanges a code, or a refresh token: that invalidates every token
// given before.
func (s *Server) giveToken(c *call) (answer, *failure) {
	o := &s.oauth
	o.mu.Lock()
	defer o.mu.Unlock()
	g, bad := o.readGrant(c.body)
	if bad != nil {
		return answer{}, bad
	}
	switch g.Type {
	case "authorization_code":
		end, ok := o.codes[g.Code]
		delete(o.codes, g.Code) // inferred: a code can be used once
		if !ok || !s.now().Before(end) {
			return answer{}, badRequest("invalid grant: the code is unknown, used or expired")
		}
	case "refresh_token":
		if !o.refresh[g.RefreshToken] {
			return answer{}, badRequest("invalid grant: the refresh token is unknown or invalidated")
		}
		o.invalidate()
	default:
		return answer{}, badRequest("unsupported grant type %q", g.Type)
	}
	access, refresh := newSecret(), newSecret()
	put(&o.access, access, s.now().Add(tokenLifetime))
	put(&o.refresh, refresh, true)
	return jsonAnswer(http.StatusOK, object{
		{"access_token", access},
		{"token_type", "Bearer"},
		{"expires_in", int(tokenLifetime.Seconds())},
		{"refresh_token", refresh},
		{"scope", "write"},
	}), nil
}

// invalidate ends every token; o.mu is held.
func (o *oauth) invalidate() {
	for token := range o.access {
		o.access[token] = time.Time{}
	}
	clear(o.refresh)
}

// newSecret has the form of the service's codes and tokens: 40 hexadecimal
// digits.
func newSecret() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

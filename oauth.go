package minapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/minapp-go/minapp/internal/api"
	"github.com/minapp-go/minapp/internal/operation"
)

// Token is what a sign-in with client credentials gives. It prints without its
// secrets, and encodes as JSON with them, so that it can be stored.
// Source: open-api/authentication.md.
type Token struct {
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"` // zero: the service did not say
}

// Format keeps the secrets out of every verb of package fmt, which does not ask
// it, though, in an unexported field of a struct that is printed.
func (t Token) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.redacted())) }

// LogValue keeps the secrets out of logs.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.redacted()) }

func (t Token) redacted() string {
	switch {
	case t.AccessToken == "":
		return "minapp.Token(none)"
	case t.ExpiresAt.IsZero():
		return "minapp.Token([redacted])"
	}
	return "minapp.Token([redacted], expires " + t.ExpiresAt.UTC().Format(time.RFC3339) + ")"
}

// expiryMargin is how long before its end a token is no longer used: longer
// than a call takes.
const expiryMargin = time.Minute

func (t Token) usable() bool {
	return t.AccessToken != "" && (t.ExpiresAt.IsZero() || time.Until(t.ExpiresAt) > expiryMargin)
}

// TokenStore keeps the token of one application between runs of a program, or
// for several programs. It must be safe for concurrent use, and it holds a
// secret that is valid for as long as a year. An error of the store is an error
// of the call that needed it; saving is tried again by the next call.
type TokenStore interface {
	// Load returns the token that was saved last, and the zero Token if there
	// is none.
	Load(ctx context.Context) (Token, error)
	// Save replaces the token. The zero Token means that there is none.
	Save(ctx context.Context, token Token) error
}

// WithClientCredentials signs in to the open API (surface oserve) with id and
// secret of an application, when the first call needs a token. Concurrent calls
// share one sign-in, and so do clients derived with [Client.With].
//
// The token is used until a minute before it expires; then the next call signs
// in again. It is never refreshed by itself, not even after a 401, because that
// would invalidate the tokens of everybody else: see [Client.RefreshToken].
// When somebody else has done that, calls end in [ErrUnauthorized]; deriving a
// client with this option anew, and with an empty [TokenStore], signs in again.
// Whether signing in again invalidates earlier tokens is not documented.
//
// A call whose sign-in fails was not sent. Its error names the step, oauth.code
// or oauth.token, and is of that step's kind, such as [ErrUnauthorized] for a
// secret that is wrong, but never ErrNotFound or ErrOutcomeUnknown. After a 429
// it has the step's RetryAfter; StatusCode and Attempts are 0. Asking for
// the code is repeated automatically; the exchange for a token, which may happen
// twice, is not repeated after a failure whose outcome is unknown.
//
// Source: open-api/authentication.md.
func WithClientCredentials(id, secret string) Option {
	return func(c *config) error {
		c.setCredential(signInCredential(&signIn{id: id, secret: secret}))
		return errors.Join(checkSecret("client id", id), checkSecret("client secret", secret))
	}
}

// WithTokenStore keeps the token of [WithClientCredentials] in a store, so that
// the next run of the program uses it. Without a store it is kept in memory.
func WithTokenStore(store TokenStore) Option {
	return func(c *config) error {
		if store == nil {
			return fmt.Errorf("%w: token store is nil", ErrInvalid)
		}
		c.tokenStore = store
		return nil
	}
}

// keepTokens brings a store and the credentials it belongs to together.
func (c *config) keepTokens() error {
	switch {
	case c.tokenStore == nil:
		return nil
	case c.credential == nil || c.credential.signIn == nil:
		return fmt.Errorf("%w: a token store needs client credentials, whose tokens it keeps", ErrInvalid)
	}
	s := c.credential.signIn
	c.credential = signInCredential(&signIn{id: s.id, secret: s.secret, store: c.tokenStore})
	return nil
}

// RefreshToken exchanges the token in use for a new one. This INVALIDATES every
// access token and refresh token that the application was given before, those
// of other programs and machines included. Calls on their way at that moment
// may end in [ErrUnauthorized]; calls that begin while it runs wait for it.
//
// It signs in first if there is no token yet, puts the new one into the
// [TokenStore], and returns it; with an error of the store it returns the token
// as well, for the caller to keep. Concurrent calls share one refresh. A client
// without client credentials gets [ErrNoCredentials].
//
// It is not repeated after a failure whose outcome is unknown
// ([ErrOutcomeUnknown]): the earlier tokens may be invalid then, and the new
// ones lost. The client forgets its token, also in the store, and the next call
// signs in anew; other holders of an earlier token have to do the same.
//
// Source: open-api/authentication.md.
func (c *Client) RefreshToken(ctx context.Context) (Token, error) {
	cred := c.config.credential
	if cred == nil || cred.signIn == nil {
		return Token{}, &Error{Op: operation.OAuthRefresh.Name, Method: operation.OAuthRefresh.Method, unsent: true, Err: ErrNoCredentials}
	}
	return cred.signIn.share(ctx, refreshing, func(ctx context.Context) (Token, error) {
		return cred.signIn.refresh(ctx, c.api)
	})
}

func signInCredential(s *signIn) *credential {
	return &credential{surface: "oserve", signIn: s, set: func(ctx context.Context, sender *api.Sender, h http.Header) ([]string, error) {
		token, err := s.use(ctx, sender)
		if err != nil {
			return nil, signInFailed(err)
		}
		return bearer(h, token.AccessToken)
	}}
}

// signInError keeps what became of a sign-in apart from what became of the call
// that needed it: that call was not sent, so no outcome is unknown and nothing
// was looked for.
type signInError struct{ err error }

func signInFailed(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.unknown {
		known := *e
		known.unknown = false
		err = &known
	}
	return &signInError{err}
}

func (e *signInError) Error() string   { return e.err.Error() }
func (e *signInError) As(dst any) bool { return errors.As(e.err, dst) }

func (e *signInError) Is(target error) bool {
	return target != ErrNotFound && errors.Is(e.err, target)
}

// signIn is the credentials of an application and the token they gave. Clients
// derived from one another share it.
type signIn struct {
	id, secret string
	store      TokenStore // nil: the token is kept in memory

	mu      sync.Mutex
	token   Token
	loaded  bool // the store was asked
	unsaved bool // the token is newer than that of the store
	running *run
}

// use returns the token for a call.
func (s *signIn) use(ctx context.Context, sender *api.Sender) (Token, error) {
	s.mu.Lock()
	token, ready := s.token, s.running == nil && !s.unsaved && s.token.usable()
	s.mu.Unlock()
	if ready {
		return token, nil
	}
	return s.share(ctx, signingIn, func(ctx context.Context) (Token, error) { return s.obtain(ctx, sender) })
}

// obtain returns the token in use, that of the store, or that of a new sign-in.
// Like refresh it has the token to itself: share lets one run at a time.
func (s *signIn) obtain(ctx context.Context, sender *api.Sender) (Token, error) {
	if err := s.load(ctx); err != nil {
		return Token{}, err
	}
	if s.token.usable() {
		return s.token, s.save(ctx)
	}
	var answer codeAnswer
	if err := s.post(ctx, sender, operation.OAuthCode, tokenRequest{}, &answer); err != nil {
		return Token{}, err
	}
	return s.exchange(ctx, sender, operation.OAuthToken, tokenRequest{Grant: "authorization_code", Code: string(answer)})
}

func (s *signIn) refresh(ctx context.Context, sender *api.Sender) (Token, error) {
	old, err := s.obtain(ctx, sender)
	if err != nil {
		return Token{}, signInFailed(err)
	}
	if old.RefreshToken == "" {
		return Token{}, invalid(operation.OAuthRefresh, "the token in use came without a refresh token")
	}
	token, err := s.exchange(ctx, sender, operation.OAuthRefresh, tokenRequest{Grant: "refresh_token", RefreshToken: old.RefreshToken})
	if errors.Is(err, ErrOutcomeUnknown) {
		return Token{}, s.lose(ctx, err)
	}
	return token, err
}

// lose forgets a token that may be invalid, and says so.
func (s *signIn) lose(ctx context.Context, cause error) error {
	const advice = "the earlier tokens may be invalid and the new ones lost: this client has forgotten its token and signs in again with its next call, and other holders of an earlier token have to do the same"
	e, _ := errors.AsType[*Error](cause)
	if e.Err == nil {
		e.Err = errors.New(advice)
	} else {
		e.Err = fmt.Errorf("%w: %s", e.Err, advice)
	}
	if err := s.keep(ctx, Token{}); err != nil {
		e.Err = fmt.Errorf("%w; %w", e.Err, err)
	}
	return e
}

// exchange asks for a token and keeps it.
func (s *signIn) exchange(ctx context.Context, sender *api.Sender, op operation.Operation, r tokenRequest) (Token, error) {
	asked := time.Now()
	var answer tokenAnswer
	if err := s.post(ctx, sender, op, r, &answer); err != nil {
		return Token{}, err
	}
	token := answer.token(asked)
	return token, s.keep(ctx, token)
}

// post sends one step of the sign-in.
func (s *signIn) post(ctx context.Context, sender *api.Sender, op operation.Operation, r tokenRequest, answer any) error {
	r.ID, r.Secret = s.id, s.secret
	call := api.Call{Secrets: []string{s.secret, r.Code, r.RefreshToken}}
	return (&Client{api: sender}).send(ctx, op, call, r, answer)
}

// load asks the store once.
func (s *signIn) load(ctx context.Context) error {
	if s.store == nil || s.loaded {
		return nil
	}
	token, err := s.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("token store: load: %w", err)
	}
	s.set(token, false)
	return nil
}

// keep replaces the token in use, and in the store.
func (s *signIn) keep(ctx context.Context, token Token) error {
	s.set(token, s.store != nil)
	return s.save(ctx)
}

func (s *signIn) set(token Token, unsaved bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.loaded, s.unsaved = token, true, unsaved
}

// save brings the store up to date. A token in hand is saved even if nobody
// waits for it any more, but not for ever.
func (s *signIn) save(ctx context.Context) error {
	if !s.unsaved {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := s.store.Save(ctx, s.token); err != nil {
		return fmt.Errorf("token store: save: %w", err)
	}
	s.set(s.token, false)
	return nil
}

// purpose is why a run is under way.
type purpose int

const (
	signingIn purpose = iota
	refreshing
)

// run is one sign-in or refresh that concurrent callers share.
type run struct {
	purpose purpose
	waiters int // guarded by signIn.mu; none are left of a run that was given up
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed when token and err are there
	token   Token
	err     error
}

// share has fn run by one caller on behalf of all that want the same at that
// time; who wants something else waits for the end. A caller whose context ends
// leaves the others in peace; the last one to leave ends the run and has its
// outcome, which can matter.
func (s *signIn) share(ctx context.Context, p purpose, fn func(context.Context) (Token, error)) (Token, error) {
	for {
		r, joined := s.join(ctx, p, fn)
		select {
		case <-r.done:
			if joined {
				return r.token, r.err
			}
		case <-ctx.Done():
			if !joined || !s.leave(ctx, r) {
				return Token{}, context.Cause(ctx)
			}
			return r.token, r.err
		}
	}
}

// join returns the run under way, or a new one. It is not joined if it has
// another purpose, or was given up.
func (s *signIn) join(ctx context.Context, p purpose, fn func(context.Context) (Token, error)) (r *run, joined bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r = s.running; r != nil {
		if r.purpose != p || r.waiters == 0 {
			return r, false
		}
		r.waiters++
		return r, true
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r = &run{purpose: p, waiters: 1, cancel: cancel, done: make(chan struct{}), err: errors.New("the token store ended the goroutine")}
	s.running = r
	go func() {
		defer s.end(r)
		r.token, r.err = fn(ctx)
	}()
	return r, true
}

func (s *signIn) end(r *run) {
	s.mu.Lock()
	s.running = nil
	s.mu.Unlock()
	r.cancel(nil)
	close(r.done)
}

// leave takes a caller out of a run. If it was the last one, the run is
// cancelled and has ended on return.
func (s *signIn) leave(ctx context.Context, r *run) (last bool) {
	s.mu.Lock()
	r.waiters--
	last = r.waiters == 0
	s.mu.Unlock()
	if last {
		r.cancel(context.Cause(ctx))
		<-r.done
	}
	return last
}

// tokenRequest is the body of all three steps.
type tokenRequest struct {
	ID           string `json:"client_id"`
	Secret       string `json:"client_secret"`
	Grant        string `json:"grant_type,omitempty"`
	Code         string `json:"code,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
}

// codeAnswer is the code of the first step. It is used at once, so that its
// expires_in does not matter.
type codeAnswer string

func (a *codeAnswer) UnmarshalJSON(data []byte) error {
	var body struct {
		Code string `json:"code"`
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return err
	}
	*a = codeAnswer(body.Code)
	return checkAnswer("code", body.Code)
}

type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int64  `json:"expires_in"` // seconds; today's page gives no number
}

func (a *tokenAnswer) UnmarshalJSON(data []byte) error {
	type plain tokenAnswer
	if err := json.Unmarshal(data, (*plain)(a)); err != nil {
		return err
	}
	return checkAnswer("access_token", a.AccessToken)
}

func checkAnswer(name, value string) error {
	if checkSecret(name, value) != nil { // whose error would blame the caller
		return errors.New("there is no usable " + name + " in the answer")
	}
	return nil
}

// token counts the lifetime from before the request, so that it is not too long.
func (a *tokenAnswer) token(asked time.Time) Token {
	t := Token{AccessToken: a.AccessToken, RefreshToken: a.RefreshToken}
	if century := int64(100 * 365 * 24 * 60 * 60); a.ExpiresIn > 0 {
		t.ExpiresAt = asked.Add(time.Duration(min(a.ExpiresIn, century)) * time.Second).Round(0)
	}
	return t
}

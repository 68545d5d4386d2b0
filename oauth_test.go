package minapp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
	"github.com/minapp-go/minapp/where"
)

const (
	appID     = "a4d2d62965ddb57fa400"
	appSecret = "c1ient-s3cret-that-nobody-may-see"
)

// memory is a TokenStore whose failures are told.
type memory struct {
	mu         sync.Mutex
	token      minapp.Token
	saves      int
	load, save error
}

func (m *memory) Load(context.Context) (minapp.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.token, m.load
}

func (m *memory) Save(_ context.Context, token minapp.Token) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.save == nil {
		m.token = token
		m.saves++
	}
	return m.save
}

func (m *memory) fail(load, save error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load, m.save = load, save
}

func (m *memory) saved() minapp.Token {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.token
}

// guarded is an emulator that knows one application, and table 1 with a row.
func guarded(t *testing.T) *minapptest.Server {
	t.Helper()
	s := minapptest.NewServer(t, minapptest.WithClientCredentials(appID, appSecret))
	_, err := s.CreateTable(minapptest.Table{ID: 1, Name: "product", Schema: articleSchema})
	require.NoError(t, err)
	_, err = s.Seed(1, map[string]any{"name": "a"})
	require.NoError(t, err)
	return s
}

func signedIn(t *testing.T, s *minapptest.Server, opts ...minapp.Option) *minapp.Client {
	t.Helper()
	client, err := minapp.NewClient(append(s.Options(), opts...)...)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func count(ctx context.Context, c *minapp.Client) error {
	_, err := c.Records.Count(ctx, 1, where.Everything())
	return err
}

func TestConcurrentCallsAndDerivedClientsShareOneSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guarded(t)
		client := signedIn(t, s)
		other, err := client.With(minapp.WithUserAgent("other/1"))
		require.NoError(t, err)
		s.Fault(minapptest.Fault{Operation: "oauth.code", Delay: time.Second}) // so that all of them meet
		var calls sync.WaitGroup
		for i := range 20 {
			c := []*minapp.Client{client, other}[i%2]
			calls.Go(func() { assert.NoError(t, count(t.Context(), c)) })
		}
		calls.Wait()
		assert.Equal(t, []int{1, 2, 1, 20}, []int{s.Count("oauth.code"), s.Count("oauth.redirect"), s.Count("oauth.token"), s.Count("records.count")})
	})
}

func TestACancelledWaiterLeavesTheOthersInPeace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guarded(t)
		client := signedIn(t, s)
		s.Fault(minapptest.Fault{Operation: "oauth.token", Delay: time.Minute})
		why := errors.New("the first caller has changed its mind")
		ctx, cancel := context.WithCancelCause(t.Context())
		var calls sync.WaitGroup
		calls.Go(func() { // it begins the sign-in
			start := time.Now()
			assert.ErrorIs(t, count(ctx, client), why)
			assert.Equal(t, 2*time.Second, time.Since(start), "its wait ends with its context")
		})
		synctest.Wait()
		calls.Go(func() { assert.NoError(t, count(t.Context(), client)) })
		time.AfterFunc(2*time.Second, func() { cancel(why) })
		calls.Wait()
		assert.Equal(t, 1, s.Count("oauth.token"))
	})
}

func TestTheLastWaiterEndsTheSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guarded(t)
		client := signedIn(t, s)
		s.Fault(minapptest.Fault{Operation: "oauth.code", Delay: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() {
				err := count(ctx, client)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.NotErrorIs(t, err, minapp.ErrUnavailable, "the caller's own context")
			})
		}
		calls.Wait()
		assert.Equal(t, time.Second, time.Since(start))
		require.NoError(t, count(t.Context(), client), "the next call begins a new one")
	})
}

func TestTheTokenIsUsedUntilShortlyBeforeItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guarded(t)
		client := signedIn(t, s)
		require.NoError(t, count(t.Context(), client))
		year := 31535999 * time.Second
		<-time.After(year - time.Minute - time.Second)
		require.NoError(t, count(t.Context(), client))
		assert.Equal(t, 1, s.Count("oauth.token"))
		<-time.After(2 * time.Second)
		require.NoError(t, count(t.Context(), client))
		assert.Equal(t, 2, s.Count("oauth.token"))
		assert.Zero(t, s.Count("oauth.refresh"))
	})
}

// Somebody else has refreshed: this client must not strike back.
func TestA401RefreshesNothing(t *testing.T) {
	s := guarded(t)
	client, other := signedIn(t, s), signedIn(t, s)
	require.NoError(t, count(t.Context(), client))
	_, err := other.RefreshToken(t.Context())
	require.NoError(t, err)
	for range 2 {
		require.ErrorIs(t, count(t.Context(), client), minapp.ErrUnauthorized)
	}
	assert.Equal(t, 2, s.Count("oauth.token"), "one for each client")
	assert.Equal(t, 1, s.Count("oauth.refresh"))
	anew, err := client.With(minapp.WithClientCredentials(appID, appSecret))
	require.NoError(t, err)
	require.NoError(t, count(t.Context(), anew), "the documented way out")
	require.NoError(t, count(t.Context(), other), "which leaves the other's token alone")
}

func TestTokensAreKeptInTheStore(t *testing.T) {
	s := guarded(t)
	store := &memory{}
	require.NoError(t, count(t.Context(), signedIn(t, s, minapp.WithTokenStore(store))))
	assert.Equal(t, 1, store.saves)
	assert.WithinDuration(t, time.Now().AddDate(1, 0, 0), store.token.ExpiresAt, 48*time.Hour)

	require.NoError(t, count(t.Context(), signedIn(t, s, minapp.WithTokenStore(store))), "the next run of the program")
	assert.Equal(t, 1, s.Count("oauth.token"))

	store.token.ExpiresAt = time.Now().Add(30 * time.Second)
	require.NoError(t, count(t.Context(), signedIn(t, s, minapp.WithTokenStore(store))))
	assert.Equal(t, 2, s.Count("oauth.token"), "too late for a token that is about to end")
}

func TestAStoreThatFailsIsNotHidden(t *testing.T) {
	s := guarded(t)
	store := &memory{}
	client := signedIn(t, s, minapp.WithTokenStore(store))
	locked := errors.New("the vault is locked")

	store.fail(locked, nil)
	err := count(t.Context(), client)
	require.ErrorIs(t, err, locked)
	assert.ErrorContains(t, err, "token store: load")
	assert.Zero(t, s.Count(""), "nothing is sent")

	store.fail(nil, locked)
	for range 2 {
		require.ErrorIs(t, count(t.Context(), client), locked)
	}
	assert.Equal(t, 1, s.Count("oauth.token"), "the token is there, and only has to be saved")

	store.fail(nil, nil)
	require.NoError(t, count(t.Context(), client))
	assert.NotEmpty(t, store.saved().AccessToken)
	assert.Equal(t, 1, s.Count("oauth.token"))

	before := store.saved()
	store.fail(nil, locked)
	token, err := client.RefreshToken(t.Context())
	require.ErrorIs(t, err, locked)
	assert.NotEmpty(t, token.AccessToken, "the caller can keep it, nobody else has it")
	assert.NotEqual(t, before, token)
}

func TestRefreshTokenInvalidatesEveryEarlierToken(t *testing.T) {
	s := guarded(t)
	store := &memory{}
	client, other := signedIn(t, s, minapp.WithTokenStore(store)), signedIn(t, s)
	require.NoError(t, count(t.Context(), client))
	require.NoError(t, count(t.Context(), other))
	before := store.saved()

	token, err := client.RefreshToken(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, before.AccessToken, token.AccessToken)
	assert.NotEqual(t, before.RefreshToken, token.RefreshToken)
	assert.Equal(t, token, store.saved())
	require.NoError(t, count(t.Context(), client))
	require.ErrorIs(t, count(t.Context(), other), minapp.ErrUnauthorized)
	_, err = other.RefreshToken(t.Context())
	require.ErrorIs(t, err, minapp.ErrInvalid, "its refresh token is dead, too")
	assert.ErrorContains(t, err, "oauth.refresh: 400")

	_, err = client.RefreshToken(t.Context())
	require.NoError(t, err, "the new pair can be refreshed again")
}

func TestConcurrentRefreshesAreOneAndCallsWaitForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guarded(t)
		client := signedIn(t, s)
		require.NoError(t, count(t.Context(), client))
		s.Fault(minapptest.Fault{Operation: "oauth.refresh", AnswerDelay: time.Second})
		tokens := make([]minapp.Token, 5)
		var calls sync.WaitGroup
		for i := range tokens {
			calls.Go(func() {
				var err error
				tokens[i], err = client.RefreshToken(t.Context())
				assert.NoError(t, err)
			})
		}
		synctest.Wait()
		calls.Go(func() { assert.NoError(t, count(t.Context(), client), "the old token is dead by now") })
		calls.Wait()
		assert.Equal(t, 1, s.Count("oauth.refresh"))
		for _, token := range tokens {
			assert.Equal(t, tokens[0], token)
		}
	})
}

// A refresh and a sign-in that meet are not mistaken for each other.
func TestRefreshAndSignInAreTwoThings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guarded(t)
		client := signedIn(t, s)
		var calls sync.WaitGroup
		meet := func(first, second func()) {
			calls.Go(first)
			synctest.Wait()
			calls.Go(second)
			calls.Wait()
		}
		s.Fault(minapptest.Fault{Operation: "oauth.code", Delay: time.Second})
		meet(func() { _ = count(t.Context(), client) }, func() { // the call may meet the refresh on its way
			_, err := client.RefreshToken(t.Context())
			assert.NoError(t, err)
		})
		assert.Equal(t, []int{1, 1}, []int{s.Count("oauth.token"), s.Count("oauth.refresh")})

		s.Fault(minapptest.Fault{Operation: "oauth.refresh", Status: 400, Delay: time.Second})
		meet(func() {
			_, err := client.RefreshToken(t.Context())
			assert.ErrorIs(t, err, minapp.ErrInvalid)
		}, func() { assert.NoError(t, count(t.Context(), client), "its token still works") })
		assert.Equal(t, 1, s.Count("oauth.token"))
	})
}

func TestALostRefreshSaysWhatToDo(t *testing.T) {
	for name, fault := range map[string]minapptest.Fault{
		"lost":       {Drop: minapptest.DropAfter},
		"cut":        {Drop: minapptest.CutBody},
		"unreadable": {Status: 200, Body: `{"access_token":""}`, Processed: true},
		"gateway":    {Status: 502, Body: `<html>`, Processed: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := guarded(t)
			store := &memory{}
			client := signedIn(t, s, minapp.WithTokenStore(store))
			require.NoError(t, count(t.Context(), client))
			fault.Operation = "oauth.refresh"
			s.Fault(fault)
			_, err := client.RefreshToken(t.Context())
			require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
			assert.ErrorContains(t, err, "signs in again with its next call")
			assert.Equal(t, 1, s.Count("oauth.refresh"), "it is not repeated")
			assert.Zero(t, store.saved(), "a token that may be dead is not kept")
			require.NoError(t, count(t.Context(), client))
			assert.Equal(t, 2, s.Count("oauth.token"))
		})
	}
}

// The outcome matters even to a caller whose context has ended.
func TestACancelledRefreshIsOfUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guarded(t)
		client := signedIn(t, s)
		require.NoError(t, count(t.Context(), client))
		s.Fault(minapptest.Fault{Operation: "oauth.refresh", AnswerDelay: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.RefreshToken(ctx)
		require.ErrorIs(t, err, minapp.ErrOutcomeUnknown)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, count(t.Context(), client))
	})
}

func TestRefreshTokenNeedsSomethingToRefresh(t *testing.T) {
	s := guarded(t)
	fixed, err := signedIn(t, s).With(minapp.WithToken("t"))
	require.NoError(t, err)
	_, err = fixed.RefreshToken(t.Context())
	require.ErrorIs(t, err, minapp.ErrNoCredentials)

	once := signedIn(t, s, minapp.WithTokenStore(&memory{token: minapp.Token{AccessToken: "a"}}))
	_, err = once.RefreshToken(t.Context())
	require.ErrorIs(t, err, minapp.ErrInvalid)
	assert.ErrorContains(t, err, "without a refresh token")
	assert.Zero(t, s.Count(""))
}

// A call that could not sign in was not sent, whatever happened to the sign-in.
func TestErrorsOfTheSignInNameTheStepAndNotTheCall(t *testing.T) {
	once := minapp.WithRetry(minapp.RetryPolicy{MaxAttempts: 1})
	for name, tt := range map[string]struct {
		fault minapptest.Fault
		is    error
		says  string
	}{
		"refused":        {minapptest.Fault{Operation: "oauth.code", Status: 401, Body: `{"error_msg":"secret ` + appSecret + ` is wrong"}`}, minapp.ErrUnauthorized, "oauth.code: 401"},
		"busy":           {minapptest.Fault{Operation: "oauth.code", Status: 429}, minapp.ErrRateLimited, "oauth.code: 429"},
		"moved away":     {minapptest.Fault{Operation: "oauth.code", Status: 404}, nil, "oauth.code: 404"},
		"redirected":     {minapptest.Fault{Operation: "oauth.code", Status: 307, Header: http.Header{"Location": {"https://evil.example"}}}, nil, "oauth.code: 307 temporary redirect: redirect refused: it would post the client secret"},
		"cookie lost":    {minapptest.Fault{Operation: "oauth.redirect", Status: 401}, minapp.ErrUnauthorized, "oauth.code: 401"},
		"no code":        {minapptest.Fault{Operation: "oauth.code", Status: 200, Body: `{}`}, minapp.ErrProtocol, "oauth.code: 200 ok: answer does not follow the protocol: there is no usable code"},
		"code refused":   {minapptest.Fault{Operation: "oauth.token", Status: 400, Body: `{"error":"invalid_grant"}`}, minapp.ErrInvalid, "oauth.token: 400 bad request: invalid_grant"},
		"exchange lost":  {minapptest.Fault{Operation: "oauth.token", Drop: minapptest.DropAfter}, minapp.ErrUnavailable, "oauth.token"},
		"no token":       {minapptest.Fault{Operation: "oauth.token", Status: 200, Body: `{"expires_in":1}`}, minapp.ErrProtocol, "oauth.token: 200 ok: answer does not follow the protocol: there is no usable access_token"},
		"broken gateway": {minapptest.Fault{Operation: "oauth.token", Status: 503}, minapp.ErrUnavailable, "oauth.token: 503"},
	} {
		t.Run(name, func(t *testing.T) {
			s := guarded(t)
			client := signedIn(t, s, once)
			tt.fault.Times = 2
			s.Fault(tt.fault)
			_, err := client.Records.Create(t.Context(), 1, minapp.Fields{"name": "b"})
			require.Error(t, err)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
			assert.ErrorContains(t, err, "records.create: "+tt.says)
			assert.NotContains(t, err.Error(), "outcome unknown")
			assert.NotErrorIs(t, err, minapp.ErrOutcomeUnknown)
			assert.NotErrorIs(t, err, minapp.ErrNotFound)
			assert.NotContains(t, err.Error(), appSecret)
			assert.Zero(t, s.Count("records.create"))

			batch, err := client.Bulk.CreateMany(t.Context(), 1, []minapp.Fields{{"name": "c"}})
			require.Error(t, err)
			assert.Equal(t, minapp.Totals{Read: 1, NotSent: 1}, batch.Totals)

			require.NoError(t, count(t.Context(), client), "the next call signs in again")
		})
	}
}

// Whoever waits as long as the error says must not have to know which step
// asked for it.
func TestRetryAfterOfTheSignInIsThatOfTheCall(t *testing.T) {
	for _, step := range []string{"oauth.code", "oauth.token"} {
		s := guarded(t)
		client := signedIn(t, s)
		s.Fault(minapptest.Fault{Operation: step, Status: 429, Header: http.Header{"Retry-After": {"90"}}}) // more than the policy waits
		_, err := client.Records.Create(t.Context(), 1, minapp.Fields{"name": "b"})
		require.ErrorIs(t, err, minapp.ErrRateLimited)
		e, ok := errors.AsType[*minapp.Error](err)
		require.True(t, ok)
		assert.Equal(t, "records.create", e.Op)
		assert.Equal(t, 90*time.Second, e.RetryAfter)
		assert.Zero(t, e.StatusCode, "the call itself was not answered")
		assert.Zero(t, e.Attempts, "nor sent")
		assert.Contains(t, err.Error(), "records.create: "+step+": 429 too many requests")
		assert.Equal(t, 1, strings.Count(err.Error(), "(retry after 1m30s)"), "said once: %v", err)
	}
}

// The code is read, the exchange for a token may happen twice.
func TestWhichStepIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guarded(t)
		client := signedIn(t, s)
		s.Fault(minapptest.Fault{Operation: "oauth.code", Status: 503, Times: 2})
		s.Fault(minapptest.Fault{Operation: "oauth.token", Status: 429})
		require.NoError(t, count(t.Context(), client))
		assert.Equal(t, []int{3, 2}, []int{s.Count("oauth.code"), s.Count("oauth.token")})

		s.Fault(minapptest.Fault{Operation: "oauth.token", Status: 503})
		other := signedIn(t, s)
		require.ErrorIs(t, count(t.Context(), other), minapp.ErrUnavailable)
		assert.Equal(t, 3, s.Count("oauth.token"))
	})
}

func TestWrongSecret(t *testing.T) {
	s := guarded(t)
	client := signedIn(t, s)
	client, err := client.With(minapp.WithClientCredentials(appID, "other"))
	require.NoError(t, err)
	err = count(t.Context(), client)
	require.ErrorIs(t, err, minapp.ErrUnauthorized)
	e, ok := errors.AsType[*minapp.Error](errors.Unwrap(err))
	require.True(t, ok, "the step's own error is there")
	assert.Equal(t, "oauth.code", e.Op)
}

func TestMistakesInClientCredentials(t *testing.T) {
	_, err := minapp.NewClient(minapp.WithClientCredentials(" ", "line\nbreak"), minapp.WithTokenStore(nil))
	require.ErrorIs(t, err, minapp.ErrInvalid)
	for _, part := range []string{"client id is blank", "client secret has a line break", "token store is nil"} {
		assert.ErrorContains(t, err, part)
	}
	assert.NotContains(t, err.Error(), "line\n")
	_, err = minapp.NewClient(minapp.WithToken("t"), minapp.WithTokenStore(&memory{}))
	assert.ErrorContains(t, err, "a token store needs client credentials")
	_, err = minapp.NewClient(minapp.WithClientCredentials("a", "b"), minapp.WithToken("t"))
	assert.ErrorContains(t, err, "2 credentials given")
}

// A store belongs to the credentials it was given with: those of another
// application must not find this one's token.
func TestNewCredentialsDoNotInheritTheStore(t *testing.T) {
	s := guarded(t)
	store := &memory{}
	client := signedIn(t, s, minapp.WithTokenStore(store))
	require.NoError(t, count(t.Context(), client))
	other, err := client.With(minapp.WithClientCredentials(appID, appSecret))
	require.NoError(t, err)
	require.NoError(t, count(t.Context(), other))
	assert.Equal(t, 2, s.Count("oauth.token"))
	assert.Equal(t, 1, store.saves)
}

// Deriving a client with a store leaves the client that it comes from as it is.
func TestAStoreOfADerivedClientIsItsOwn(t *testing.T) {
	s := guarded(t)
	store := &memory{}
	client := signedIn(t, s)
	derived, err := client.With(minapp.WithTokenStore(store))
	require.NoError(t, err)
	require.NoError(t, count(t.Context(), client))
	assert.Zero(t, store.saves)
	require.NoError(t, count(t.Context(), derived))
	assert.Equal(t, 1, store.saves)
}

func TestATokenShowsOnlyWhenItIsStored(t *testing.T) {
	token := minapp.Token{AccessToken: "acce55", RefreshToken: "refre5h", ExpiresAt: time.Unix(1_700_000_000, 0)}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", token, "pointer", &token)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", token, "pointer", &token)
	texts := []string{log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, token), fmt.Sprintf(verb, &token), fmt.Sprintf(verb, struct{ T minapp.Token }{token}))
	}
	shown := strings.Join(texts, " ")
	assert.NotContains(t, shown, "acce55")
	assert.NotContains(t, shown, "refre5h")
	assert.NotContains(t, shown, fmt.Sprintf("%x", "acce55"))
	assert.Contains(t, shown, "expires 2023-11-14T22:13:20Z")

	data, err := json.Marshal(token)
	require.NoError(t, err)
	var again minapp.Token
	require.NoError(t, json.Unmarshal(data, &again))
	assert.True(t, again.ExpiresAt.Equal(token.ExpiresAt))
	assert.Equal(t, []string{token.AccessToken, token.RefreshToken}, []string{again.AccessToken, again.RefreshToken})
}

func TestTheSignInShowsNoSecrets(t *testing.T) {
	var log bytes.Buffer
	const given = "t0ken-of-the-sign-in"
	echo := func(r *http.Request) (*http.Response, error) {
		switch stepOf(r.URL.Path, "") {
		case "oauth.code":
			if r.Method == http.MethodPost && r.URL.Path != "/oserve/v2.4/table/1/record/" {
				return httpmock.NewStringResponse(200, `{"code":"c0de-of-the-sign-in"}`), nil
			}
			return httpmock.NewStringResponse(401, `{"error_msg":"no `+given+` here"}`), nil
		default:
			return httpmock.NewStringResponse(200, `{"access_token":"`+given+`"}`), nil
		}
	}
	transport := httpmock.NewMockTransport()
	transport.RegisterNoResponder(echo)
	client, err := minapp.NewClient(
		minapp.WithClientCredentials(appID, appSecret), minapp.WithHTTPClient(&http.Client{Transport: transport}),
		minapp.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
	)
	require.NoError(t, err)
	err = count(t.Context(), client)
	require.ErrorIs(t, err, minapp.ErrUnauthorized)
	shown := fmt.Sprintf("%v %+v %#v %+v %#v %+v", err, err, err, client, *client, minapp.WithClientCredentials(appID, appSecret)) + log.String()
	for _, hidden := range []string{appSecret, given, "c0de-of-the-sign-in"} {
		assert.NotContains(t, shown, hidden)
	}
	assert.Contains(t, err.Error(), "[redacted]")
	assert.Contains(t, log.String(), "op=oauth.token")
}

func TestATokenWithoutAnEndIsUsedAsLongAsItIsAccepted(t *testing.T) {
	store := &memory{}
	transport := httpmock.NewMockTransport()
	transport.RegisterNoResponder(func(r *http.Request) (*http.Response, error) {
		return httpmock.NewStringResponse(200, `{"code":"c","access_token":"a","meta":{"total_count":1},"objects":[]}`), nil
	})
	client, err := minapp.NewClient(minapp.WithClientCredentials(appID, appSecret), minapp.WithTokenStore(store), minapp.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, count(t.Context(), client))
	}
	assert.Equal(t, minapp.Token{AccessToken: "a"}, store.saved())
	assert.Equal(t, 5, transport.GetTotalCallCount())
}

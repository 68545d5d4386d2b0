package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/internal/operation"
)

// What a create that failed says of what reached the service, and of its answer.
func TestWhatAFailureClaims(t *testing.T) {
	type claims struct{ unknown, unsent, cut bool }
	tests := map[string]struct {
		step step
		want claims
	}{
		"refused":             {answering(400, `{}`), claims{}},
		"refused, cut":        {cut(400, `{`), claims{}},
		"refused after a 429": {answering(429, ``), claims{}},
		"not connected":       {failing(errReset, true, false), claims{unsent: true}},
		"lost":                {failing(errReset, true, true), claims{unknown: true}},
		"service fails":       {answering(503, ``), claims{unknown: true}},
		"service fails, cut":  {cut(503, `{`), claims{unknown: true}},
		"success, cut":        {cut(200, `{`), claims{unknown: true, cut: true}},
		"success, no JSON":    {answering(200, `<html>`), claims{unknown: true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := newSender(t, &script{steps: []step{tt.step}}, "https://host").Do(t.Context(), create, Call{Path: []string{"1"}})
				f := errorAs[*Failure](t, err)
				assert.Equal(t, tt.want, claims{f.Unknown, f.Unsent, f.Cut})
			})
		})
	}
}

// A transport that breaks its contract is met as net/http meets it.
func TestTransportThatAnswersNothing(t *testing.T) {
	t.Run("at all", func(t *testing.T) {
		s := &script{steps: []step{func(*http.Request) (*http.Response, error) { return nil, nil }}}
		_, err := newSender(t, s, "https://host").Do(t.Context(), create, Call{Path: []string{"1"}})
		require.ErrorContains(t, err, "neither an answer nor an error")
		assert.True(t, errorAs[*Failure](t, err).Unknown)
	})
	t.Run("but a status", func(t *testing.T) {
		s := &script{steps: []step{func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 204}, nil }}}
		_, err := newSender(t, s, "https://host").Do(t.Context(), remove, Call{Path: []string{"1"}})
		require.NoError(t, err)
	})
}

// The answers of some operations hold secrets of others: an error keeps nothing
// but what the service says for it.
func TestFailureOfASecretOperationKeepsNoBody(t *testing.T) {
	secret := read
	secret.Secret = true
	for body, message := range map[string]string{`{"error_msg":"no","password":"hunter2"}`: "no", `password=hunter2`: ""} {
		_, err := newSender(t, &script{steps: []step{answering(400, body)}}, "https://host").Do(t.Context(), secret, Call{Path: []string{"1"}})
		f := errorAs[*Failure](t, err)
		assert.Nil(t, f.Body, body)
		assert.Equal(t, message, f.Message, body)
	}
}

// The service names a request in the body or in a header; the body is preferred.
func TestRequestIDOfAFailure(t *testing.T) {
	for body, want := range map[string]string{`{"msg":"no","request_id":"body"}`: "body", `{"msg":"no"}`: "header", `no`: "header"} {
		s := &script{steps: []step{answering(400, body, "X-Request-Id", "header")}}
		_, err := newSender(t, s, "https://host").Do(t.Context(), read, Call{Path: []string{"1"}})
		assert.Equal(t, want, errorAs[*Failure](t, err).RequestID, body)
	}
}

// A message is at most 200 bytes of the first line, and never half a character.
func TestMessageIsShort(t *testing.T) {
	for body, want := range map[string]string{
		strings.Repeat("a", 200):       strings.Repeat("a", 200),
		strings.Repeat("a", 201):       strings.Repeat("a", 200) + "…",
		strings.Repeat("a", 199) + "包": strings.Repeat("a", 199) + "…",
	} {
		f := &Failure{}
		f.describe([]byte(body), nil)
		assert.Equal(t, want, f.Message)
	}
}

// Why a call ended stands in front of how its last attempt ended; neither is lost.
func TestCancelledWaitTellsOfTheLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("user left")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		s := &script{steps: []step{func(r *http.Request) (*http.Response, error) {
			trace := httptrace.ContextClientTrace(r.Context())
			trace.GetConn("host:443")
			trace.GotConn(httptrace.GotConnInfo{})
			go func() { synctest.Wait(); cancel(why) }()
			return nil, errReset
		}}}
		sender := newSender(t, s, "https://host")
		sender.Policy.MinDelay, sender.Policy.MaxDelay = time.Hour, time.Hour
		_, err := sender.Do(ctx, read, Call{Path: []string{"1"}})
		require.ErrorIs(t, err, why)
		require.ErrorIs(t, err, errReset)
		assert.EqualError(t, errorAs[*Failure](t, err).Err, "user left (connection reset)")
		assert.Equal(t, 1, s.calls)
	})
}

// What cannot even be put together is not sent, and says so.
func TestCallThatCannotBeBuiltIsNotSent(t *testing.T) {
	noToken := errors.New("no token")
	refuse := func(context.Context, operation.Service, http.Header) ([]string, error) {
		return []string{"s3cret"}, noToken
	}
	badMethod := create
	badMethod.Method = "PO ST"
	for name, tt := range map[string]struct {
		change func(*Sender)
		op     operation.Operation
		is     error
	}{
		"credentials": {func(s *Sender) { s.Authorize = refuse }, create, noToken},
		"request":     {func(*Sender) {}, badMethod, operation.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{steps: []step{answering(200, `{}`)}}
			sender := newSender(t, s, "https://host")
			tt.change(sender)
			_, err := sender.Do(t.Context(), tt.op, Call{Path: []string{"1"}})
			require.ErrorIs(t, err, tt.is)
			assert.True(t, errorAs[*Failure](t, err).Unsent)
			assert.Zero(t, s.calls)
		})
	}
}

func TestPolicyOfACallReplacesThatOfTheSender(t *testing.T) {
	s := &script{steps: []step{answering(503, ``)}}
	_, err := newSender(t, s, "https://host").Do(t.Context(), read, Call{Path: []string{"1"}, Policy: &Policy{MaxAttempts: 1}})
	require.Error(t, err)
	assert.Equal(t, 1, s.calls)
}

// Only a request with a body has a type of it.
func TestContentTypeIsThatOfTheBody(t *testing.T) {
	var types [][]string
	s := &script{steps: []step{func(r *http.Request) (*http.Response, error) {
		types = append(types, r.Header.Values("Content-Type"))
		return answering(200, `{}`)(r)
	}}}
	body := Body{Type: "text/csv", Size: 1, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("a")), nil }}
	for _, call := range []Call{{Path: []string{"1"}, Body: body}, {Path: []string{"1"}}} {
		_, err := newSender(t, s, "https://host").Do(t.Context(), create, call)
		require.NoError(t, err)
	}
	assert.Equal(t, [][]string{{"text/csv"}, nil}, types)
}

// A URL may grow by Room, and by no byte more.
func TestRoomIsWhatAURLMayGrow(t *testing.T) {
	sender := newSender(t, &script{steps: []step{answering(200, `{}`)}}, "https://host")
	call := func(n int) Call { return Call{Path: []string{"1"}, Query: url.Values{"q": {strings.Repeat("a", n)}}} }
	room, err := sender.Room(read, call(1))
	require.NoError(t, err)
	_, err = sender.Do(t.Context(), read, call(1+room))
	require.NoError(t, err)
	_, err = sender.Do(t.Context(), read, call(2+room))
	require.ErrorIs(t, err, operation.ErrTooLong)
}

package api

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPathSegmentsAreEscapedOrRefused(t *testing.T) {
	for id, want := range map[string]string{
		"5a2f":   "/oserve/thing/5a2f/",
		"a/b":    "/oserve/thing/a%2Fb/",
		"a?b#c":  "/oserve/thing/a%3Fb%23c/",
		"%2e%2e": "/oserve/thing/%252e%252e/",
		"包":      "/oserve/thing/%E5%8C%85/",
		"":       "",
		"  ":     "",
		".":      "",
		"..":     "",
		"a\nb":   "",
		"\x00":   "",
		"　":      "", // ideographic space
	} {
		s := &script{steps: []step{answer(200, `{}`)}}
		var got string
		s.steps = []step{func(r *http.Request) (*http.Response, error) {
			got = r.URL.EscapedPath()
			return answer(200, `{}`)(r)
		}}
		_, err := newSender(t, s, "https://host").Do(t.Context(), read, Call{Path: []string{id}})
		assert.Equal(t, want, got, "id %q", id)
		if want == "" {
			require.ErrorIs(t, err, ErrInvalid)
			assert.Contains(t, err.Error(), "id ", "the error names the argument")
			assert.Zero(t, s.calls)
		}
	}
}

// No record id reaches another path, host or query.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"5a2f", "..", "../x", "a/b", "?q", "#f", "%2f", "\\", "@host", "//host", "包", "\x00", ";", ":", " "} {
		f.Add(seed)
	}
	base, _ := url.Parse("https://host/base")
	f.Fuzz(func(t *testing.T, id string) {
		s := &Sender{Surface: "oserve"}
		var b strings.Builder
		if err := s.path(&b, "/{surface}/thing/{id}/", []string{id}); err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("error is %v", err)
			}
			return
		}
		u, err := url.Parse(base.String() + b.String())
		if err != nil {
			t.Fatalf("%q: %v", b.String(), err)
		}
		segments := strings.Split(u.EscapedPath(), "/")
		if u.Host != "host" || u.RawQuery != "" || u.Fragment != "" || len(segments) != 6 || segments[3] != "thing" {
			t.Fatalf("id %q became %q", id, u)
		}
		if back, err := url.PathUnescape(segments[4]); err != nil || back != id {
			t.Fatalf("id %q arrives as %q", id, back)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "3", "-1", "99999999999999999999", "Sat, 01 Jan 2000 00:00:20 GMT", "1.5", "０"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if d := retryAfter(http.Header{"Retry-After": {value}}, time.Unix(0, 0)); d < 0 {
			t.Fatalf("%q is %s", value, d)
		}
	})
}

func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{`{"code":"ok","data":null}`, `{"code":0}`, `{}`, `[]`, ``, `{"code":"ErrServer","msg":"x"}`, `{"detail":[{"loc":[1,"a"],"msg":"m"}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, ok, err := open(body)
		if ok && err != nil {
			t.Fatalf("%q is a success and an error", body)
		}
		(&Failure{}).describe(body, []string{"s"})
	})
}

func TestLongURLIsRefusedWithTheFigure(t *testing.T) {
	s := &script{steps: []step{answer(200, `{}`)}}
	sender := newSender(t, s, "https://host")
	fits := strings.Repeat("x", MaxURL-len("https://host/oserve/thing/1/?where="))
	_, err := sender.Do(t.Context(), read, Call{Path: []string{"1"}, Query: url.Values{"where": {fits}}})
	require.NoError(t, err)
	_, err = sender.Do(t.Context(), read, Call{Path: []string{"1"}, Query: url.Values{"where": {fits + "x"}}})
	require.ErrorIs(t, err, ErrTooLong)
	assert.Contains(t, err.Error(), "16387 bytes")
	assert.Equal(t, 1, s.calls)
}

func TestCallHeadersDoNotLeakIntoTheNextCall(t *testing.T) {
	var seen []http.Header
	s := &script{steps: []step{func(r *http.Request) (*http.Response, error) {
		seen = append(seen, r.Header.Clone())
		return answer(200, `{}`)(r)
	}}}
	sender := newSender(t, s, "https://host")
	_, err := sender.Do(t.Context(), read, Call{Path: []string{"1"}, Header: http.Header{"X-Trace": {"t1"}}})
	require.NoError(t, err)
	_, err = sender.Do(t.Context(), read, Call{Path: []string{"1"}})
	require.NoError(t, err)
	assert.Equal(t, "t1", seen[0].Get("X-Trace"))
	assert.Empty(t, seen[1].Get("X-Trace"))
	assert.Equal(t, "s3cret", seen[1].Get("Authorization"))
	assert.Empty(t, seen[1].Get("Content-Type"), "no body, no type")
}

func TestOperationTable(t *testing.T) {
	names := map[string]bool{}
	for _, op := range Operations() {
		assert.False(t, names[op.Name], "%s is there twice", op.Name)
		names[op.Name] = true
		assert.NotEmpty(t, op.Source, op.Name)
		assert.Equal(t, op.Service != MOI, strings.HasSuffix(op.Path, "/"), "%s: minapp URLs end in a slash, MOI's do not", op.Name)
		assert.Equal(t, op.Method == http.MethodGet || op.Service == MOI && op.Safety == Read || op == OAuthCode, op.Safety == Read, op.Name)
		assert.False(t, op.Method == http.MethodPost && op.Safety == Idempotent, "%s: a POST creates", op.Name)
	}
}

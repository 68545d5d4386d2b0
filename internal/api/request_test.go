package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
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

// Whatever the header says, the wait is what it says, or what the policy would
// wait anyhow; it is never negative, and never longer than the policy allows.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"", "3", " 3 ", "-1", "+3", "0", "030", "9223372036", "9223372037", "18446744073709551616", "99999999999999999999", "1.5", "1e3", "0x3", "３",
		"Thu, 01 Jan 1970 00:00:20 GMT", "Sat, 01 Jan 2000 00:00:20 GMT", "Wed, 31 Dec 1969 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Thursday, 01-Jan-70 00:00:20 GMT", "Thu Jan  1 00:00:20 1970", "soon",
	} {
		f.Add(seed)
	}
	policy := Policy{MaxAttempts: 4, MinDelay: 500 * time.Millisecond, MaxDelay: 30 * time.Second}
	f.Fuzz(func(t *testing.T, value string) {
		now := time.Unix(0, 0)
		got := retryAfter(http.Header{"Retry-After": {value}}, now)
		want := new(big.Int)
		text := strings.TrimSpace(value)
		if at, err := http.ParseTime(text); err == nil {
			want.SetInt64(int64(max(0, at.Sub(now))))
		} else if text != "" && strings.Trim(text, "0123456789") == "" {
			want.SetString(text, 10)
			want.Mul(want, big.NewInt(int64(time.Second)))
		}
		if most := big.NewInt(math.MaxInt64); want.Cmp(most) > 0 {
			want = most
		}
		if want.Int64() != int64(got) {
			t.Fatalf("%q is %s, not %s ns", value, got, want)
		}
		if delay, ok := policy.delay(1, got); delay < 0 || ok && delay > policy.MaxDelay || ok != (got <= policy.MaxDelay) {
			t.Fatalf("%q waits %s, %v", value, delay, ok)
		}
	})
}

// Whatever an answer of MOI or an error of either service looks like: success
// needs a code that says so, an error shows no secret, and is short.
func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{
		`{"code":"ok","data":null}`, `{"code":0}`, `{"code":"OK","data":{"id":1}}`, `{"code":"Ok"}`, `{"code":"0"}`, `{"code":0.0}`, `{"code":null}`, `{"code":["ok"]}`, `{}`, `[]`, ``, `null`,
		`{"code":"ErrServer","msg":"x §"}`, `{"code":"§","request_id":"§"}`, `{"detail":[{"loc":[1,"a","§"],"msg":"m §"}]}`, `{"detail":"§"}`, `{"error_msg":"§"}`, `{"error_msg":1,"message":"§"}`,
		`{"error":{"message":"a","err_msg":"§"}}`, `{"error":"§"}`, `{"status":"error","error_message":"§"}`, `<html>§`, "§\n§", `{"msg":"\u0074op-s3cret"}`, `{"error_msg":"§`,
	} {
		f.Add([]byte(seed))
	}
	const secret = "top-s3cret"
	f.Fuzz(func(t *testing.T, body []byte) {
		body = bytes.ReplaceAll(body, []byte("§"), []byte(secret))
		data, ok, err := open(body)
		var plain struct {
			Code any             `json:"code"`
			Data json.RawMessage `json:"data"`
		}
		decodes := json.Unmarshal(body, &plain) == nil
		if ok {
			if err != nil || !decodes || !bytes.Equal(data, plain.Data) {
				t.Fatalf("%q is a success: %v", body, err)
			}
			if text := fmt.Sprint(plain.Code); !strings.EqualFold(text, "ok") && text != "0" {
				t.Fatalf("%q is a success", body)
			}
		}
		if err != nil && !errors.Is(err, ErrProtocol) {
			t.Fatalf("%q: %v", body, err)
		}
		failure := &Failure{Op: "op", Status: 400}
		failure.describe(body, []string{secret})
		if len(failure.Body) > maxExcerpt {
			t.Fatalf("an excerpt of %d bytes", len(failure.Body))
		}
		for _, said := range []string{failure.Error(), failure.Message, failure.Code, failure.RequestID, string(failure.Body)} {
			if strings.Contains(said, secret) {
				t.Fatalf("%q shows the secret: %q", body, said)
			}
		}
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

package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/minapp-go/minapp/internal/answer"
	"github.com/minapp-go/minapp/internal/operation"
	"github.com/minapp-go/minapp/internal/redact"
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
		s := &script{steps: []step{answering(200, `{}`)}}
		var got string
		s.steps = []step{func(r *http.Request) (*http.Response, error) {
			got = r.URL.EscapedPath()
			return answering(200, `{}`)(r)
		}}
		_, err := newSender(t, s, "https://host").Do(t.Context(), read, Call{Path: []string{id}})
		assert.Equal(t, want, got, "id %q", id)
		if want == "" {
			require.ErrorIs(t, err, operation.ErrInvalid)
			assert.Contains(t, err.Error(), "id ", "the error names the argument")
			assert.Zero(t, s.calls)
		}
	}
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
		data, ok, err := answer.OpenEnvelope(body)
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
		if err != nil && !errors.Is(err, answer.ErrProtocol) {
			t.Fatalf("%q: %v", body, err)
		}
		failure := &Failure{Op: "op", Status: 400}
		failure.describe(body, []string{secret})
		if len(failure.Body) > redact.MaxExcerpt {
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
	s := &script{steps: []step{answering(200, `{}`)}}
	sender := newSender(t, s, "https://host")
	fits := strings.Repeat("x", operation.MaxURL-len("https://host/oserve/thing/1/?where="))
	_, err := sender.Do(t.Context(), read, Call{Path: []string{"1"}, Query: url.Values{"where": {fits}}})
	require.NoError(t, err)
	_, err = sender.Do(t.Context(), read, Call{Path: []string{"1"}, Query: url.Values{"where": {fits + "x"}}})
	require.ErrorIs(t, err, operation.ErrTooLong)
	assert.Contains(t, err.Error(), "16387 bytes")
	assert.Equal(t, 1, s.calls)
}

func TestCallHeadersDoNotLeakIntoTheNextCall(t *testing.T) {
	var seen []http.Header
	s := &script{steps: []step{func(r *http.Request) (*http.Response, error) {
		seen = append(seen, r.Header.Clone())
		return answering(200, `{}`)(r)
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

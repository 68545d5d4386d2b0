package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// maxExcerpt bounds the part of an answer that an error keeps, in bytes.
const maxExcerpt = 4 << 10

// redacted stands where a credential was.
const redacted = "[redacted]"

// Failure is a call that did not succeed.
type Failure struct { //nolint:errname // Error is the documented one, in the root package
	Op, Method, Path string
	Status           int // 0: no answer was received
	Code             string
	Message          string // the service's own text
	RequestID        string
	RetryAfter       time.Duration
	Attempts         int
	Body             []byte // excerpt without credentials
	Unknown          bool   // a write that may have happened
	Unsent           bool   // certainly nothing reached the service
	Ended            bool   // the caller's context ended the call
	Cut              bool   // the answer was no refusal, and only a part of it arrived
	Err              error  // nil when the status says it all
}

// Error names the operation and the cause; the root package has the full text.
func (f *Failure) Error() string {
	if f.Err != nil {
		return f.Op + ": " + f.Err.Error()
	}
	return f.Op + ": " + http.StatusText(f.Status) + " " + f.Message
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// errorBody is the union of the error bodies of both services: minapp's
// error_msg and its variants, MOI's envelope, its 422 without one, and its 400
// with only an error.
type errorBody struct {
	Status       json.RawMessage `json:"status"`
	ErrorMsg     string          `json:"error_msg"`
	Message      string          `json:"message"`
	ErrorMessage string          `json:"error_message"`
	Error        json.RawMessage `json:"error"`
	Code         json.RawMessage `json:"code"`
	Msg          string          `json:"msg"`
	Detail       json.RawMessage `json:"detail"` // a list of complaints, or a text
	RequestID    json.RawMessage `json:"request_id"`
}

type detail struct {
	Loc []any  `json:"loc"`
	Msg string `json:"msg"`
}

// describe fills in what an error body says. A body that is not JSON, such as
// the page of a gateway, is kept as an excerpt only.
func (f *Failure) describe(body []byte, secrets []string) {
	f.Body = excerpt(body, secrets)
	text := strings.TrimSpace(string(f.Body))
	if !strings.HasPrefix(text, "{") {
		if !strings.HasPrefix(text, "<") {
			f.Message = firstLine(text)
		}
		return
	}
	var e errorBody
	_ = json.Unmarshal(body, &e) // a member of another type costs none of the others
	clean := func(text string) string { return string(redact([]byte(text), secrets)) }
	f.Code = clean(scalar(e.Code))
	f.RequestID = clean(cmp.Or(scalar(e.RequestID), f.RequestID))
	f.Message = clean(e.message())
}

func (e *errorBody) message() string {
	for _, text := range []string{e.ErrorMsg, e.Message, e.ErrorMessage, e.Msg} {
		if text != "" {
			return text
		}
	}
	var details []detail
	if _ = json.Unmarshal(e.Detail, &details); len(details) > 0 {
		return details[0].String()
	}
	var nested struct {
		Message string `json:"message"`
		ErrMsg  string `json:"err_msg"`
	}
	if json.Unmarshal(e.Error, &nested) == nil && nested.Message+nested.ErrMsg != "" {
		return nested.Message + nested.ErrMsg
	}
	return cmp.Or(scalar(e.Error), scalar(e.Detail))
}

// String joins the place and the text of one complaint: "body.files: missing".
func (d detail) String() string {
	var parts []string
	for _, p := range d.Loc {
		if data, err := json.Marshal(p); err == nil {
			parts = append(parts, strings.Trim(string(data), `"`))
		}
	}
	return strings.Join(parts, ".") + ": " + d.Msg
}

// scalar is the text of a JSON string or number, and "" for anything else.
func scalar(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

// minSecret is the length from which on a text is taken for a secret. A shorter
// one, such as a cookie that is a flag, protects nothing and is in every message.
const minSecret = 6

// redact replaces secrets in every spelling that JSON allows for them.
func redact(text []byte, secrets []string) []byte {
	for _, secret := range secrets {
		if len(secret) < minSecret || len(text) < len(secret) {
			continue
		}
		var pattern strings.Builder
		for _, r := range secret {
			fmt.Fprintf(&pattern, `(?:\\?%s|(?i:\\u%04x))`, regexp.QuoteMeta(string(r)), r)
		}
		spelled, err := regexp.Compile(pattern.String())
		if err != nil { // too long to be looked for
			return []byte(redacted)
		}
		text = spelled.ReplaceAllLiteral(text, []byte(redacted))
	}
	return text
}

// excerpt is the beginning of a body without secrets. Only so much is searched
// that what follows cannot move into it.
func excerpt(body []byte, secrets []string) []byte {
	body = redact(body[:min(len(body), 16*maxExcerpt)], secrets)
	if len(body) <= maxExcerpt {
		return body
	}
	cut := body[:maxExcerpt:maxExcerpt]
	for len(cut) > 0 && !utf8.Valid(cut[len(cut)-min(utf8.UTFMax, len(cut)):]) && len(cut) > maxExcerpt-utf8.UTFMax {
		cut = cut[:len(cut)-1]
	}
	return cut
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	if len(line) > 200 {
		line = strings.ToValidUTF8(line[:200], "") + "…"
	}
	return line
}

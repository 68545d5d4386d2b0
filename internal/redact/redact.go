// Package redact keeps secrets, and queries, which can hold data, out of what a
// person may come to read: the texts of errors and excerpts of answers.
package redact

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// MaxExcerpt bounds the part of an answer that an error keeps, in bytes.
const MaxExcerpt = 4 << 10

// redacted stands where a credential was.
const redacted = "[redacted]"

// minSecret is the length from which on a text is taken for a secret. A shorter
// one, such as a cookie that is a flag, protects nothing and is in every message.
const minSecret = 6

// Text replaces secrets in every spelling that JSON allows for them.
func Text(text []byte, secrets []string) []byte {
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

// quietError is an error that says the same without secrets.
type quietError struct {
	text  string
	cause error
}

func (e *quietError) Error() string { return e.text }
func (e *quietError) Unwrap() error { return e.cause }

// Error keeps secrets out of the text of an error: a transport of the caller's
// may quote the request that it could not send.
func Error(err error, secrets []string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	said := string(Text([]byte(text), secrets))
	if said == text {
		return err
	}
	return &quietError{said, err}
}

// Excerpt is the beginning of a body without secrets. Only so much is searched
// that what follows cannot move into it.
func Excerpt(body []byte, secrets []string) []byte {
	body = Text(body[:min(len(body), 16*MaxExcerpt)], secrets)
	if len(body) <= MaxExcerpt {
		return body
	}
	cut := body[:MaxExcerpt:MaxExcerpt]
	for len(cut) > 0 && !utf8.Valid(cut[len(cut)-min(utf8.UTFMax, len(cut)):]) && len(cut) > MaxExcerpt-utf8.UTFMax {
		cut = cut[:len(cut)-1]
	}
	return cut
}

// URL drops the URL that net/http and net/url put in front of a cause:
// its query can hold data.
func URL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

package minapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/minapp-go/minapp/internal/api"
)

// TokenSource gives the access token for each call of the open API. It must be
// safe for concurrent use. Its error is that of the call, which was not sent.
// Nothing is refreshed behind its back: refreshing invalidates every earlier
// token (open-api/authentication.md).
type TokenSource interface {
	Token(ctx context.Context) (string, error)
}

// credential signs the requests of one surface. It holds its secrets behind a
// function or a pointer: package fmt, which walks into unexported fields and
// asks them for no String, prints an address there.
type credential struct {
	surface string
	set     func(ctx context.Context, s *api.Sender, h http.Header) (secrets []string, err error)
	signIn  *signIn // of client credentials
}

func tokenCredential(source TokenSource) *credential {
	return &credential{surface: "oserve", set: func(ctx context.Context, _ *api.Sender, h http.Header) ([]string, error) {
		token, err := source.Token(ctx)
		if err != nil {
			return nil, fmt.Errorf("token source: %w", err)
		}
		return bearer(h, token)
	}}
}

// bearer sets an access token.
func bearer(h http.Header, token string) (secrets []string, err error) {
	if err := checkToken(token); err != nil {
		return nil, err
	}
	h.Set("Authorization", "Bearer "+token)
	return []string{token}, nil
}

func sessionCredential(cookies []*http.Cookie) *credential {
	var pairs, secrets []string
	for _, c := range cookies {
		pairs = append(pairs, c.Name+"="+c.Value)
		secrets = append(secrets, c.Value)
	}
	line := strings.Join(pairs, "; ")
	return &credential{surface: "userve", set: func(_ context.Context, _ *api.Sender, h http.Header) ([]string, error) {
		h.Set("Cookie", line)
		return secrets, nil
	}}
}

// staticToken is a token that never changes.
type staticToken string

func (t staticToken) Token(context.Context) (string, error) { return string(t), nil }

// moiCredential is that of MatrixOne Intelligence.
func moiCredential(key string) *credential {
	return &credential{set: func(_ context.Context, _ *api.Sender, h http.Header) ([]string, error) {
		h.Set("moi-key", key)
		return []string{key}, nil
	}}
}

// checkToken also refuses a whole header, as one copies it from a curl sample.
func checkToken(token string) error {
	if scheme, _, found := strings.Cut(token, " "); found && strings.EqualFold(scheme, "Bearer") {
		return fmt.Errorf("%w: access token begins with %q, which is added to it", ErrInvalid, scheme)
	}
	return checkSecret("access token", token)
}

// checkSecret refuses what cannot stand in a header, without showing it.
func checkSecret(name, value string) error {
	switch {
	case strings.TrimSpace(value) == "":
		return fmt.Errorf("%w: %s is blank", ErrInvalid, name)
	case strings.TrimSpace(value) != value:
		return fmt.Errorf("%w: %s begins or ends with white space", ErrInvalid, name)
	case strings.ContainsFunc(value, isControl):
		return fmt.Errorf("%w: %s has a line break or another control character", ErrInvalid, name)
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func checkCookies(cookies []*http.Cookie) error {
	if len(cookies) == 0 {
		return fmt.Errorf("%w: no session cookie given", ErrInvalid)
	}
	var errs []error
	for i, c := range cookies {
		if c == nil {
			errs = append(errs, fmt.Errorf("%w: session cookie %d is nil", ErrInvalid, i))
			continue
		}
		if c.Valid() != nil { // its text would show the value
			errs = append(errs, fmt.Errorf("%w: session cookie %d is not a valid cookie", ErrInvalid, i))
		}
	}
	return errors.Join(errs...)
}

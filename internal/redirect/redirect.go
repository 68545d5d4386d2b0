// Package redirect follows redirects where a client of net/http would carry too
// much along: every hop is a request of its own, made by what calls this.
package redirect

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
)

// Max bounds the ways that are followed: that of the code step, where two
// redirects are documented, and that of a download.
const Max = 5

// Is reports a status that names another address.
func Is(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// Target is the address that an answer names. It never leaves https.
func Target(req *http.Request, resp *http.Response) (*url.URL, error) {
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, errors.New("it names no address")
	}
	target, err := req.URL.Parse(location)
	switch {
	case err != nil:
		return nil, errors.New("its address cannot be parsed")
	case target.Scheme != "https" && target.Scheme != req.URL.Scheme:
		return nil, fmt.Errorf("from %s to %q", req.URL.Scheme, target.Scheme)
	}
	return target, nil
}

// Way is where the redirects of one request lead.
type Way struct {
	Cookies []string // that were carried: secrets
	Refused error    // why the redirect at its end was not followed; nil if that is none
}

// Follow goes where the answers of the code step point to, and returns the last
// of them; send makes one request. Each hop is a GET with the cookies that the
// answers before it set, in a jar that ends with the way, and with nothing of
// the request but its user agent: the client secret stays at the address that
// it was meant for. A redirect that is not followed is the last answer.
func (w *Way) Follow(send func(*http.Request) (*http.Response, error), req *http.Request, resp *http.Response) (*http.Response, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	for hop := 0; Is(resp.StatusCode); hop++ {
		next, err := nextHop(req, resp, hop)
		if err != nil {
			w.Refused = fmt.Errorf("redirect refused: %w", err)
			return resp, nil
		}
		jar.SetCookies(req.URL, resp.Cookies())
		for _, cookie := range jar.Cookies(next.URL) {
			next.AddCookie(cookie)
			w.Cookies = append(w.Cookies, cookie.Value)
		}
		discard(resp.Body)
		if resp, err = send(next); err != nil {
			return nil, err
		}
		req = next
	}
	return resp, nil
}

// nextHop is the request that an answer asks for.
func nextHop(req *http.Request, resp *http.Response, hop int) (*http.Request, error) {
	switch {
	case resp.StatusCode >= 307:
		return nil, errors.New("it would post the client secret to another address")
	case hop == Max:
		return nil, fmt.Errorf("more than %d in a row", Max)
	}
	target, err := Target(req, resp)
	if err != nil {
		return nil, err
	}
	next, err := http.NewRequestWithContext(req.Context(), http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, errors.New("its address cannot be requested")
	}
	next.Header["User-Agent"] = req.Header["User-Agent"]
	return next, nil
}

// discard reads the rest of a short body, so that its connection is used again.
func discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 4<<10)
	body.Close()
}

package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
)

// maxRedirects bounds the ways that are followed: that of the code step, where
// two redirects are documented, and that of a download.
const maxRedirects = 5

// follow goes where the answers of the code step point to. Each hop is a GET
// with the cookies that the answers before it set, in a jar that ends with the
// attempt, and with nothing of the request but its user agent: the client
// secret stays at the address that it was meant for. A redirect that is not
// followed is the answer.
func (x *exchange) follow(a *attempt, req *http.Request, resp *http.Response) (*http.Response, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	for hop := 0; isRedirect(resp.StatusCode); hop++ {
		next, err := nextHop(req, resp, hop)
		if err != nil {
			a.redirect = fmt.Errorf("redirect refused: %w", err)
			return resp, nil
		}
		jar.SetCookies(req.URL, resp.Cookies())
		for _, cookie := range jar.Cookies(next.URL) {
			next.AddCookie(cookie)
			x.secrets = append(x.secrets, cookie.Value)
		}
		discard(resp.Body)
		x.sender.Requests.Add(1)
		if resp, err = x.transport(next); err != nil {
			return nil, err
		}
		req = next
	}
	return resp, nil
}

func isRedirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// nextHop is the request that an answer asks for.
func nextHop(req *http.Request, resp *http.Response, hop int) (*http.Request, error) {
	location := resp.Header.Get("Location")
	switch {
	case resp.StatusCode >= 307:
		return nil, errors.New("it would post the client secret to another address")
	case hop == maxRedirects:
		return nil, fmt.Errorf("more than %d in a row", maxRedirects)
	case location == "":
		return nil, errors.New("it names no address")
	}
	target, err := req.URL.Parse(location)
	switch {
	case err != nil:
		return nil, errors.New("its address cannot be parsed")
	case target.Scheme != "https" && target.Scheme != req.URL.Scheme:
		return nil, fmt.Errorf("from %s to %q", req.URL.Scheme, target.Scheme)
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

// Package download brings one file to where it is wanted, in as many answers as
// that takes: which bytes to ask for, whether what comes is the rest of the same
// file, and when it is whole. What repeats the requests is package api.
package download

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/minapp-go/minapp/internal/answer"
	"github.com/minapp-go/minapp/internal/redact"
	"github.com/minapp-go/minapp/internal/redirect"
)

// Target takes the bytes of a download in their order.
type Target interface {
	io.Writer
	// Have says how many bytes of the file an earlier download has left there,
	// and of which version of it.
	Have() (int64, Version)
	// Start says which file comes, and from which byte: 0, or as many as the
	// target has. What it has beyond that is to be forgotten.
	Start(v Version, offset int64) error
}

// File is a download on its way: what its target has, and what is missing.
type File struct {
	target  Target
	allowed func(*url.URL) bool
	version Version
	have    int64 // bytes of version that the target has
	most    int64 // that it ever had

	Grown   bool // the last answer brought the target further than ever
	Stopped bool // by the target
}

// New is a download that goes on after the bytes that the target has. It
// follows redirects to the addresses that are allowed.
func New(target Target, allowed func(*url.URL) bool) *File {
	have, of := target.Have()
	return &File{target: target, allowed: allowed, version: of, have: have, most: have}
}

// Fetch asks for what is missing. It follows redirects, and asks for the whole
// file when what it gets does not fit what the target has; send makes one
// request.
func (f *File) Fetch(send func(*http.Request) (*http.Response, error), req *http.Request) (*http.Response, error) {
	for hop := 0; ; hop++ {
		req = req.Clone(req.Context())
		f.setRange(req.Header)
		resp, err := send(req)
		if err != nil {
			return nil, redact.Error(err, []string{req.URL.RawQuery})
		}
		next := f.next(req, resp)
		if next == nil || hop == redirect.Max {
			resp.Header.Del("Location") // net/http would print one that it cannot parse
			return resp, nil
		}
		resp.Body.Close()
		req = next
	}
}

func (f *File) setRange(h http.Header) {
	h.Del("Range")
	h.Del("If-Range")
	if f.version.anything() {
		f.have = 0 // nothing would tell whether the rest belongs to it
	}
	if f.have == 0 {
		return
	}
	h.Set("Range", "bytes="+strconv.FormatInt(f.have, 10)+"-")
	switch { // a weak tag promises no equal bytes
	case f.version.ETag != "" && !strings.HasPrefix(f.version.ETag, "W/"):
		h.Set("If-Range", f.version.ETag)
	case f.version.Modified != "":
		h.Set("If-Range", f.version.Modified)
	}
}

// next is the request that must follow an answer, nil if none.
func (f *File) next(req *http.Request, resp *http.Response) *http.Request {
	switch status := resp.StatusCode; {
	case redirect.Is(status):
		to, err := redirect.Target(req, resp)
		if err != nil || to.Host == "" || !f.allowed(to) {
			return nil
		}
		next := req.Clone(req.Context())
		next.URL, next.Host = to, ""
		return next
	case f.have > 0 && (status == http.StatusPartialContent && !f.fits(resp) || status == http.StatusRequestedRangeNotSatisfiable):
		f.have = 0
		return req
	}
	return nil
}

// fits reports whether a partial answer is the rest of the same file.
func (f *File) fits(resp *http.Response) bool {
	start, _, ok := contentRange(resp.Header)
	return ok && start == f.have && f.version.same(versionOf(resp))
}

// Take hands the body of an answer on as it comes. That of a refusal is not
// kept: it can repeat the signature.
func (f *File) Take(resp *http.Response) (read int64, err error) {
	defer resp.Body.Close()
	f.Grown = false
	if resp.StatusCode >= 300 {
		return 0, nil
	}
	read, err = f.write(resp)
	if f.have > f.most {
		f.most, f.Grown = f.have, true
	}
	return read, err
}

// write writes the body to the target.
func (f *File) write(resp *http.Response) (read int64, err error) {
	switch resp.StatusCode {
	case http.StatusOK:
		f.have, f.version = 0, versionOf(resp)
	case http.StatusPartialContent:
		if f.have == 0 {
			return 0, fmt.Errorf("%w: a part of the file, and not asked for", answer.ErrProtocol)
		}
		f.version.Size = max(f.version.Size, versionOf(resp).Size) // the first answer may not have told it
	default:
		return 0, fmt.Errorf("%w: status %d instead of a file", answer.ErrProtocol, resp.StatusCode)
	}
	if err := f.target.Start(f.version, f.have); err != nil {
		f.Stopped = true
		return 0, err
	}
	buffer := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buffer)
		if _, failed := f.target.Write(buffer[:n]); failed != nil {
			f.Stopped = true
			return read, failed
		}
		read, f.have = read+int64(n), f.have+int64(n)
		if errors.Is(err, io.EOF) {
			return read, f.complete()
		}
		if err != nil {
			return read, err
		}
	}
}

func (f *File) complete() error {
	if f.version.Size >= 0 && f.have != f.version.Size {
		return fmt.Errorf("%w: %d of %d bytes", answer.ErrCut, f.have, f.version.Size)
	}
	return nil
}

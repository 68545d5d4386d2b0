package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// errCut is an answer of which only a part arrived.
var errCut = errors.New("the answer was cut")

// verdict says what one attempt means for the call.
type verdict int

const (
	unsent    verdict = iota // certainly nothing reached the service
	done                     // success
	refused                  // the service said no: nothing happened, and repeating changes nothing
	throttled                // the service said later: nothing happened
	hopeless                 // nothing reached the service, and nothing will: unknown host, certificate
	uncertain                // it may have happened; another attempt may succeed
	broken                   // it may have happened; another attempt would end the same way
)

// attempt is one request that was given to the transport, and what is known of
// it. Its tracer, which runs on other goroutines and may be late, writes into it
// and no other.
type attempt struct {
	trace      httptrace.ClientTrace
	connecting atomic.Bool // the transport asked for a connection…
	connected  atomic.Bool // …and got one
	status     int         // 0: no answer
	header     http.Header
	body       []byte
	retryAfter time.Duration
	redirect   error // why a redirect counts as a refusal
	err        error // of the network, of reading the body, or of the answer's form
	verdict    verdict
}

// neverSent needs positive evidence: a transport that reports nothing proves
// nothing, and with HTTP/2 a header can be on its way before it is reported.
func (a *attempt) neverSent() bool {
	return a.connecting.Load() && !a.connected.Load()
}

// judge reads the attempt by the rules of its operation. For an answer of MOI
// it unwraps the envelope into a.body.
func (a *attempt) judge(ctx context.Context, op Operation) verdict {
	switch {
	case a.status == 0:
		return a.judgeError(ctx)
	case a.status == http.StatusTooManyRequests:
		return throttled
	case a.status >= 300 && a.status < 500:
		a.err = nil // a refusal stays one even if its text was cut
		if a.status < 400 {
			a.err = a.redirect
		}
		return refused
	case a.status == 500, a.status == 502, a.status == 503, a.status == 504:
		a.err = nil
		return uncertain
	case a.status >= 500:
		a.err = nil
		return broken
	case a.status < 200:
		a.err = ErrProtocol
		return broken
	}
	return a.judgeBody(op)
}

var errRedirect = errors.New("redirect refused: it could carry credentials to another host or turn a write into a read")

func (a *attempt) judgeError(ctx context.Context) verdict {
	switch {
	case !a.neverSent() && ctx.Err() != nil:
		return broken
	case !a.neverSent():
		return uncertain
	case ctx.Err() != nil, isFinal(a.err):
		return hopeless
	}
	return unsent
}

// judgeBody checks the answer of a 2xx.
func (a *attempt) judgeBody(op Operation) verdict {
	switch {
	case op.Answer == None && len(bytes.TrimSpace(a.body)) == 0 && !errors.Is(a.err, ErrTooLarge):
		a.err = nil
		return done
	case a.err == nil && op.Answer != Any:
		a.err = readable(a.body)
	}
	if a.err == nil && op.Service == MOI {
		return a.judgeEnvelope()
	}
	switch {
	case a.err == nil:
		return done
	case errors.Is(a.err, ErrProtocol):
		return broken
	}
	return uncertain
}

func (a *attempt) judgeEnvelope() verdict {
	data, ok, err := open(a.body)
	switch {
	case err != nil:
		a.err = err
		return broken
	case !ok:
		return refused
	}
	a.body = data
	return done
}

// isFinal reports errors of connecting that another attempt cannot mend.
func isFinal(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	return verification || authority || hostname || invalid || notTLS
}

// readBody reads an answer up to a limit into a buffer of its own.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	defer resp.Body.Close()
	if resp.ContentLength > limit {
		return nil, ErrTooLarge
	}
	if n := resp.ContentLength; n >= 0 {
		body := make([]byte, n)
		read, err := io.ReadFull(resp.Body, body)
		return body[:read], err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if int64(len(body)) > limit {
		return body[:limit], ErrTooLarge
	}
	return body, err
}

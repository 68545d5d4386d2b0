package attempt_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptrace"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/minapp-go/minapp/internal/answer"
	"github.com/minapp-go/minapp/internal/attempt"
	"github.com/minapp-go/minapp/internal/operation"
)

var (
	reading  = operation.Operation{}
	deleting = operation.Operation{Answer: operation.None}
)

// What an answer means, and what of its error stays: a refusal is one also when
// its text was cut, and says nothing of the cut.
func TestVerdictOnAnAnswer(t *testing.T) {
	refused := errors.New("its address cannot be parsed")
	for _, tt := range []struct {
		name    string
		op      operation.Operation
		attempt *attempt.Attempt
		want    attempt.Verdict
		err     error // nil is none
	}{
		{"a status before the answer", reading, &attempt.Attempt{Status: 199, Body: []byte(`{}`)}, attempt.Broken, answer.ErrProtocol},
		{"the first redirect", reading, &attempt.Attempt{Status: 300}, attempt.Refused, attempt.ErrRedirect},
		{"the last redirect", reading, &attempt.Attempt{Status: 399}, attempt.Refused, attempt.ErrRedirect},
		{"a redirect that cannot be followed", reading, &attempt.Attempt{Status: 302, Refused: refused}, attempt.Refused, refused},
		{"the first refusal", reading, &attempt.Attempt{Status: 400}, attempt.Refused, nil},
		{"the last refusal", reading, &attempt.Attempt{Status: 499}, attempt.Refused, nil},
		{"a refusal that was cut", reading, &attempt.Attempt{Status: 400, Err: io.ErrUnexpectedEOF}, attempt.Refused, nil},
		{"too many that was cut", reading, &attempt.Attempt{Status: 429, Err: io.ErrUnexpectedEOF}, attempt.Throttled, io.ErrUnexpectedEOF},
		{"an error of the service that was cut", reading, &attempt.Attempt{Status: 500, Err: io.ErrUnexpectedEOF}, attempt.Uncertain, nil},
		{"a gateway that was cut", reading, &attempt.Attempt{Status: 504, Err: io.ErrUnexpectedEOF}, attempt.Uncertain, nil},
		{"not implemented, cut", reading, &attempt.Attempt{Status: 501, Err: io.ErrUnexpectedEOF}, attempt.Broken, nil},
		{"a status that nobody knows, cut", reading, &attempt.Attempt{Status: 599, Err: io.ErrUnexpectedEOF}, attempt.Broken, nil},
		{"a delete whose empty answer was cut", deleting, &attempt.Attempt{Status: 200, Err: io.ErrUnexpectedEOF}, attempt.Done, nil},
		{"a delete whose answer is too large", deleting, &attempt.Attempt{Status: 200, Err: answer.ErrTooLarge}, attempt.Broken, answer.ErrTooLarge},
		{"a delete with half an answer", deleting, &attempt.Attempt{Status: 200, Body: []byte(`{`), Err: io.ErrUnexpectedEOF}, attempt.Uncertain, io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.attempt.Judge(t.Context(), tt.op)
			assert.Equal(t, tt.want, tt.attempt.Verdict)
			if tt.err == nil {
				assert.NoError(t, tt.attempt.Err)
			} else {
				assert.ErrorIs(t, tt.attempt.Err, tt.err)
			}
		})
	}
}

// Without an answer the verdict hangs on the connection, on the caller's context
// and, before the connection, on whether another attempt can get one.
func TestVerdictWithoutAnAnswer(t *testing.T) {
	reset := errors.New("connection reset")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name      string
		ctx       context.Context
		asked     bool // for a connection
		connected bool
		err       error
		want      attempt.Verdict
	}{
		{"not connected", t.Context(), true, false, reset, attempt.Unsent},
		{"connected", t.Context(), true, true, reset, attempt.Uncertain},
		{"no evidence", t.Context(), false, false, reset, attempt.Uncertain},
		{"ended before it was connected", ended, true, false, context.Canceled, attempt.Hopeless},
		{"ended when it was connected", ended, true, true, context.Canceled, attempt.Broken},
		{"ended without evidence", ended, false, false, context.Canceled, attempt.Broken},
		{"the host is unknown", t.Context(), true, false, &net.DNSError{IsNotFound: true}, attempt.Hopeless},
		{"the name server is away", t.Context(), true, false, &net.DNSError{IsTimeout: true}, attempt.Unsent},
		{"the certificate is not believed", t.Context(), true, false, &tls.CertificateVerificationError{Err: reset}, attempt.Hopeless},
		{"an unknown authority", t.Context(), true, false, x509.UnknownAuthorityError{}, attempt.Hopeless},
		{"the certificate is of another host", t.Context(), true, false, x509.HostnameError{Certificate: new(x509.Certificate)}, attempt.Hopeless},
		{"the certificate is over", t.Context(), true, false, x509.CertificateInvalidError{Reason: x509.Expired}, attempt.Hopeless},
		{"no TLS at all", t.Context(), true, false, tls.RecordHeaderError{Msg: "no TLS"}, attempt.Hopeless},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &attempt.Attempt{Err: fmt.Errorf("dial: %w", tt.err)}
			trace := httptrace.ContextClientTrace(a.Trace(t.Context()))
			if tt.asked {
				trace.GetConn("host:443")
			}
			if tt.connected {
				trace.GotConn(httptrace.GotConnInfo{})
			}
			a.Judge(tt.ctx, reading)
			assert.Equal(t, tt.want, a.Verdict)
			assert.ErrorIs(t, a.Err, tt.err, "the cause is told")
		})
	}
}

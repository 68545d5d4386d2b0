// Package service gives the examples a service to talk to: the real one if the
// environment has credentials, else the emulator inside this process.
package service

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

// token is that of the emulator.
const token = "the-emulators-token"

// Service is what an example talks to.
type Service struct {
	*minapp.Client
	Emulated bool
	emulator *minapptest.Server
}

// Open reads MINAPP_TOKEN, and MINAPP_BASE_URL for a proxy or an emulator that
// runs elsewhere. Without a token the emulator is started, and said so.
func Open(opts ...minapp.Option) (*Service, error) {
	if real := os.Getenv("MINAPP_TOKEN"); real != "" {
		if base := os.Getenv("MINAPP_BASE_URL"); base != "" {
			opts = append(opts, minapp.WithBaseURL(base))
		}
		client, err := minapp.NewClient(append(opts, minapp.WithToken(real))...)
		return &Service{Client: client}, err
	}
	fmt.Println("MINAPP_TOKEN is not set: using the emulator inside this process.")
	emulator := minapptest.New(
		minapptest.WithToken(token),
		minapptest.WithLimits(minapptest.Limits{BulkDelay: time.Second}), // so that there is something to wait for
	)
	client, err := minapp.NewClient(append(opts, emulator.Options()...)...)
	return &Service{Client: client, Emulated: true, emulator: emulator}, err
}

// Serve puts the emulator onto a port of this machine and returns the
// environment with which another process reaches it through [Open].
func (s *Service) Serve() (env []string, err error) {
	base, err := s.emulator.Listen("127.0.0.1:0")
	return []string{"MINAPP_TOKEN=" + token, "MINAPP_BASE_URL=" + base}, err
}

// Close stops the emulator, if there is one.
func (s *Service) Close() {
	if s.emulator != nil {
		_ = s.emulator.Close() // the program ends anyway
	}
}

// Transport reaches the service, for a client that looks at what passes.
func (s *Service) Transport() http.RoundTripper {
	if s.emulator != nil {
		return s.emulator.Client().Transport
	}
	return http.DefaultTransport
}

// TableFromEnv reads the id of an existing table.
func TableFromEnv(name string) (minapp.TableID, error) {
	id, err := strconv.ParseInt(os.Getenv(name), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s must hold the id of a table: %q is none", name, os.Getenv(name))
	}
	return minapp.TableID(id), nil
}

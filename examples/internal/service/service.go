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

// Service is what an example talks to.
type Service struct {
	*minapp.Client
	Emulated bool
	emulator *minapptest.Server
}

// Open reads MINAPP_TOKEN, and MINAPP_BASE_URL for a proxy or an emulator that
// runs elsewhere. Without a token the emulator is started, and said so.
func Open(opts ...minapp.Option) (*Service, error) {
	if token := os.Getenv("MINAPP_TOKEN"); token != "" {
		if base := os.Getenv("MINAPP_BASE_URL"); base != "" {
			opts = append(opts, minapp.WithBaseURL(base))
		}
		client, err := minapp.NewClient(append(opts, minapp.WithToken(token))...)
		return &Service{Client: client}, err
	}
	fmt.Println("MINAPP_TOKEN is not set: using the emulator inside this process.")
	emulator := minapptest.New(
		minapptest.WithToken("the-emulators-token"),
		minapptest.WithLimits(minapptest.Limits{BulkDelay: time.Second}), // so that there is something to wait for
	)
	client, err := minapp.NewClient(append(opts, emulator.Options()...)...)
	return &Service{Client: client, Emulated: true, emulator: emulator}, err
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

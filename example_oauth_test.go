package minapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

// officeFor is a service inside the process that knows one application.
func officeFor(id, secret string) (server *minapptest.Server, closeOffice func()) {
	server = minapptest.New(minapptest.WithClientCredentials(id, secret))
	if _, err := server.CreateTable(minapptest.Table{ID: 3906, Name: "book"}); err != nil {
		log.Fatal(err)
	}
	return server, func() { _ = server.Close() }
}

// tokenFile keeps a token in a file that only its owner can read.
type tokenFile string

func (f tokenFile) Load(context.Context) (minapp.Token, error) {
	var token minapp.Token
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return token, nil
	}
	if err != nil {
		return token, err
	}
	return token, json.Unmarshal(data, &token)
}

func (f tokenFile) Save(_ context.Context, token minapp.Token) error {
	data, err := json.Marshal(token)
	if err != nil {
		return err
	}
	return os.WriteFile(string(f), data, 0o600)
}

func ExampleWithClientCredentials() {
	server, closeOffice := officeFor("client id", "client secret")
	defer closeOffice()

	client, err := minapp.NewClient(
		minapp.WithBaseURL(server.URL()), minapp.WithHTTPClient(server.Client()), // the emulator instead of the service
		minapp.WithClientCredentials("client id", "client secret"),
	)
	if err != nil {
		log.Fatal(err)
	}
	book, err := client.Tables.FindByName(context.Background(), "book") // signs in first
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("table", book.ID)
	// Output: table 3906
}

// The second program finds the token that the first one has left.
func ExampleWithTokenStore() {
	server, closeOffice := officeFor("client id", "client secret")
	defer closeOffice()
	dir, err := os.MkdirTemp("", "token")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	for range 2 {
		client, err := minapp.NewClient(
			minapp.WithBaseURL(server.URL()), minapp.WithHTTPClient(server.Client()),
			minapp.WithClientCredentials("client id", "client secret"),
			minapp.WithTokenStore(tokenFile(filepath.Join(dir, "token.json"))),
		)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := client.Tables.Get(context.Background(), 3906); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(server.Count("tables.get"), "calls,", server.Count("oauth.token"), "sign-in")
	// Output: 2 calls, 1 sign-in
}

// Refreshing ends every token that the application has, wherever it is in use.
func ExampleClient_RefreshToken() {
	server, closeOffice := officeFor("client id", "client secret")
	defer closeOffice()
	ctx := context.Background()
	client, err := minapp.NewClient(server.Options()...)
	if err != nil {
		log.Fatal(err)
	}
	elsewhere, err := minapp.NewClient(server.Options()...)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := elsewhere.Tables.Get(ctx, 3906); err != nil {
		log.Fatal(err)
	}

	if _, err := client.RefreshToken(ctx); err != nil {
		log.Fatal(err)
	}
	_, err = client.Tables.Get(ctx, 3906)
	fmt.Println("here:", err)
	_, err = elsewhere.Tables.Get(ctx, 3906)
	fmt.Println("elsewhere:", errors.Is(err, minapp.ErrUnauthorized))
	// Output:
	// here: <nil>
	// elsewhere: true
}

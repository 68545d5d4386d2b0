// Oauth signs in with the client credentials of an application and keeps the
// token in a file, so that the next run need not sign in again; then it shows
// what a refresh does.
//
// Without credentials it signs in to the emulator inside this process. With
// MINAPP_CLIENT_ID and MINAPP_CLIENT_SECRET it signs in to the service, keeps
// the token in the file that -token names, and refreshes only with -refresh: a
// refresh invalidates every token that the application was given before.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/minapp-go/minapp"
	"github.com/minapp-go/minapp/minapptest"
)

func main() {
	file := flag.String("token", "", "`file` that keeps the token; by default one in the user's configuration directory")
	refresh := flag.Bool("refresh", false, "refresh the token, which INVALIDATES every earlier one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *file, *refresh); err != nil {
		fmt.Fprintln(os.Stderr, "oauth:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string, refresh bool) error {
	id, secret := os.Getenv("MINAPP_CLIENT_ID"), os.Getenv("MINAPP_CLIENT_SECRET")
	if id == "" || secret == "" {
		fmt.Println("MINAPP_CLIENT_ID and MINAPP_CLIENT_SECRET are not set: using the emulator inside this process.")
		return rehearse(ctx)
	}
	if file == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return err
		}
		file = filepath.Join(dir, "minapp", "token.json")
	}
	opts := []minapp.Option{minapp.WithClientCredentials(id, secret)}
	if base := os.Getenv("MINAPP_BASE_URL"); base != "" {
		opts = append(opts, minapp.WithBaseURL(base))
	}
	client, err := open(ctx, FileStore(file), opts...)
	if err != nil {
		return err
	}
	if refresh {
		return renew(ctx, client)
	}
	fmt.Println("Run it again: the token is in", file)
	return nil
}

// rehearse makes the runs of a program that follow each other, on the emulator.
func rehearse(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "minapp-oauth")
	if err != nil {
		return err
	}
	store := FileStore(filepath.Join(dir, "token.json"))
	emulator := minapptest.New(minapptest.WithClientCredentials("client id", "client secret"))
	defer func() { err = errors.Join(err, emulator.Close(), os.RemoveAll(dir)) }()
	signIns := func() { fmt.Printf("  sign-ins so far: %d\n", emulator.Count("oauth.token")) }

	fmt.Println("First run: there is no token yet.")
	if _, err := open(ctx, store, emulator.Options()...); err != nil {
		return err
	}
	signIns()

	fmt.Println("Second run: the token is in the file.")
	client, err := open(ctx, store, emulator.Options()...)
	if err != nil {
		return err
	}
	signIns()

	fmt.Println("Another machine signs in by itself, with a token of its own.")
	elsewhere, err := open(ctx, FileStore(filepath.Join(dir, "elsewhere.json")), emulator.Options()...)
	if err != nil {
		return err
	}
	signIns()

	fmt.Println("A refresh here ends the token of the other machine as well.")
	if err := renew(ctx, client); err != nil {
		return err
	}
	_, err = elsewhere.Tables.Page(ctx, minapp.TableQuery{})
	fmt.Println("  there:", err)
	if !errors.Is(err, minapp.ErrUnauthorized) {
		return fmt.Errorf("the other machine should be unauthorized, and got: %w", err)
	}
	return nil
}

// open makes a client and a first call, which signs in if it has to.
func open(ctx context.Context, store FileStore, opts ...minapp.Option) (*minapp.Client, error) {
	client, err := minapp.NewClient(append(opts, minapp.WithTokenStore(store))...)
	if err != nil {
		return nil, err
	}
	return client, look(ctx, client, store)
}

func look(ctx context.Context, client *minapp.Client, store FileStore) error {
	if _, err := client.Tables.Page(ctx, minapp.TableQuery{PageSize: 1}); err != nil {
		return err
	}
	token, err := store.Load(ctx)
	if err != nil {
		return err
	}
	fmt.Println("  a call went through; the file has", token)
	return nil
}

// renew refreshes the token. What it returns prints without its secrets.
func renew(ctx context.Context, client *minapp.Client) error {
	token, err := client.RefreshToken(ctx)
	if errors.Is(err, minapp.ErrOutcomeUnknown) {
		return fmt.Errorf("whether the earlier tokens still work is not known: %w", err)
	}
	if err != nil {
		return err
	}
	fmt.Println("  refreshed:", token)
	_, err = client.Tables.Page(ctx, minapp.TableQuery{PageSize: 1})
	fmt.Println("  here:", okOr(err))
	return err
}

func okOr(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}

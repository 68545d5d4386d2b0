package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/minapp-go/minapp"
)

func TestTokensSurviveAndStayPrivate(t *testing.T) {
	store := FileStore(filepath.Join(t.TempDir(), "deep", "token.json"))
	if token, err := store.Load(t.Context()); err != nil || token != (minapp.Token{}) {
		t.Fatalf("no file is no token: %v, %v", token, err)
	}
	for _, want := range []minapp.Token{
		{AccessToken: "a", RefreshToken: "r", ExpiresAt: time.Unix(1_700_000_000, 0).UTC()},
		{AccessToken: "b"},
		{},
	} {
		if err := store.Save(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got, err := store.Load(t.Context()); err != nil || got != want {
			t.Errorf("saved %+v, loaded something else (%v)", want, err)
		}
	}
	info, err := os.Stat(string(store))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode != 0o600 {
		t.Errorf("the file has mode %o", mode)
	}
	if files, _ := os.ReadDir(filepath.Dir(string(store))); len(files) != 1 {
		t.Errorf("files are left behind: %v", files)
	}
}

func TestAFileThatIsNoTokenIsNotShown(t *testing.T) {
	store := FileStore(filepath.Join(t.TempDir(), "token.json"))
	if err := os.WriteFile(string(store), []byte(`{"access_token": 5, "refresh_token": "s3cret`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := store.Load(t.Context())
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

func TestAFileThatOthersCanReadIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such permissions")
	}
	store := FileStore(filepath.Join(t.TempDir(), "token.json"))
	if err := store.Save(t.Context(), minapp.Token{AccessToken: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(string(store), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("got %v", err)
	}
}

func TestTheExampleRuns(t *testing.T) {
	t.Setenv("MINAPP_CLIENT_ID", "")
	if err := run(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
}

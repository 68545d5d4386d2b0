package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/minapp-go/minapp"
)

// FileStore keeps a token in a file that only its owner can read. It is a
// minapp.TokenStore to copy.
type FileStore string

// Load returns the token of the file, and the zero Token if there is none.
func (s FileStore) Load(context.Context) (minapp.Token, error) {
	info, err := os.Stat(string(s))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return minapp.Token{}, nil
	case err != nil:
		return minapp.Token{}, err
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return minapp.Token{}, fmt.Errorf("%s can be read by others: chmod 600 it, or delete it and refresh the token", s)
	}
	data, err := os.ReadFile(string(s))
	if err != nil {
		return minapp.Token{}, err
	}
	var token minapp.Token
	if json.Unmarshal(data, &token) != nil { // whose error could show a part of it
		return minapp.Token{}, fmt.Errorf("%s does not hold a token", s)
	}
	return token, nil
}

// Save replaces the file as a whole: whoever reads it finds the old token or the
// new one, also after a crash.
func (s FileStore) Save(_ context.Context, token minapp.Token) (err error) {
	data, err := json.Marshal(token)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(string(s)), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(string(s)), ".token-*") // with permissions 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), string(s))
}

package download

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/minapp-go/minapp/internal/wholefile"
)

// Partial is a target on disk: a file that is being downloaded, beside the one
// that it is to become, and beside it which version its bytes belong to.
type Partial struct {
	path    string // of the file that it is to become
	file    *os.File
	version Version // of the bytes that are there
	size    int64
}

// OpenPartial opens what an earlier download of the same to the same path has
// left, or an empty file. What it is called is up to the service: only a hash
// of that is in the path.
func OpenPartial(path, what string) (*Partial, error) {
	hash := sha256.Sum256([]byte(what))
	file, err := os.OpenFile(path+"."+hex.EncodeToString(hash[:6])+".part", os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	p := &Partial{path: path, file: file}
	p.size, err = file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	data, err := os.ReadFile(p.versionPath())
	if err != nil || json.Unmarshal(data, &p.version) != nil || p.version.anything() {
		p.size, p.version = 0, Version{} // bytes of nobody knows what
	}
	return p, nil
}

// Have is the bytes that are there, and what they belong to.
func (p *Partial) Have() (int64, Version) { return p.size, p.version }

func (p *Partial) versionPath() string { return p.file.Name() + ".json" }

// Start forgets what is beyond offset, and notes to what the bytes belong.
func (p *Partial) Start(v Version, offset int64) error {
	if err := p.file.Truncate(offset); err != nil {
		return err
	}
	if _, err := p.file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	p.size = offset
	if v == p.version {
		return nil
	}
	p.version = v
	return wholefile.WriteJSON(p.versionPath(), v)
}

func (p *Partial) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.size += int64(n)
	return n, err
}

// Leave closes the file for another time. One without bytes is of no use.
func (p *Partial) Leave() error {
	if err := p.file.Close(); err != nil || p.size > 0 {
		return err
	}
	return p.remove()
}

func (p *Partial) remove() error {
	var errs []error
	for _, name := range []string{p.file.Name(), p.versionPath()} {
		if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Finish makes the file the one that it is to become, on disk first.
func (p *Partial) Finish() error {
	if err := errors.Join(p.file.Sync(), p.file.Close()); err != nil {
		return err
	}
	if err := os.Rename(p.file.Name(), p.path); err != nil {
		return err
	}
	return p.remove()
}

package minapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"

	"github.com/minapp-go/minapp/internal/operation"
)

// File is a stored file, as [FileService] reads it and as a file column holds
// it. A file that was read can be written into a column as it is. The zero File
// is null. Source: open-api/data/record.md.
type File struct {
	ID        string
	Name      string
	CreatedAt Timestamp
	MimeType  string
	CDNPath   string
	Size      int64                      // bytes
	Path      string                     // URL to download from; not needed in a column
	Extra     map[string]json.RawMessage // further members, such as categories and status, read and written as they are
}

// fileJSON is what the service demands of a file, and its URL.
type fileJSON struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt Timestamp `json:"created_at"`
	MimeType  string    `json:"mime_type"`
	CDNPath   string    `json:"cdn_path"`
	Size      int64     `json:"size"`
	Path      string    `json:"path,omitempty"`
}

// IsZero reports whether there is no file.
func (f File) IsZero() bool { return f.json() == fileJSON{} && f.Extra == nil }

func (f File) json() fileJSON {
	return fileJSON{f.ID, f.Name, f.CreatedAt, f.MimeType, f.CDNPath, f.Size, f.Path}
}

// MarshalJSON writes the file. It fails if one of the six attributes is missing
// without which the service drops the column; a Size of 0 is an empty file.
func (f File) MarshalJSON() ([]byte, error) {
	if f.IsZero() {
		return []byte("null"), nil
	}
	for _, need := range []struct {
		name    string
		missing bool
	}{
		{"id", f.ID == ""},
		{"name", f.Name == ""},
		{"created_at", f.CreatedAt <= 0},
		{"mime_type", f.MimeType == ""},
		{"cdn_path", f.CDNPath == ""},
		{"size", f.Size < 0},
	} {
		if need.missing {
			return nil, fmt.Errorf("minapp: file %q has no valid %s, and the service would drop it", f.ID, need.name)
		}
	}
	data, err := json.Marshal(f.json())
	if err != nil || len(f.Extra) == 0 {
		return data, err
	}
	members := maps.Clone(f.Extra)
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}

// UnmarshalJSON reads a file with whatever members it has.
func (f *File) UnmarshalJSON(data []byte) error {
	var in fileJSON
	var extra map[string]json.RawMessage
	err := errors.Join(json.Unmarshal(data, &in), json.Unmarshal(data, &extra))
	for _, name := range []string{"id", "name", "created_at", "mime_type", "cdn_path", "size", "path"} {
		delete(extra, name)
	}
	if len(extra) == 0 {
		extra = nil
	}
	*f = File{in.ID, in.Name, in.CreatedAt, in.MimeType, in.CDNPath, in.Size, in.Path, extra}
	return err
}

// FileService reads the files of the application, which file columns refer to.
// Source: open-api/file/file.md.
type FileService struct{ client *Client }

// FileQuery chooses files. The zero value is all of them, oldest first. Source:
// open-api/file/file.md.
type FileQuery struct {
	Category string   // id of a category; the page has it in a sample only
	OrderBy  []string // "created_at" or "-created_at"; empty is created_at
	PageSize int      // files per request, 1 to 1000; 0 is 1000
	Offset   int      // files to leave out first
	Max      int      // files at most; 0 is no limit
	Total    bool     // ask for the number of files that match, which slows the answer
}

// FilePage is one page of files.
type FilePage struct {
	Files []*File
	Total int64 // files that match, if FileQuery.Total asked; else -1
	More  bool  // whether the service says that there is a next page
}

// Get reads one file. [ErrNotFound] if there is none; [ErrInvalid] if the id is
// blank. Repeated automatically. Source: open-api/file/file.md.
func (s *FileService) Get(ctx context.Context, id string, opts ...CallOption) (*File, error) {
	op := operation.FilesGet
	call, err := newCall(op, opts, id)
	if err != nil {
		return nil, err
	}
	file := new(File)
	if err := s.client.send(ctx, op, call, nil, file); err != nil {
		return nil, err
	}
	return file, nil
}

func (s *FileService) list(q FileQuery, opts []CallOption) (l lister[File]) {
	l.client, l.op, l.decode = s.client, operation.FilesList, decodeElements
	if l.call, l.err = newCall(l.op, opts); l.err != nil {
		return l
	}
	if l.call.Query, l.window, l.err = q.params(); l.err != nil {
		l.err = invalid(l.op, "FileQuery: %w", l.err)
	}
	return l
}

func (q FileQuery) params() (url.Values, window, error) {
	w, err := newWindow(q.PageSize, q.Offset, q.Max)
	if err := errors.Join(err, checkNames("OrderBy", trimDash(q.OrderBy))); err != nil {
		return nil, w, err
	}
	if len(q.OrderBy) == 0 {
		q.OrderBy = []string{"created_at"}
	}
	values, err := encodeQuery(struct {
		Category string   `url:"category,omitempty"`
		OrderBy  []string `url:"order_by,comma"`
		Total    bool     `url:"return_total_count,int,omitempty"`
	}{q.Category, q.OrderBy, q.Total})
	return values, w, err
}

// Page reads one page of files. A file that does not decode is in the page as
// far as it goes, and the error is then a joined list of *[DecodeError].
// Repeated automatically. Source: open-api/file/file.md.
func (s *FileService) Page(ctx context.Context, q FileQuery, opts ...CallOption) (*FilePage, error) {
	page, err := s.list(q, opts).page(ctx)
	if page == nil {
		return nil, err
	}
	return &FilePage{page.elements, page.total, page.more}, err
}

// All reads every file that matches, page after page, in the manner of
// [Table.All]. Source: open-api/file/file.md.
func (s *FileService) All(ctx context.Context, q FileQuery, opts ...CallOption) iter.Seq2[*File, error] {
	return s.list(q, opts).all(ctx)
}
